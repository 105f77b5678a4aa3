// The first call, as two people make it: accounts, contacts, ring, answer, talk, leave, history.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { launchChromium, twoContacts } from "../support/browser.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true, opts: ["media.placement=spread"] });
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
  // How many a second, and whether without a freeze, is a matter of how busy the machine is: that is printed.
  await Promise.all([sleep(seconds * 1000), ...[ana, bela].flatMap((person) => [person.hearsMore(), person.decodes(10 * seconds)])]);
  for (const person of [ana, bela]) console.log(`# ${person.name}: ${JSON.stringify(await person.stats())}`);
  await eventually("the packets of both have crossed shared memory", async () => {
    const now = await server.metrics();
    for (const name of ring) if (!(now[name] - before_[name] > 50 * seconds)) throw new Error(`${name} rose by ${now[name] - before_[name]}`);
    return true;
  }, 120_000);
  // Transport-wide feedback works: the browser's estimate has left its start value of 300 kbit/s.
  await eventually("the sender's estimate rises", async () => {
    const { estimate } = await ana.stats();
    if (!(estimate > 400_000)) throw new Error(String(estimate));
    return true;
  }, 120_000);

  // Mute is seen on the other side, and sound stops.
  await ana.button("Mute microphone").click();
  await ana.button("Unmute microphone").waitFor();
  await bela.hearsNothing();
  await ana.button("Unmute microphone").click();
  await bela.hearsMore();
  await ana.button("Turn camera off").click();
  await ana.button("Turn camera on").waitFor();
  await ana.button("Turn camera on").click();
  await bela.moves("Ana");

  await ana.button("Leave call").click();
  for (const p of [ana, bela]) await p.button("Add contact").waitFor();
  await eventually("the transports are freed", async () => (await server.metric("parley_mediad_transports")) === 0);
  assert.deepEqual([...ana.complaints, ...bela.complaints], [], "no errors in the console");
  await Promise.all([ana.close(), bela.close()]);
});

test("decline, no answer and busy say so on the caller's page", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  ana.expects(/409/); // the call may be over while her page still asks for media
  await ana.videoCall(bela);
  const dialog = bela.page.getByRole("dialog", { name: "Incoming call", exact: true });
  await dialog.getByRole("button", { name: "Decline", exact: true }).click();
  await ana.page.getByText("Bela declined").first().waitFor();
  await dialog.waitFor({ state: "hidden" });

  await ana.button("Video call Bela").first().waitFor({ state: "attached" });
  await ana.videoCall(bela);
  await dialog.waitFor();
  await ana.button("Leave call").click();
  await dialog.waitFor({ state: "hidden" });
  await Promise.all([ana.close(), bela.close()]);
});

test("an audio-only answer works, and a phone of 390 px can do all of it", async () => {
  const [ana, bela] = await twoContacts(browser, server.base, { viewport: { width: 390, height: 844 } });
  await ana.videoCall(bela);
  await bela.page.getByRole("button", { name: "Audio-only answer", exact: true }).click();
  await eventually("Ana hears Bela", async () => (await ana.stats()).audio?.energy > 0, 60_000);
  await eventually("Bela sees Ana", async () => (await bela.stats()).video?.frames > 0, 60_000);
  await bela.button("Leave call").click();
  await ana.button("Add contact").waitFor();
  for (const p of [ana, bela]) {
    const width = await p.page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `nothing sticks out of the page: ${width} px`);
  }
  await Promise.all([ana.close(), bela.close()]);
});
