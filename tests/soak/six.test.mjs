// Six people in one call, three in browsers and three of libwebrtc beside them, who share screens, write, pause, leave
// and come back, for PARLEY_TEST_SIX_SECONDS (`make soak` gives it ten minutes).
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, openSync, writeSync, closeSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Server, eventually, sleep } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { Person, befriend, randomUUID } from "../support/api.mjs";
import { NativePeer } from "../support/native.mjs";
import { diceOf, seedOfRun } from "../support/dice.mjs";

const SECONDS = Number(process.env.PARLEY_TEST_SIX_SECONDS ?? 45);
const seed = seedOfRun();
const dice = diceOf(seed);
const pick = (list) => list[dice(list.length)];

/** A small camera, so that three browsers fit on two cores: 320x192 at 10 frames a second, a bar that wanders. */
function smallCamera(folder) {
  const [width, height, frames] = [320, 192, 20];
  const file = path.join(folder, "camera.y4m");
  const out = openSync(file, "w");
  writeSync(out, `YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420jpeg\n`);
  for (let n = 0; n < frames; n++) {
    const frame = Buffer.alloc(width * height * 1.5, 128);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) frame[y * width + x] = Math.abs(x - n * 16) < 24 ? 230 : 60 + (y >> 1);
    writeSync(out, "FRAME\n");
    writeSync(out, frame);
  }
  closeSync(out);
  return file;
}

let server, browser, folder;
before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "parley-camera-"));
  server = await Server.start({ workers: 2, mediads: 2, checked: true, opts: ["media.placement=spread"] });
  browser = await launchChromium([`--use-file-for-fake-video-capture=${smallCamera(folder)}`]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const NAMES = ["Ana", "Bela", "Chidi", "Dora", "Emil", "Fay"];
const figure = (page, name) => page.getByRole("figure", { name, exact: true }).first();

test(`six people in one call for ${SECONDS} s: shared screens, words, pauses, leaving and coming back`, { timeout: (SECONDS + 300) * 1000 }, async () => {
  console.log(`# seed ${seed}`);
  const browsers = [];
  for (const name of NAMES.slice(0, 3)) {
    const one = await BrowserPerson.create(browser, server.base, name, { viewport: { width: 960, height: 600 } });
    await one.signUp();
    browsers.push(one);
  }
  const natives = [];
  for (const name of NAMES.slice(3)) natives.push({ name, api: await Person.create(server, name) });
  const [ana, ...others] = browsers;
  // Everybody is a contact of Ana's.
  for (const other of others) {
    await ana.ask(other);
    await other.accept();
  }
  const { items } = (await natives[0].api.must("GET", `/users?q=${ana.username}`)).json;
  for (const one of natives) {
    await one.api.connect();
    await one.api.must("PUT", `/contacts/${items[0].id}`);
    await ana.accept();
    await ana.page.getByRole("checkbox", { name: `Select ${one.name}`, exact: true }).waitFor({ state: "attached" });
  }

  for (const name of NAMES.slice(1)) await ana.page.getByRole("checkbox", { name: `Select ${name}`, exact: true }).check();
  await ana.page.getByRole("button", { name: "Call selected", exact: true }).click();
  for (const other of others) await other.answer();
  for (const one of natives) {
    const { call } = await one.api.event("call.ringing");
    await one.api.must("POST", `/calls/${call.id}/answer`);
    one.peer = new NativePeer(one.api, call);
    await one.peer.open();
  }
  const call = natives[0].peer.call;

  // ---- what is so at any moment: who is in the call, who paused, who shares, and what was written

  const everybody = [...browsers.map((one) => ({ name: one.name, page: one })), ...natives];
  for (const one of everybody) Object.assign(one, { here: true, paused: false, sharing: false });
  const written = [];
  const counts = {};
  const present = () => everybody.filter((one) => one.here);
  const member = (one, change) => one.api.must("PATCH", `/calls/${call.id}/members/me`, change);

  /** This peer decodes more pictures of them. */
  async function peerSees(one, other, ms) {
    let first = null;
    await eventually(
      `${one.name} sees ${other.name} move`,
      () => {
        const frames = one.peer.seen().get(other.id);
        if (frames === undefined) return false;
        if (first === null || frames < first) first = frames;
        return frames > first + 2;
      },
      ms,
      200,
    );
  }

  /** Each who is here and has not paused sees each other such person move; in a page, one after the other, for not
   * all tiles need to be on the same page of the strip. */
  async function allSee(ms = 60_000) {
    const active = present().filter((one) => !one.paused);
    await Promise.all(
      active.map(async (one) => {
        const others = active.filter((other) => other !== one);
        if (one.page) for (const other of others) await one.page.moves(other.name, ms);
        else await Promise.all(others.map((other) => peerSees(one, other, ms)));
      }),
    );
  }

  const whoami = new Map(((await natives[0].api.must("GET", `/calls/${call.id}`)).json.call.members).map((m) => [m.user.display_name, m.user.id]));
  for (const one of everybody) one.id = whoami.get(one.name);
  await allSee();

  // ---- what they do

  const actions = {
    async word() {
      const one = pick(present());
      const text = `${one.name} ${written.length}`;
      written.push(text);
      if (one.page) {
        const box = one.page.page.getByRole("textbox", { name: "Message", exact: true });
        await one.page.stir();
        if (!(await box.isVisible())) await one.page.button("Chat").click();
        await box.fill(text);
        await one.page.button("Send").click();
      } else await one.api.must("POST", `/calls/${call.id}/messages`, { id: randomUUID(), text });
    },
    async pause() {
      const one = pick(present());
      if (one.page) {
        await one.page.stir();
        await one.page.button("Pause call").click();
        await one.page.button("Resume call").first().waitFor();
      } else await member(one, { paused: true });
      one.paused = true;
      for (const other of present().filter((o) => o.page && o !== one)) {
        await other.page.turnTo(one.name);
        await figure(other.page.page, one.name).getByText("paused", { exact: true }).waitFor();
      }
      await sleep(500 + dice(1500));
      if (one.page) await one.page.button("Resume call").first().click();
      else await member(one, { paused: false });
      one.paused = false;
    },
    async screen(person) {
      const one = everybody.find((o) => person && o.page === person) ?? pick(present().filter((o) => o.page));
      await one.page.stir();
      await one.page.button(one.sharing ? "Stop sharing" : "Share screen").first().click();
      one.sharing = !one.sharing;
      for (const other of present().filter((o) => o.page && o !== one)) {
        const shown = figure(other.page.page, `Screen of ${one.name}`);
        await shown.waitFor({ state: one.sharing ? "visible" : "detached", timeout: 60_000 });
      }
    },
    async hand() {
      const one = pick(natives.filter((o) => o.here));
      one.hand = !one.hand;
      await member(one, { hand: one.hand });
    },
    async mute() {
      const one = pick(present().filter((o) => o.page));
      await one.page.stir();
      await one.page.button("Mute microphone").click();
      await one.page.button("Unmute microphone").click();
      await one.page.button("Mute microphone").waitFor();
    },
    async leave() {
      const one = pick(present());
      one.here = one.sharing = one.hand = false;
      if (one.page) {
        await one.page.stir();
        await one.page.button("Leave call").click();
        await one.page.button("Add contact").waitFor();
      } else {
        one.peer.close();
        await one.api.must("POST", `/calls/${call.id}/leave`);
      }
      for (const other of present().filter((o) => o.page)) await figure(other.page.page, one.name).waitFor({ state: "detached" });
      await sleep(500 + dice(2000));
      if (one.page) await one.page.page.getByRole("button", { name: /^Join the call with/ }).first().click();
      else {
        await one.api.must("POST", `/calls/${call.id}/answer`);
        await one.peer.open();
      }
      one.here = true;
    },
  };
  const plan = ["word", "word", "word", "word", "pause", "screen", "hand", "mute", "leave"];
  const cpu = async () => (await server.metric("parley_mediad_cpu_seconds_total"));
  const [began, cpuBefore] = [Date.now(), await cpu()];
  // Three screens and six faces: more tiles than one page of the strip holds.
  for (const one of browsers) await actions.screen(one);
  await allSee();
  for (const one of browsers) await actions.screen(one);
  for (const name of ["word", "pause", "screen", "leave"]) await actions[name]();
  for (let round = 0; Date.now() - began < SECONDS * 1000; round++) {
    const name = pick(plan);
    counts[name] = (counts[name] ?? 0) + 1;
    await actions[name]().catch((error) => {
      throw new Error(`${name}, after ${Math.round((Date.now() - began) / 1000)} s: ${error.message}`, { cause: error });
    });
    if (round % 5 === 4) await allSee();
    await sleep(200 + dice(800));
  }
  await allSee();
  console.log(`# ${JSON.stringify(counts)}, ${written.length} messages; mediads ${(((await cpu()) - cpuBefore) / ((Date.now() - began) / 100_000)).toFixed(1)} % of a core`);

  // ---- the same words on all screens, and no complaint anywhere

  for (const one of natives) {
    const texts = [];
    for (let after = 0; ; ) {
      const page = (await one.api.must("GET", `/calls/${call.id}/messages?after=${after}`)).json;
      texts.push(...page.items.map((m) => m.text));
      if (!page.next) break;
      after = page.next;
    }
    assert.deepEqual(texts, written);
  }
  for (const one of browsers) {
    await one.page.mouse.move(120, 120);
    const box = one.page.getByRole("textbox", { name: "Message", exact: true });
    if (!(await box.isVisible())) await one.button("Chat").click();
    const list = one.page.getByRole("list", { name: "Messages", exact: true }).locator("li p:last-child");
    await eventually(`${one.name} has all messages`, async () => (await list.count()) >= written.length, 60_000);
    assert.deepEqual(await list.allTextContents(), written);
  }
  await ana.button("More").click();
  await ana.page.getByRole("menuitem", { name: "End for everybody" }).click();
  for (const one of browsers) await one.button("Add contact").waitFor();
  for (const one of natives) {
    await one.api.event("call.ended", (e) => e.call_id === call.id || e.call?.id === call.id);
    one.peer.close();
    one.api.disconnect();
  }
  await eventually("no transport is left", async () => (await server.metric("parley_mediad_transports")) === 0);
  assert.deepEqual(browsers.flatMap((one) => one.complaints), [], "no errors in the console");
  assert.equal(await server.metric("parley_process_restarts_total"), 0, "nothing was restarted");
  assert.deepEqual(server.log().split("\n").filter((line) => /^<[0-4]>/.test(line)), [], "no warning in the server's log");
});
