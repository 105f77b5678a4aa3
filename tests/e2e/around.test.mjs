// Around a call: who comes later, who finds its door locked, and what of its messages is left when it is over.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000) => within(what, check, ms);

const GONE = { state: "detached", timeout: 120_000 };
const LINK = "https://example.org/plan?day=1";

let server, browser, ana, bela, chidi;

const latest = (person) => person.page.getByRole("region", { name: "Latest calls", exact: true }).filter({ visible: true });

/** A link that leads out of the page, and takes nothing of it along. */
async function leadsOut(link) {
  const read = (name) => link.getAttribute(name);
  assert.deepEqual([await read("href"), await read("target"), await read("rel")], [LINK, "_blank", "noopener noreferrer"]);
}

before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true });
  browser = await launchChromium(["--use-fake-device-for-media-stream=fps=8"]); // three cameras on a small machine
  [ana, bela, chidi] = await Promise.all(
    ["Ana", "Bela", "Chidi"].map((name) => BrowserPerson.create(browser, server.base, name, { viewport: { width: 960, height: 600 } })),
  );
  await Promise.all([ana, bela, chidi].map((person) => person.signUp()));
  for (const other of [bela, chidi]) {
    await ana.ask(other);
    await other.accept();
    await ana.hasContact(other);
  }
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("who comes later reads what was written before, and links are links", async () => {
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.moves("Bela"), bela.moves("Ana")]);
  await ana.stir();
  await ana.openChat();
  await ana.say(`The plan is at ${LINK}.`);
  await bela.stir();
  await bela.openChat();
  await eventually("Bela reads it", async () => (await bela.chat()).length === 1);
  await bela.say("I have seen it");
  await eventually("both are there", async () => (await ana.chat()).length === 2);
  await ana.control("Add people");
  await ana.button("Add Chidi").click();
  await chidi.answer();
  await chidi.moves("Ana");
  await chidi.stir();
  await chidi.openChat();
  await eventually("Chidi reads both", async () => (await chidi.chat()).length === 2);
  assert.deepEqual(await chidi.chat(), [`The plan is at ${LINK}.`, "I have seen it"]);
  await leadsOut(chidi.page.getByRole("list", { name: "Messages", exact: true }).getByRole("link"));
});

test("a locked call is closed to who has left it, says so and what to do; opened again they come in", async () => {
  await chidi.control("Leave call");
  const join = chidi.button("Join the call with Ana and Bela");
  await join.waitFor();
  // His list stays as it is: he clicks on what he saw.
  let release;
  const later = new Promise((resolve) => (release = resolve));
  await chidi.page.route(/\/api\/v1\/calls(\?|$)/, async (route) => {
    await later;
    await route.continue().catch(() => undefined); // the page may have given it up
  });
  await ana.button("Lock call").click();
  await bela.reads("The call is locked: nobody can be added");
  await bela.control("Add people");
  await bela.reads("This call is locked: only who started it can add people.");
  chidi.expects(/409/);
  await join.click();
  const says = "The call is locked. Ask Ana to open it, or to add you.";
  await chidi.page.getByRole("alert").getByText(says, { exact: true }).waitFor();
  await chidi.isHome();
  release();
  await latest(chidi).getByText("Still going on, locked", { exact: true }).waitFor();
  await join.waitFor(GONE);

  await ana.button("Open the call again").click();
  await bela.reads("The call is open again");
  // Nobody tells him: his page looks from time to time.
  await join.click();
  await Promise.all([chidi.moves("Ana"), ana.moves("Chidi")]);
  await chidi.control("Leave call");
  await chidi.isHome();
});

test("when the call is over, all of it is read in the history, on every page and after a reload", async () => {
  await ana.control("Leave call");
  await Promise.all([ana.isHome(), bela.isHome()]);
  for (const [person, wrote] of [[ana, ["You", "Bela"]], [bela, ["Ana", "You"]], [chidi, ["Ana", "Bela"]]]) {
    for (const again of [false, true]) {
      if (again) await person.page.reload();
      await latest(person).getByRole("button", { name: "2 messages", exact: true }).click();
      const list = person.page.getByRole("list", { name: "Chat of this call", exact: true });
      const lines = list.getByRole("listitem");
      await lines.nth(1).waitFor();
      const [first, second] = await lines.allTextContents();
      assert.ok(first.startsWith(`${wrote[0]} · `) && first.endsWith(`The plan is at ${LINK}.`), first);
      assert.ok(second.startsWith(`${wrote[1]} · `) && second.endsWith("I have seen it"), second);
      await leadsOut(list.getByRole("link"));
    }
  }
  await Promise.all([ana, bela, chidi].map((person) => person.close()));
});
