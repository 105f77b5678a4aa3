// A server whose cores are used up: the page says so, waits, and comes in by itself.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { whileOverBudget } from "../support/flood.mjs";
import { Server } from "../support/server.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 1, mediads: 2, checked: true, opts: ["media.budget_percent=1"] });
  browser = await launchChromium(["--use-fake-device-for-media-stream=fps=8"]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const WAIT = { timeout: 120_000 };
const shots = process.env.PARLEY_TEST_SHOTS;

test("who finds no room is told what happened and what to do, and is let in as soon as there is some", { timeout: 400_000 }, async () => {
  const people = await Promise.all([
    BrowserPerson.create(browser, server.base, "Ana", { viewport: { width: 1280, height: 800 } }),
    BrowserPerson.create(browser, server.base, "Bela", { viewport: { width: 390, height: 844 }, touch: true }),
  ]);
  const [ana, bela] = people;
  await Promise.all(people.map((person) => person.signUp()));
  await ana.ask(bela);
  await bela.accept();
  await ana.button("Video call Bela").first().waitFor({ state: "attached" });
  const alert = (person) => person.page.getByRole("alert").filter({ hasText: "The server is full at the moment" });
  for (const person of people) person.expects(/503/);
  await whileOverBudget(server, async () => {
    await ana.videoCall(bela);
    await alert(ana).waitFor(WAIT);
    await bela.answer();
    for (const person of people) {
      await alert(person).waitFor(WAIT);
      assert.match(await alert(person).innerText(), /as soon as there is room.*leave the call/s);
      assert.ok(await person.button("Leave call").isVisible());
      if (shots) mkdirSync(shots, { recursive: true });
      if (shots) await person.page.screenshot({ path: path.join(shots, `full-${person.name}.png`) });
    }
  });
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  for (const person of people) await alert(person).waitFor({ state: "detached", ...WAIT });
  assert.ok((await server.metric("parley_worker_media_refused_total")) >= 2);
  for (const person of people) assert.deepEqual(person.surprises(), []);
});
