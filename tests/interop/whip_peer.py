#!/usr/bin/python3
"""A program with a stream link, made of python3-aiortc: publishes by WHIP or watches by WHEP.

usage: whip_peer.py URL TOKEN publish|watch LEAST MOST

Watching, it offers two pairs of audio and video to receive. Prints one line of JSON: when it is connected (publish), or
has seen enough, after LEAST seconds at the earliest and MOST at the latest (watch). Ends its session and leaves when
its standard input ends.
"""
import asyncio
import json
import sys
import time
from urllib.parse import urljoin

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

PAIRS = 2


async def consume(track, seen):
    while True:
        await track.recv()
        seen[track.kind] += 1


async def ask_for_keyframes(pc):
    """aiortc asks for one only when it has seen a gap: not when the very first packet was lost."""
    for receiver in pc.getReceivers():
        if receiver.track.kind == "video":
            for source in receiver.getSynchronizationSources():
                await receiver._send_rtcp_pli(source.source)


async def main(url, token, kind, least, most):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    tracks = []
    tasks = []

    @pc.on("track")
    def on_track(track):
        seen = {"audio": 0, "video": 0}
        tracks.append(seen)
        tasks.append(asyncio.ensure_future(consume(track, seen)))

    if kind == "publish":
        pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
        pc.addTransceiver(VideoStreamTrack(), direction="sendonly")
    else:
        for _ in range(PAIRS):
            pc.addTransceiver("audio", direction="recvonly")
            pc.addTransceiver("video", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        async with http.post(url, data=pc.localDescription.sdp.encode(), headers=headers) as response:
            answer = await response.text()
            if response.status != 201:
                raise SystemExit(f"{response.status}: {answer}")
            session = urljoin(url, response.headers["Location"])
        await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        began = asked = time.monotonic()
        while time.monotonic() < began + most:
            pictures = [t["video"] for t in tracks if t["video"]]
            sounds = [t["audio"] for t in tracks if t["audio"]]
            watched = min(len(pictures), len(sounds)) == PAIRS and min(pictures) >= 20 and min(sounds) >= 50
            enough = watched if kind == "watch" else pc.connectionState == "connected"
            if enough and time.monotonic() > began + least:
                break
            if kind == "watch" and len(pictures) < PAIRS and time.monotonic() - asked > 2:
                asked = time.monotonic()
                await ask_for_keyframes(pc)
            await asyncio.sleep(0.1)
        seen = {"pictures": [t["video"] for t in tracks], "sounds": [t["audio"] for t in tracks]}
        print(json.dumps({**seen, "connection": pc.connectionState}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        async with http.delete(session, headers={"Authorization": f"Bearer {token}"}) as response:
            if response.status != 204:
                raise SystemExit(f"DELETE: {response.status}")
    for task in tasks:
        task.cancel()
    await pc.close()


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5])))
