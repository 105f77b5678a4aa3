#!/usr/bin/python3
"""A member of a call made of python3-aiortc; what it takes and tells, member.py says."""
import asyncio
import sys
import time

import numpy
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from aiortc_group_peer import Camera, Microphone
from member import Received, arguments, send_offer

ASK_EVERY_S = 2


async def ask_for_pictures(pc, received):
    """aiortc asks for a key frame only when it has seen a gap: not when the very first packet was lost."""
    while True:
        await asyncio.sleep(ASK_EVERY_S)
        for line in pc.getTransceivers():
            if line.kind == "video" and line.mid not in received.lines:
                for source in line.receiver.getSynchronizationSources():
                    await line.receiver._send_rtcp_pli(source.source)


async def main(url, token, slots, seconds):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    received = Received()
    tasks = []

    async def consume(track, mid):
        while True:
            frame = await track.recv()
            if track.kind == "video":
                received.picture(mid, bytes(frame.planes[0]))
            else:
                received.sound(mid, frame.to_ndarray())

    @pc.on("track")
    def on_track(track):
        [line] = [t for t in pc.getTransceivers() if t.receiver.track is track]
        tasks.append(asyncio.ensure_future(consume(track, line.mid)))

    pc.addTrack(Microphone(0))
    pc.addTrack(Camera(0))
    for _ in range(slots - 1):
        pc.addTransceiver("audio", direction="recvonly")
        pc.addTransceiver("video", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    loop = asyncio.get_running_loop()
    answer, _ = await loop.run_in_executor(None, send_offer, url, token, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    until = time.monotonic() + seconds
    while pc.connectionState != "connected":
        if time.monotonic() > until:
            raise SystemExit(f"not connected after {seconds} s: {pc.connectionState}")
        await asyncio.sleep(0.1)
    tasks.append(asyncio.ensure_future(ask_for_pictures(pc, received)))
    received.tell(connection=pc.connectionState)
    while await loop.run_in_executor(None, sys.stdin.readline):
        received.tell(connection=pc.connectionState)
    for task in tasks:
        task.cancel()
    await pc.close()


asyncio.run(main(*arguments()))
