// Three people in one call: seats, screens, chat, pause, hands, and what whoever started it may do.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within, sleep } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000, step = 50) => within(what, check, ms, step);

let server, browser, ana, bela, chidi;


before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true, opts: ["media.placement=spread"] });
  browser = await launchChromium();
  [ana, bela, chidi] = await Promise.all(
    ["Ana", "Bela", "Chidi"].map((name) =>
      BrowserPerson.create(browser, server.base, name, { viewport: { width: 960, height: 600 } }),
    ),
  );
  await Promise.all([ana, bela, chidi].map((person) => person.signUp()));
  for (const other of [bela, chidi]) {
    await ana.ask(other);
    await other.accept();
    await ana.button(`Video call ${other.name}`).first().waitFor({ state: "attached" });
  }
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a third person is added to a running call; all see and hear all, without another offer", async () => {
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  await ana.stir();
  await ana.button("Add people").click();
  await ana.button("Add Chidi").click();
  await chidi.answer();
  for (const [one, other] of [[ana, bela], [ana, chidi], [bela, ana], [bela, chidi], [chidi, ana], [chidi, bela]])
    await one.moves(other.name);
  for (const person of [ana, bela, chidi]) {
    const { count } = await person.stats();
    assert.equal(count, 1, "one peer connection, as from the start");
  }
});

test("a screen is shared, seen in the figure of its own, and gone when it stops; two at once", async () => {
  await ana.stir();
  await ana.button("Share screen").click();
  await ana.button("Stop sharing").waitFor();
  for (const other of [bela, chidi]) await other.moves("Screen of Ana");
  await bela.stir();
  await bela.button("Share screen").click();
  await chidi.moves("Screen of Bela");
  await ana.moves("Screen of Bela");
  await ana.button("Stop sharing").click();
  await chidi.figure("Screen of Ana").waitFor({ state: "detached", timeout: 120_000 });
  await chidi.moves("Screen of Bela");
  await bela.button("Stop sharing").click();
  await chidi.figure("Screen of Bela").waitFor({ state: "detached", timeout: 120_000 });
  for (const [one, other] of [[ana, bela], [bela, chidi], [chidi, ana]]) await one.moves(other.name);
});

test("a pause stops both ways, is seen by all, and ends at once", async () => {
  await bela.stir();
  await bela.button("Pause call").click();
  await bela.button("Resume call").waitFor();
  for (const other of [ana, chidi]) await other.figure("Bela").getByText("paused", { exact: true }).waitFor();
  await sleep(1000);
  const sum = (s) => (s.video?.packets ?? 0) + (s.audio?.packets ?? 0);
  const quiet = sum(await bela.stats());
  await sleep(1500);
  assert.equal(sum(await bela.stats()), quiet, "nothing comes while it is paused");
  const began = Date.now();
  await bela.button("Resume call").click();
  await Promise.all([bela.moves("Ana"), ana.moves("Bela"), chidi.moves("Bela")]);
  console.log(`# after Resume all saw each other within ${Date.now() - began} ms`);
});

test("messages come once and in order, also over a lost connection and a reload", async () => {
  const list = (person) => person.page.getByRole("list", { name: "Messages", exact: true });
  const open = async (person) => {
    await person.stir();
    await person.button("Chat").click();
    await person.page.getByRole("textbox", { name: "Message", exact: true }).waitFor();
  };
  const say = async (person, text) => {
    await person.page.getByRole("textbox", { name: "Message", exact: true }).fill(text);
    await person.button("Send").click();
  };
  const texts = (person) => list(person).locator("li p:last-child").allTextContents();
  await open(ana);
  await say(ana, "one");
  await bela.page.getByText("Ana: one").waitFor();
  await open(bela);
  await say(bela, "two");
  await ana.page.getByRole("list", { name: "Messages" }).getByText("two").waitFor();
  server.kill("worker", 0);
  for (const n of [3, 4, 5]) await say(ana, `ana ${n}`);
  await eventually("Bela has all", async () => (await texts(bela)).length === 5, 120_000);
  assert.deepEqual(await texts(bela), ["one", "two", "ana 3", "ana 4", "ana 5"]);
  assert.deepEqual(await texts(ana), await texts(bela));
  await chidi.page.reload();
  await chidi.page.getByRole("toolbar", { name: "Call controls", exact: true }).waitFor();
  await open(chidi);
  await eventually("Chidi has all", async () => (await texts(chidi)).length === 5, 120_000);
  assert.deepEqual(await texts(chidi), await texts(ana));
  await chidi.moves("Ana");
  for (const person of [ana, bela, chidi]) await person.button("Close panel").click();
});

test("hands and reactions are seen by the others", async () => {
  await chidi.stir();
  await chidi.button("Raise hand").click();
  await ana.figure("Chidi").getByRole("img", { name: "Hand is up" }).waitFor();
  await ana.page.getByText("Chidi raised a hand").waitFor();
  await chidi.button("Lower hand").click();
  await chidi.button("React").click();
  await chidi.button("Applause").click();
  await ana.figure("Chidi").getByText("👏").waitFor();
});

test("who started the call mutes, locks, removes, and ends it for all", async () => {
  await ana.stir();
  await ana.button("Add people").click();
  await ana.button("Mute Bela").click();
  await bela.page.getByText("You were muted").waitFor();
  await bela.stir();
  await bela.button("Unmute microphone").click();
  await bela.button("Mute microphone").waitFor();
  await ana.button("Lock call").click();
  await ana.button("Open the call again").click();
  await ana.button("Remove Chidi").click();
  await ana.button("Really remove").click();
  await chidi.page.getByText("You were removed from the call").waitFor();
  await chidi.button("Add contact").waitFor();
  await bela.figure("Chidi").waitFor({ state: "detached" });
  await bela.moves("Ana");
  await ana.button("More").click();
  await ana.page.getByRole("menuitem", { name: "End for everybody" }).click();
  for (const person of [ana, bela]) await person.button("Add contact").waitFor({ timeout: 120_000 });
  await eventually("no transport is left", async () => (await server.metric("parley_mediad_transports")) === 0);
  assert.deepEqual(
    [ana, bela, chidi].flatMap((person) => person.complaints.filter((text) => !/ERR_|WebSocket/.test(text))),
    [],
    "no errors in the console",
  );
});
