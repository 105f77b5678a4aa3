// What runs in the two browsers, the same for every server: one sends a camera and a microphone, one receives them.
// Servers differ in how descriptions travel, which is not done here.
"use strict";

const bench = { pc: null, samples: [], frames: [], layers: Promise.resolve() };

// The camera's film carries the number of each picture as cells along its upper edge (source.mjs): dark or bright, most
// significant first, the last four are a check.
const FILM = { width: 640, cell: 48, cells: 12, left: 32, rows: 36 };
const wall = (t = performance.now()) => performance.timeOrigin + t;

function numberReader() {
  const canvas = new OffscreenCanvas(FILM.cells, 1);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (video) => {
    const scale = video.videoWidth / FILM.width;
    context.drawImage(video, FILM.left * scale, 0, FILM.cells * FILM.cell * scale, FILM.rows * scale, 0, 0, FILM.cells, 1);
    const { data } = context.getImageData(0, 0, FILM.cells, 1);
    let word = 0;
    for (let i = 0; i < FILM.cells; i++) word = word * 2 + (data[4 * i + 1] > 128 ? 1 : 0);
    const number = word >> 4;
    return (number ^ (number >> 4)) % 16 === (~word & 15) ? number : null;
  };
}

// Notes each picture as it is shown: its number and when; of an own camera when it was taken.
function watch(stream) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, autoplay: true, playsInline: true, srcObject: stream });
  document.body.append(video);
  const read = numberReader();
  const note = (now, { captureTime, presentationTime }) => {
    // `now` is the time of the page's turn; a busy page is told late.
    bench.frames.push({ at: wall(presentationTime ?? now), taken: captureTime === undefined ? null : wall(captureTime), number: read(video), height: video.videoHeight });
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
}

async function complete(pc) {
  if (pc.iceGatheringState !== "complete")
    await new Promise((resolve) => pc.addEventListener("icegatheringstatechange", () => pc.iceGatheringState === "complete" && resolve()));
  return pc.localDescription.sdp;
}

/** Offers one microphone and one camera in two layers, 640×360 and 320×180, as Parley's page does of such a camera. */
async function publish(maxBitrate) {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { width: 640, height: 360, frameRate: 30 },
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const pc = (bench.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" }));
  const [audio] = stream.getAudioTracks();
  const [video] = stream.getVideoTracks();
  pc.addTransceiver(audio, { direction: "sendonly", streams: [stream] });
  const line = pc.addTransceiver(video, {
    direction: "sendonly",
    streams: [stream],
    sendEncodings: [
      { rid: "q", scaleResolutionDownBy: 2, maxBitrate: 150_000 },
      { rid: "h", scaleResolutionDownBy: 1, maxBitrate },
    ],
  });
  line.setCodecPreferences(RTCRtpSender.getCapabilities("video").codecs.filter((c) => /VP8|rtx/.test(c.mimeType)));
  watch(stream);
  await pc.setLocalDescription();
  return complete(pc);
}

/** The layers that somebody watches; the others are not sent. One change after the other. */
function setLayers(active) {
  bench.layers = bench.layers.catch(() => {}).then(async () => {
    const sender = bench.pc.getSenders().find((s) => s.track?.kind === "video");
    const parameters = sender.getParameters();
    for (const e of parameters.encodings) e.active = active[e.rid] ?? e.active;
    await sender.setParameters(parameters);
  });
  return bench.layers;
}

function receiver() {
  const pc = (bench.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" }));
  bench.audio = new Audio();
  bench.audio.autoplay = true;
  pc.addEventListener("track", ({ track }) => {
    const stream = new MediaStream([track]);
    if (track.kind === "video") watch(stream);
    else bench.audio.srcObject = stream;
  });
  return pc;
}

/** Of a server that answers. */
async function offerToReceive() {
  const pc = receiver();
  pc.addTransceiver("audio", { direction: "recvonly" });
  pc.addTransceiver("video", { direction: "recvonly" });
  await pc.setLocalDescription();
  return complete(pc);
}

const accept = (sdp) => bench.pc.setRemoteDescription({ type: "answer", sdp });

/** Of a server that offers. */
async function answerToReceive(sdp) {
  const pc = receiver();
  await pc.setRemoteDescription({ type: "offer", sdp });
  await pc.setLocalDescription();
  return complete(pc);
}

const names = (text) => text.trim().split(/\s+/);
const INBOUND = names(`
  bytesReceived packetsReceived packetsLost jitterBufferDelay jitterBufferEmittedCount estimatedPlayoutTimestamp
  framesDecoded framesDropped framesPerSecond frameHeight qpSum freezeCount totalFreezesDuration
  nackCount pliCount keyFramesDecoded concealedSamples silentConcealedSamples totalSamplesReceived
  insertedSamplesForDeceleration removedSamplesForAcceleration fecPacketsReceived`);
const OUTBOUND = names("rid bytesSent framesSent framesPerSecond frameHeight active qualityLimitationReason targetBitrate");
const pick = (stats, wanted) => Object.fromEntries(wanted.filter((n) => stats[n] !== undefined).map((n) => [n, stats[n]]));

async function sample() {
  const out = { at: wall(), inbound: {}, outbound: [] };
  for (const s of (await bench.pc.getStats()).values()) {
    if (s.type === "inbound-rtp") out.inbound[s.kind] = pick(s, INBOUND);
    else if (s.type === "outbound-rtp" && s.kind === "video") out.outbound.push(pick(s, OUTBOUND));
    else if (s.type === "candidate-pair" && s.nominated) Object.assign(out, { rtt: s.currentRoundTripTime, available: s.availableOutgoingBitrate });
  }
  return out;
}

function startSampling(ms) {
  setInterval(async () => bench.samples.push(await sample()), ms);
}

const collected = () => ({ samples: bench.samples, frames: bench.frames });
