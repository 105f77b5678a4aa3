// Two Chromiums without our page: all of their RTCP is understood, and a muted microphone is silenced by the server.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { activeCall } from "../support/call.mjs";
import { launchChromium } from "../support/browser.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 1, mediads: 2, checked: true });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function join(person, call) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${server.base}/api/v1/openapi.json`);
  await page.evaluate(
    async ({ token, url }) => {
      const pc = (globalThis.pc = new RTCPeerConnection());
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
  return {
    received: () =>
      page.evaluate(async () => {
        const out = { audio: 0, video: 0, frames: 0 };
        for (const s of (await globalThis.pc.getStats()).values()) {
          if (s.type !== "inbound-rtp") continue;
          out[s.kind] = s.packetsReceived;
          if (s.kind === "video") out.frames = s.framesDecoded ?? 0;
        }
        return out;
      }),
  };
}

test("Chromium's RTCP is understood, its speaker and its quality are told, and mute holds on the server", { timeout: 280_000 }, async () => {
  const { ana, bela, call } = await activeCall(server);
  const [a, b] = [await join(ana, call), await join(bela, call)];
  for (const peer of [a, b]) await eventually("it decodes", async () => (await peer.received()).frames > 60, 60_000, 200);
  await eventually("feedback comes", async () => (await server.metric("parley_mediad_rtcp_received_total")) > 20);
  assert.equal(await server.metric("parley_mediad_rtcp_bad_total"), 0);
  await ana.event("speaker", (e) => e.member !== null, 60_000); // the fake microphone beeps
  const { quality } = await ana.event("quality", (e) => e.quality.rtt_ms !== null && e.quality.bitrate_in > 0, 60_000);
  console.log(`# ${JSON.stringify(quality)} ${JSON.stringify(await a.received())}`);

  // Bela's page goes on sending; Ana hears nothing of it all the same.
  await bela.must("PATCH", `/calls/${call.id}/members/me`, { muted: { audio: true } });
  const muted = await eventually("only her picture goes on", async () => {
    const before_ = await a.received();
    await sleep(2000);
    const now = await a.received();
    return now.audio === before_.audio && now.video > before_.video && now;
  });
  await bela.must("PATCH", `/calls/${call.id}/members/me`, { muted: { audio: false } });
  await eventually("her voice is back", async () => (await a.received()).audio > muted.audio + 20);

  // A pause stops both ways; after it both are live.
  await bela.must("PATCH", `/calls/${call.id}/members/me`, { paused: true });
  await ana.event("seats", (e) => e.seats.length > 0 && e.seats.every((s) => s.state === "paused"), 30_000);
  await eventually("nothing comes", async () => {
    const paused = [await a.received(), await b.received()];
    await sleep(1500);
    assert.deepEqual([await a.received(), await b.received()], paused);
    return true;
  });
  ana.events.length = bela.events.length = 0;
  const began = Date.now();
  await bela.must("PATCH", `/calls/${call.id}/members/me`, { paused: false });
  await Promise.all([ana, bela].map((p) => p.event("seats", (e) => e.seats.every((s) => s.state === "live"), 30_000)));
  console.log(`# live again after ${Date.now() - began} ms`);
});
