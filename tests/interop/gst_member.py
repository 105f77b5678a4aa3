#!/usr/bin/python3
"""A member of a call made of GStreamer's webrtcbin; what it takes and tells, member.py says. With "whip" in place of
CALL_ID, TOKEN is a stream's, BASE its URL, and it publishes only.
"""
import sys
import threading
import time
import urllib.request
from urllib.parse import urljoin

import gi
import numpy

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstApp, GstSdp, GstWebRTC  # noqa: E402, F401

from member import Received, arguments, insecure, send_offer  # noqa: E402

SOURCES = """
audiotestsrc is-live=true wave=sine freq=600 volume=0.3 ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! w.
videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1
  ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=300 target-bitrate=300000 ! rtpvp8pay picture-id-mode=15-bit
  ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! w.
"""
DECODERS = {
    "video": "queue ! rtpvp8depay request-keyframe=true wait-for-keyframe=true ! vp8dec ! videoconvert ! video/x-raw,format=GRAY8",
    "audio": "queue ! rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE",
}
# No thread of the pipeline waits for Python, and a line on which nothing comes yet holds nothing up.
SINK = "appsink name=sink async=false sync=false max-buffers=50 drop=true"
SLOTS = {
    "audio": "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
    "video": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
}


class Peer:
    def __init__(self, url, token, slots, publishes_only):
        self.url, self.token, self.slots, self.publishes_only = url, token, slots, publishes_only
        self.received = Received()
        self.location = None
        self.loop = GLib.MainLoop()
        self.problem = None
        self.kept, self.sinks = [], []
        self.pipeline = Gst.parse_launch(f"webrtcbin name=w bundle-policy=max-bundle latency=100 {SOURCES}")
        self.rtc = self.pipeline.get_by_name("w")
        self.rtc.connect("pad-added", self.on_pad)
        self.rtc.connect("on-negotiation-needed", self.on_negotiation_needed)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)

    def on_error(self, _bus, message):
        error, debug = message.parse_error()
        self.fail(f"{error.message} ({debug})")

    def fail(self, problem):
        self.problem = self.problem or problem
        GLib.idle_add(self.loop.quit)

    def lines(self):
        index = 0
        while line := self.rtc.emit("get-transceiver", index):
            yield line
            index += 1

    def on_negotiation_needed(self, _rtc):
        if self.location is not None:
            return
        self.location = ""
        way = GstWebRTC.WebRTCRTPTransceiverDirection
        for line in self.lines():
            if self.publishes_only:
                line.set_property("direction", way.SENDONLY)
        for _ in range(0 if self.publishes_only else self.slots - 1):
            for caps in SLOTS.values():
                self.rtc.emit("add-transceiver", way.RECVONLY, Gst.Caps.from_string(caps))
        # webrtcbin offers NACK and RTX only for what asks for it.
        for line in self.lines():
            line.set_property("do-nack", True)
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def describe(self, kind, text):
        """What webrtcbin is given: Python must neither free its parts before nor after it."""
        _, message = GstSdp.SDPMessage.new_from_text(text)
        description = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        self.kept += [message, description]
        return description

    def on_offer(self, promise):
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        text = offer.sdp.as_text()
        self.kept += [promise, reply, offer]
        self.rtc.emit("set-local-description", self.describe(GstWebRTC.WebRTCSDPType.OFFER, text), None)
        threading.Thread(target=self.exchange, args=(text,)).start()

    def exchange(self, offer):
        try:
            answer, self.location = send_offer(self.url, self.token, offer)
        except SystemExit as error:
            self.fail(f"{error}\n{offer}")
            return
        self.rtc.emit("set-remote-description", self.describe(GstWebRTC.WebRTCSDPType.ANSWER, answer), None)

    def on_pad(self, _rtc, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        line = pad.get_property("transceiver")
        mid, kind = line.get_property("mid"), pad.get_current_caps().get_structure(0).get_string("media")
        decoder = Gst.parse_bin_from_description(f"{DECODERS[kind]} ! {SINK}", True)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))
        self.sinks.append((decoder.get_by_name("sink"), mid, kind))

    def take(self):
        for sink, mid, kind in list(self.sinks):
            while sample := sink.try_pull_sample(0):
                data = sample.get_buffer()
                data = data.extract_dup(0, data.get_size())
                if kind == "video":
                    self.received.picture(mid, data)
                else:
                    self.received.sound(mid, numpy.frombuffer(data, dtype=numpy.int16))
        return True

    def connection(self):
        return self.rtc.get_property("connection-state").value_nick

    def tell(self):
        self.received.tell(connection=self.connection(), location=self.location)

    def answer(self):
        """In a thread of its own: signals need the loop meanwhile."""
        for _ in sys.stdin:
            GLib.idle_add(self.tell)
        GLib.idle_add(self.loop.quit)

    def look(self, until):
        if self.connection() == "connected":
            self.tell()
            threading.Thread(target=self.answer, daemon=True).start()
            return False
        if time.monotonic() > until:
            self.fail(f"not connected: {self.connection()}")
        return True

    def run(self, seconds):
        GLib.timeout_add(20, self.take)
        GLib.timeout_add(100, self.look, time.monotonic() + seconds)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.problem is not None:
            raise SystemExit(self.problem)
        if self.publishes_only:
            request = urllib.request.Request(urljoin(self.url, self.location), method="DELETE", headers={"Authorization": f"Bearer {self.token}"})
            urllib.request.urlopen(request, context=insecure()).close()
        self.pipeline.set_state(Gst.State.NULL)


Gst.init(None)
if sys.argv[3] == "whip":
    peer, most = Peer(sys.argv[1], sys.argv[2], 0, True), float(sys.argv[5])
else:
    media, bearer, people, most = arguments()
    peer = Peer(media, bearer, people, False)
peer.run(most)
