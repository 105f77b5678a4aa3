// The first call, as two people make it: accounts, contacts, ring, answer, talk, leave, history.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { launchChromium, twoContacts } from "../support/browser.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, opts: ["media.placement=spread"] });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("two people become contacts, call, see and hear each other through two mediads, and hang up", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  const ring = ["0", "1"].map((from) => `parley_media_ring_packets_total{from="${from}",to="${1 - from}"}`);
  const before_ = await server.metrics();

  await ana.videoCall(bela);
  await ana.page.getByText("Calling…").first().waitFor();
  const answered = await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  const took = Date.now() - answered;
  console.log(`# seen and heard on both sides ${took} ms after the click on Answer`);

  // The two are on two different mediads: what each hears has crossed shared memory.
  const metrics = await server.metrics();
  assert.equal(metrics['parley_mediad_transports{mediad="0"}'], 1);
  assert.equal(metrics['parley_mediad_transports{mediad="1"}'], 1);

  const seconds = Number(process.env.PARLEY_TEST_CALL_SECONDS ?? 20);
  const first = [await ana.stats(), await bela.stats()];
  await sleep(seconds * 1000);
  const last = [await ana.stats(), await bela.stats()];
  for (const i of [0, 1]) {
    assert.ok(last[i].video.frames - first[i].video.frames > 10 * seconds, "frames go on being decoded");
    assert.ok(last[i].audio.energy > first[i].audio.energy, "sound goes on");
    assert.equal(last[i].video.freezes - first[i].video.freezes, 0, "no freeze");
    console.log(`# ${["Ana", "Bela"][i]}: ${JSON.stringify(last[i])}`);
  }
  const later = await server.metrics();
  for (const name of ring) assert.ok(later[name] - before_[name] > 50 * seconds, `${name} rose by ${later[name] - before_[name]}`);
  // Transport-wide feedback works: the browser's estimate has left its start value of 300 kbit/s.
  assert.ok(last[0].estimate > 600_000, `the sender's estimate rises: ${last[0].estimate}`);

  // Mute is seen on the other side, and sound stops.
  await ana.button("Mute microphone").click();
  await ana.button("Unmute microphone").waitFor();
  await sleep(500);
  const quiet = (await bela.stats()).audio.energy;
  await sleep(1500);
  assert.ok((await bela.stats()).audio.energy - quiet < 0.001, "a muted microphone is silent");
  await ana.button("Unmute microphone").click();
  await ana.button("Turn camera off").click();
  await ana.button("Turn camera on").waitFor();
  await ana.button("Turn camera on").click();

  await ana.button("Leave call").click();
  for (const p of [ana, bela]) await p.button("Add contact").waitFor({ timeout: 5000 });
  await eventually("the transports are freed", async () => (await server.metric("parley_mediad_transports")) === 0);
  assert.deepEqual([...ana.complaints, ...bela.complaints], [], "no errors in the console");
  await Promise.all([ana.close(), bela.close()]);
});

test("decline, no answer and busy say so on the caller's page", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.videoCall(bela);
  const dialog = bela.page.getByRole("dialog", { name: "Incoming call", exact: true });
  await dialog.getByRole("button", { name: "Decline", exact: true }).click();
  await ana.page.getByText("Bela declined").first().waitFor();
  await dialog.waitFor({ state: "hidden" });

  await ana.button("Video call Bela").first().waitFor({ state: "attached" });
  await ana.videoCall(bela);
  await dialog.waitFor();
  await ana.button("Leave call").click();
  await dialog.waitFor({ state: "hidden", timeout: 3000 });
  await Promise.all([ana.close(), bela.close()]);
});

test("an audio-only answer works, and a phone of 390 px can do all of it", async () => {
  const [ana, bela] = await twoContacts(browser, server.base, { viewport: { width: 390, height: 844 } });
  await ana.videoCall(bela);
  await bela.page.getByRole("button", { name: "Audio-only answer", exact: true }).click();
  await eventually("Ana hears Bela", async () => (await ana.stats()).audio?.energy > 0, 10_000);
  await eventually("Bela sees Ana", async () => (await bela.stats()).video?.frames > 0, 10_000);
  await bela.button("Leave call").click();
  await ana.button("Add contact").waitFor({ timeout: 5000 });
  for (const p of [ana, bela]) {
    const width = await p.page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `nothing sticks out of the page: ${width} px`);
  }
  await Promise.all([ana.close(), bela.close()]);
});
