"""What members of a call that are made of Python scripts have in common: how they join, and what they tell.

usage: SCRIPT BASE TOKEN CALL_ID SLOTS SECONDS

Each offers microphone and camera and as many recvonly lines as it takes to receive SLOTS people. It prints a line of
JSON when it is connected, which is a failure after SECONDS; another one for each line that it reads; and leaves when its
standard input ends: {"lines": {mid: {"kind", "frames", "changes", "loud"}}, …}: frames that were decoded, how many
pictures were another than the one before, how many pieces of sound were not silent.
"""
import json
import ssl
import sys
import urllib.error
import urllib.request
import zlib

import numpy

SILENT = 200  # of 32767: what a codec makes of nothing is less


class Received:
    """Filled by whatever thread decodes a line; each line by one."""

    def __init__(self):
        self.lines, self.last = {}, {}

    def line(self, mid, kind):
        return self.lines.setdefault(mid, {"kind": kind, "frames": 0, "changes": 0, "loud": 0})

    def picture(self, mid, data):
        line, now = self.line(mid, "video"), zlib.crc32(data)
        line["frames"] += 1
        if self.last.get(mid, now) != now:
            line["changes"] += 1
        self.last[mid] = now

    def sound(self, mid, samples):
        line = self.line(mid, "audio")
        line["frames"] += 1
        if numpy.abs(samples.astype(numpy.int32)).max(initial=0) > SILENT:
            line["loud"] += 1

    def tell(self, **more):
        print(json.dumps({"lines": self.lines, **more}), flush=True)


def insecure():
    """The certificate of a test's server is nobody's."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def send_offer(url, token, sdp):
    """Blocks; the answer and where it is (WHIP, and /calls/{id}/media alike)."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    request = urllib.request.Request(url, data=sdp.encode(), headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, context=insecure()) as response:
            return response.read().decode(), response.headers["Location"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{error.code}: {error.read().decode()}") from error


def arguments():
    base, token, call_id, slots, seconds = sys.argv[1:6]
    return f"{base}/api/v1/calls/{call_id}/media", token, int(slots), float(seconds)
