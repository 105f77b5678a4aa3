// Two Chromiums without our page: all of their RTCP is understood, and a muted microphone is silenced by the server.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { activeCall } from "../support/call.mjs";
import { launchChromium } from "../support/browser.mjs";
import { joinInChromium } from "../support/member.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 1, mediads: 2, checked: true });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("Chromium's RTCP is understood, its speaker and its quality are told, and mute holds on the server", { timeout: 280_000 }, async () => {
  const { ana, bela, call } = await activeCall(server);
  const [a, b] = await Promise.all([ana, bela].map((person) => joinInChromium(browser, person, call)));
  for (const received of [a, b]) await eventually("it decodes", async () => (await received()).frames > 60, 60_000, 200);
  await eventually("feedback comes", async () => (await server.metric("parley_mediad_rtcp_received_total")) > 20);
  assert.equal(await server.metric("parley_mediad_rtcp_bad_total"), 0);
  await ana.event("speaker", (e) => e.member !== null, 60_000); // the fake microphone beeps
  const { quality } = await ana.event("quality", (e) => e.quality.rtt_ms !== null && e.quality.bitrate_in > 0, 60_000);
  console.log(`# ${JSON.stringify(quality)} ${JSON.stringify(await a())}`);

  // Bela's page goes on sending; Ana hears nothing of it all the same.
  await bela.must("PATCH", `/calls/${call.id}/members/me`, { muted: { audio: true } });
  const muted = await eventually("only her picture goes on", async () => {
    const before_ = await a();
    await sleep(2000);
    const now = await a();
    return now.audio === before_.audio && now.video > before_.video && now;
  });
  await bela.must("PATCH", `/calls/${call.id}/members/me`, { muted: { audio: false } });
  await eventually("her voice is back", async () => (await a()).audio > muted.audio + 20);

  // A pause stops both ways; after it both are live.
  await bela.must("PATCH", `/calls/${call.id}/members/me`, { paused: true });
  await ana.event("seats", (e) => e.seats.length > 0 && e.seats.every((s) => s.state === "paused"), 30_000);
  await eventually("nothing comes", async () => {
    const packets = async () => [await a(), await b()].map(({ audio, video }) => [audio, video]);
    const paused = await packets();
    await sleep(1500);
    assert.deepEqual(await packets(), paused);
    return true;
  });
  ana.events.length = bela.events.length = 0;
  const began = Date.now();
  await bela.must("PATCH", `/calls/${call.id}/members/me`, { paused: false });
  await Promise.all([ana, bela].map((p) => p.event("seats", (e) => e.seats.every((s) => s.state === "live"), 30_000)));
  console.log(`# live again after ${Date.now() - began} ms`);
});
