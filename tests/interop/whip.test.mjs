// Programs made of aiortc and GStreamer, which this project did not write, send into a call by WHIP and watch it by WHEP.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { activeCall, pythonPeers } from "../support/call.mjs";
import { launchChromium } from "../support/browser.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, opts: ["calls.reconnect_grace=3600"] });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A member in Chromium without our page; what it has received by now. */
async function join(person, call) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${server.base}/api/v1/openapi.json`);
  await page.evaluate(
    async ({ token, url }) => {
      const pc = (globalThis.pc = new RTCPeerConnection());
      globalThis.players = [];
      pc.ontrack = ({ track }) => {
        if (track.kind !== "audio") return;
        const player = new Audio();
        player.srcObject = new MediaStream([track]); // what nobody plays is not decoded
        globalThis.players.push(player);
        void player.play();
      };
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180 } });
      for (const track of stream.getTracks()) pc.addTrack(track, stream);
      await pc.setLocalDescription(await pc.createOffer());
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/sdp" };
      const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
      if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
      await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    },
    { token: person.token, url: `/api/v1/calls/${call.id}/media` },
  );
  return () =>
    page.evaluate(async () => {
      const out = { frames: 0, samples: 0 };
      for (const s of (await globalThis.pc.getStats()).values()) {
        if (s.type === "inbound-rtp" && s.kind === "video") out.frames = s.framesDecoded ?? 0;
        if (s.type === "inbound-rtp" && s.kind === "audio") out.samples = (s.totalSamplesReceived ?? 0) - (s.concealedSamples ?? 0);
      }
      return out;
    });
}

test("a stream is seen and heard by a member in Chromium, and by a watcher who sees that member, too", { timeout: 300_000 }, async () => {
  const { ana, bela, call } = await activeCall(server);
  const make = async (kind, name) => (await ana.must("POST", `/calls/${call.id}/streams`, { kind, name })).json.stream;
  const [camera, wall] = [await make("publish", "Hall camera"), await make("watch", "Wall")];
  const received = await join(bela, call);
  const args = (stream) => [stream.url, stream.token, stream.kind, 2, 120];
  const running = pythonPeers("whip_peer.py", [args(camera), args(wall)]);
  running.catch(() => {});
  const seats = await bela.event("seats", (e) => e.seats.filter((s) => s.member === camera.id && s.state === "live").length === 2, 120_000);
  assert.deepEqual(seats.seats.filter((s) => s.member === camera.id).map((s) => s.kind).sort(), ["camera", "microphone"]);
  const got = await eventually(
    "Bela's Chromium has decoded the stream",
    async () => {
      const now = await received();
      return now.frames >= 20 && now.samples >= 48_000 ? now : null;
    },
    120_000,
    500,
  );
  const { items } = (await bela.must("GET", `/calls/${call.id}/streams`)).json;
  assert.deepEqual(items.map((s) => [s.name, s.state]), [["Hall camera", "joined"], ["Wall", "joined"]]);
  const [published, watched] = await running;
  console.log(`# ${JSON.stringify({ got, published, watched })}`);
  assert.equal(published.connection, "connected");
  assert.deepEqual(published.pictures, [], "a publisher is sent nothing");
  // Bela and the camera; Ana has opened no media.
  assert.equal(watched.pictures.filter((n) => n >= 20).length, 2);
  assert.equal(watched.sounds.filter((n) => n >= 50).length, 2);
  const left = [await ana.event("member.left"), await ana.event("member.left")];
  assert.deepEqual(left.map((e) => e.member.user.display_name).sort(), ["Hall camera", "Wall"]);
});

test("what GStreamer's webrtcbin publishes is seen and heard by a member in Chromium", { timeout: 300_000 }, async () => {
  const { ana, bela, call } = await activeCall(server);
  const { stream } = (await ana.must("POST", `/calls/${call.id}/streams`, { kind: "publish", name: "Hall camera" })).json;
  const received = await join(bela, call);
  let decoded;
  const until = new Promise((resolve) => (decoded = resolve));
  const running = pythonPeers("gst_member.py", [[stream.url, stream.token, "whip", 0, 120]], until);
  running.catch(() => {});
  const enough = eventually(
    "Bela's Chromium has decoded the stream",
    async () => {
      const now = await received();
      return now.frames >= 20 && now.samples >= 48_000;
    },
    120_000,
    500,
  );
  try {
    await Promise.race([enough, running]);
  } finally {
    decoded();
  }
  const [published] = await running;
  assert.equal(published.connection, "connected");
  assert.deepEqual(published.lines, {}, "a publisher is sent nothing");
  const left = await ana.event("member.left");
  assert.equal(left.member.user.display_name, "Hall camera");
});
