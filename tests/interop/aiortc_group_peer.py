#!/usr/bin/python3
"""One member of a group call, made of python3-aiortc: shows a grey of its own, plays a tone of its own, and tells whose
greys and tones it decoded.

usage: aiortc_group_peer.py BASE TOKEN CALL_ID NUMBER PEOPLE SECONDS

Offers microphone and camera, and as many recvonly slots as it takes to receive everybody else. Prints one line of
JSON when it has seen enough, after SECONDS at the latest: {"pictures": {number: frames}, "sounds": {number: frames}}.
Leaves when its standard input ends.
"""
import asyncio
import fractions
import json
import sys
import time

import aiohttp
import numpy
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame, VideoFrame

FPS = 10
RATE = 48000
ENOUGH = 20


def grey(number):
    return 40 + 40 * number


def tone(number):
    return 300 * (number + 1)


class Camera(MediaStreamTrack):
    kind = "video"

    def __init__(self, number):
        super().__init__()
        self.level, self.count, self.began = grey(number), 0, time.monotonic()

    async def recv(self):
        self.count += 1
        await asyncio.sleep(max(0, self.began + self.count / FPS - time.monotonic()))
        picture = numpy.full((96 * 3 // 2, 128), 128, dtype=numpy.uint8)
        picture[:96] = self.level
        picture[: self.count % 96, :4] = 255  # something moves
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = self.count * 90000 // FPS, fractions.Fraction(1, 90000)
        return frame


class Microphone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, number):
        super().__init__()
        self.hertz, self.count, self.began = tone(number), 0, time.monotonic()

    async def recv(self):
        await asyncio.sleep(max(0, self.began + self.count / 50 - time.monotonic()))
        at = numpy.arange(self.count * 960, self.count * 960 + 960)
        samples = (8000 * numpy.sin(2 * numpy.pi * self.hertz * at / RATE)).astype(numpy.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.count * 960, fractions.Fraction(1, RATE)
        self.count += 1
        return frame


def who_is_seen(frame):
    level = int(frame.to_ndarray(format="yuv420p")[20:76, 40:88].mean())
    number = round((level - 40) / 40)
    return number if number >= 0 and abs(level - grey(number)) < 8 else None


def who_is_heard(frame):
    samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0].astype(numpy.int32)
    if numpy.abs(samples).mean() < 500:
        return None
    crossings = int(((samples[:-1] < 0) != (samples[1:] < 0)).sum())
    hertz = crossings * frame.sample_rate / (2 * len(samples))
    number = round(hertz / 300) - 1
    return number if number >= 0 and abs(hertz - tone(number)) < 80 else None


async def main(base, token, call_id, number, people, seconds):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    seen = {"pictures": {}, "sounds": {}}
    tasks = []

    async def consume(track):
        while True:
            frame = await track.recv()
            kind, who = ("pictures", who_is_seen(frame)) if track.kind == "video" else ("sounds", who_is_heard(frame))
            if who is not None:
                seen[kind][who] = seen[kind].get(who, 0) + 1

    @pc.on("track")
    def on_track(track):
        tasks.append(asyncio.ensure_future(consume(track)))

    pc.addTrack(Microphone(number))
    pc.addTrack(Camera(number))
    for _ in range(people - 2):
        pc.addTransceiver("audio", direction="recvonly")
        pc.addTransceiver("video", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        url = f"{base}/api/v1/calls/{call_id}/media"
        async with http.post(url, data=pc.localDescription.sdp.encode(), headers=headers) as response:
            answer = await response.text()
            if response.status != 201:
                raise SystemExit(f"{response.status}: {answer}")
        await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        others = set(range(people)) - {number}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if all(seen[kind].get(who, 0) >= ENOUGH for kind in seen for who in others):
                break
            await asyncio.sleep(0.1)
        print(json.dumps({**seen, "connection": pc.connectionState}), flush=True)
        # The others need their time too.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await pc.close()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(main(*arguments[:3], int(arguments[3]), int(arguments[4]), float(arguments[5])))
