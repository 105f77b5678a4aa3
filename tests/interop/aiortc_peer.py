#!/usr/bin/python3
"""One participant made of python3-aiortc: offers microphone and camera, counts what it gets.

usage: aiortc_peer.py BASE TOKEN CALL_ID LEAST MOST

Prints one line of JSON when it has seen enough, after LEAST seconds at the earliest and MOST at the latest: decoded
video frames, audio frames, states. Leaves when its standard input ends: the other one needs its time too.
"""
import asyncio
import json
import sys
import time

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack


async def main(base, token, call_id, least, most):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    seen = {"video": 0, "audio": 0, "width": 0}
    tasks = []

    async def consume(track):
        while True:
            frame = await track.recv()
            seen[track.kind] += 1
            if track.kind == "video":
                seen["width"] = frame.width

    @pc.on("track")
    def on_track(track):
        tasks.append(asyncio.ensure_future(consume(track)))

    pc.addTrack(AudioStreamTrack())
    pc.addTrack(VideoStreamTrack())
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        url = f"{base}/api/v1/calls/{call_id}/media"
        async with http.post(url, data=pc.localDescription.sdp.encode(), headers=headers) as response:
            answer = await response.text()
            if response.status != 201:
                raise SystemExit(f"{response.status}: {answer}")
        await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        began = time.monotonic()
        asked = time.monotonic()
        while time.monotonic() < began + most:
            # aiortc asks for a key frame only when it has seen a gap: not when the very first packet was lost.
            if seen["video"] == 0 and time.monotonic() - asked > 2:
                asked = time.monotonic()
                for receiver in pc.getReceivers():
                    if receiver.track.kind == "video":
                        for source in receiver.getSynchronizationSources():
                            await receiver._send_rtcp_pli(source.source)
            if seen["video"] >= 60 and seen["audio"] >= 100 and time.monotonic() > began + least:
                break
            await asyncio.sleep(0.1)
        print(json.dumps({**seen, "connection": pc.connectionState, "ice": pc.iceConnectionState}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await pc.close()


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5])))
