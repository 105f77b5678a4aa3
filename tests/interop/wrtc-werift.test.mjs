// @roamhq/wrtc (libwebrtc) on one side, werift (pure TypeScript) on the other: werift sends back what it hears and sees.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import wrtc from "@roamhq/wrtc";
import { RTCPeerConnection as WeriftPeerConnection, MediaStreamTrack as WeriftTrack, useVP8, useOPUS, useAbsSendTime, useSdesMid } from "werift";
import { Server, eventually } from "../support/server.mjs";
import { activeCall } from "../support/call.mjs";

let server;
before(async () => (server = await Server.start({ workers: 1, mediads: 2, checked: true })));
after(async () => {
  await server?.stop();
  // werift leaves two UDP sockets open behind close(), which would keep this process alive for ever.
  setTimeout(() => process.exit(), 1000).unref();
});

async function offerTo(person, call, pc) {
  await pc.setLocalDescription(await pc.createOffer());
  // Candidates of an ICE-lite server's peer need not be in the offer.
  const answer = await person.must("POST", `/calls/${call.id}/media`, pc.localDescription.sdp, { type: "application/sdp" });
  assert.equal(answer.status, 201);
  await pc.setRemoteDescription({ type: "answer", sdp: answer.text });
  return answer;
}

test("libwebrtc and werift: both directions, echo included", { timeout: 240_000 }, async () => {
  const { ana, bela, call } = await activeCall(server);

  const native = new wrtc.RTCPeerConnection();
  const videoSource = new wrtc.nonstandard.RTCVideoSource();
  const audioSource = new wrtc.nonstandard.RTCAudioSource();
  native.addTrack(audioSource.createTrack());
  native.addTrack(videoSource.createTrack());
  let frames = 0;
  native.ontrack = ({ track }) => {
    if (track.kind !== "video") return;
    const sink = new wrtc.nonstandard.RTCVideoSink(track);
    sink.onframe = () => frames++;
  };
  let n = 0;
  const camera = setInterval(() => {
    const [width, height] = [320, 180];
    const data = new Uint8ClampedArray(width * height * 1.5).fill(128);
    for (let i = 0; i < width * height; i++) data[i] = (i + n * 7) & 255;
    videoSource.onFrame({ width, height, data });
    n++;
  }, 50);
  const microphone = setInterval(() => {
    const samples = new Int16Array(480);
    for (let i = 0; i < 480; i++) samples[i] = 8000 * Math.sin(((n * 480 + i) * 440 * 2 * Math.PI) / 48000);
    audioSource.onData({ samples, sampleRate: 48000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
  }, 10);

  const pure = new WeriftPeerConnection({
    codecs: { audio: [useOPUS()], video: [useVP8()] },
    headerExtensions: { video: [useSdesMid(), useAbsSendTime()], audio: [useSdesMid()] },
    iceServers: [],
  });
  const counted = { audio: 0, video: 0 };
  let gaps = 0;
  for (const kind of ["audio", "video"]) {
    const echo = new WeriftTrack({ kind });
    const transceiver = pure.addTransceiver(echo, { direction: "sendrecv" });
    let last;
    transceiver.onTrack.subscribe((track) => {
      if (kind === "video") setInterval(() => transceiver.receiver.sendRtcpPLI(track.ssrc).catch(() => {}), 2000).unref();
      track.onReceiveRtp.subscribe((rtp) => {
        counted[kind]++;
        const seq = rtp.header.sequenceNumber;
        if (last !== undefined && ((seq - last) & 0xffff) !== 1) gaps++;
        last = seq;
        echo.writeRtp(rtp.clone ? rtp.clone() : rtp);
      });
    });
  }

  try {
    const first = await offerTo(ana, call, native);
    assert.match(first.headers.location, new RegExp(`/calls/${call.id}/media/.+`));
    await offerTo(bela, call, pure);
    await eventually("werift hears and sees libwebrtc", () => counted.audio > 100 && counted.video > 50, 60_000);
    await eventually("libwebrtc decodes its own picture as werift sent it back", () => frames > 20, 60_000);
    console.log(`# werift received ${JSON.stringify(counted)} with ${gaps} gaps; libwebrtc decoded ${frames} frames of the echo`);
    // A socket that a busy machine does not empty in time loses packets; numbers that the server gets wrong are gaps all along.
    assert.ok(gaps < (counted.audio + counted.video) / 20, `${gaps} gaps in the sequence numbers on a clean path`);
    // libwebrtc tells sound levels; both hear that Ana speaks, over two mediads.
    for (const person of [ana, bela]) await person.event("speaker", (e) => e.call_id === call.id && e.member === ana.id, 60_000);
    const { quality } = await ana.event("quality", (e) => e.quality.rtt_ms !== null && e.quality.bitrate_out > 10_000 && e.quality.bitrate_in > 10_000, 60_000);
    console.log(`# ${JSON.stringify(quality)}`);
    assert.ok(quality.loss <= 0.1, JSON.stringify(quality));
    await bela.event("quality", (e) => e.quality.mediad !== quality.mediad, 60_000);
    assert.equal(await server.metric("parley_mediad_rtcp_bad_total"), 0, "all of their RTCP is understood");
  } finally {
    clearInterval(camera);
    clearInterval(microphone);
    native.close();
    await pure.close();
  }
});
