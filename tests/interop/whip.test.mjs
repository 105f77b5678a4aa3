// Programs made of aiortc and GStreamer, which this project did not write, send into a call by WHIP and watch it by WHEP.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { activeCall, pythonPeers } from "../support/call.mjs";
import { launchChromium } from "../support/browser.mjs";
import { joinInChromium } from "../support/member.mjs";

let server, open, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true, opts: ["calls.reconnect_grace=3600"] });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await open?.stop();
});

const join = (person, call) => joinInChromium(browser, person, call);

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
  // libnice has no address on the loopback interface, where the proxy of the other server stands.
  open = await Server.start({ workers: 1, mediads: 2 });
  const { ana, bela, call } = await activeCall(open);
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
