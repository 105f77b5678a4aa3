// Calling: from the click to the end of the call, as people at both ends see, hear and are told it.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within, sleep } from "../support/server.mjs";
import { BrowserPerson, launchChromium, twoContacts } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000) => within(what, check, ms);

let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true, opts: ["calls.ring_timeout=300"] });
  browser = await launchChromium(["--use-fake-device-for-media-stream=fps=10"]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const WAIT = { timeout: 120_000 };
const sheet = (person) => person.page.getByRole("dialog", { name: "Incoming call", exact: true });
const says = (person, words) => person.page.getByText(words, { exact: true }).first().waitFor(WAIT);
const toolbar = (person) => person.page.getByRole("toolbar", { name: "Call controls", exact: true });
const home = (person) => person.button("Add contact").waitFor(WAIT);
const closeAll = (...people) => Promise.all(people.map((p) => p.close()));

async function inCall(options) {
  const [ana, bela] = await twoContacts(browser, server.base, options);
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  return [ana, bela];
}

/** Counts what this page plays through Web Audio, as loud as it is there. */
async function listenForTones(person) {
  await person.context.addInitScript(() => {
    const connect = AudioNode.prototype.connect;
    window.__loudest = 0;
    AudioNode.prototype.connect = function (to, ...rest) {
      if (to === this.context.destination && this.context instanceof AudioContext) {
        const ear = new AnalyserNode(this.context, { fftSize: 2048 });
        connect.call(this, ear);
        const samples = new Float32Array(2048);
        setInterval(() => {
          ear.getFloatTimeDomainData(samples);
          for (const s of samples) window.__loudest = Math.max(window.__loudest, Math.abs(s));
        }, 30);
      }
      return connect.call(this, to, ...rest);
    };
  });
  await person.page.reload();
  await home(person);
}
const loudest = (person) =>
  person.page.evaluate(() => {
    const was = window.__loudest;
    window.__loudest = 0;
    return was;
  });

test("the lobby never stands between a click and the call: nothing is asked, the call is there at once", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.videoCall(bela);
  await toolbar(ana).waitFor(WAIT);
  assert.equal(await ana.page.getByRole("dialog").count(), 0);
  await bela.answer();
  await toolbar(bela).waitFor(WAIT);
  assert.equal(await bela.page.getByRole("dialog").count(), 0);
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  // The lobby, which is the device check, opens beside the call.
  await ana.page.mouse.move(300, 300);
  await ana.button("More").click();
  await ana.page.getByRole("menuitem", { name: "Devices", exact: true }).click();
  const own = ana.page.getByRole("complementary", { name: "Devices", exact: true });
  await own.getByLabel("Your camera", { exact: true }).waitFor();
  await ana.seesAndHears(bela);
  await ana.button("Leave call").click();
  await closeAll(ana, bela);
});

test("an audio call rings as one, and no camera is used until somebody wants it", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.button("Audio call Bela").first().click();
  await sheet(bela).getByText("Incoming audio call", { exact: true }).waitFor(WAIT);
  assert.equal(await sheet(bela).getByRole("button", { name: "Audio-only answer" }).count(), 0);
  await bela.answer();
  for (const p of [ana, bela]) {
    await eventually(`${p.name} hears`, async () => (await p.stats()).audio?.energy > 0, 120_000);
    await p.button("Turn camera on").waitFor();
    assert.equal((await p.stats()).video?.frames ?? 0, 0);
  }
  await bela.button("Turn camera on").click();
  await ana.seesAndHears(bela, 120_000);
  await ana.button("Leave call").click();
  await home(bela);
  await closeAll(ana, bela);
});

test("it rings on all devices of a person, the caller reads on how many; the first answer wins, the other stops and says why", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  ana.expects(/409/); // she is declined while her page still asks for media
  const phone = await bela.otherDevice(browser, { viewport: { width: 390, height: 844 } });
  await ana.videoCall(bela);
  await says(ana, "Calling…");
  await says(ana, "Ringing on 2 devices");
  await Promise.all([sheet(bela).waitFor(WAIT), sheet(phone).waitFor(WAIT)]);
  await phone.answer();
  await sheet(bela).waitFor({ state: "detached", ...WAIT });
  await says(bela, "You answered on another device");
  await Promise.all([ana.seesAndHears(phone, 120_000), phone.seesAndHears(ana, 120_000)]);
  // The other device shows the call and does not offer what it cannot do.
  const strip = bela.page.getByRole("region", { name: "Call in progress" });
  await strip.getByText("It is open on another device.").waitFor();
  assert.equal(await strip.getByRole("button", { name: "Return to call" }).count(), 0);
  await phone.button("Leave call").click();
  await home(ana);
  await strip.waitFor({ state: "detached", ...WAIT });

  // Declined on one, silent on the other.
  await ana.videoCall(bela);
  await Promise.all([sheet(bela).waitFor(WAIT), sheet(phone).waitFor(WAIT)]);
  await phone.button("Decline").click();
  await sheet(bela).waitFor({ state: "detached", ...WAIT });
  await says(bela, "You declined on another device");
  await says(ana, "Bela declined");
  await closeAll(ana, bela, phone);
});

test("both devices answer in the same moment: one is in the call, the other is told", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  const phone = await bela.otherDevice(browser);
  await ana.videoCall(bela);
  await Promise.all([sheet(bela).waitFor(WAIT), sheet(phone).waitFor(WAIT)]);
  // Unless the other one was so much faster that there is nothing to click any more.
  const answers = (p) => Promise.any([sheet(p).getByRole("button", { name: "Answer", exact: true }).click(), sheet(p).waitFor({ state: "detached", ...WAIT })]);
  await Promise.all([bela, phone].map(answers));
  const told = (p) => p.page.getByText("You answered on another device", { exact: true }).count();
  // The one in the call and the one that is told, in one look: for a moment after the click both show the call.
  let winner;
  await eventually(
    "one of the two is in the call, the other is told",
    async () => {
      for (const [one, other] of [[bela, phone], [phone, bela]]) if ((await toolbar(one).count()) && (await told(other))) winner = one;
      return winner !== undefined;
    },
    120_000,
  );
  await Promise.all([ana.seesAndHears(winner, 120_000), winner.seesAndHears(ana, 120_000)]);
  const call = await ana.page.evaluate(() => location.pathname);
  assert.equal(await winner.page.evaluate(() => location.pathname), call);
  await ana.button("Leave call").click();
  await home(winner);
  // The loser's request was refused, which a browser prints by itself.
  for (const p of [bela, phone]) p.expects(/409/);
  await closeAll(ana, bela, phone);
});

test("decline, cancel, no answer and missed: each side reads what happened, also later in the history", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.videoCall(bela);
  await sheet(bela).getByRole("button", { name: "Decline", exact: true }).click();
  await says(ana, "Bela declined");

  await ana.videoCall(bela);
  await sheet(bela).waitFor(WAIT);
  await ana.button("Leave call").click();
  await says(ana, "You cancelled the call");
  await sheet(bela).waitFor({ state: "detached", ...WAIT });
  await says(bela, "You missed a call from Ana");

  await ana.videoCall(bela);
  await sheet(bela).waitFor(WAIT);
  server.sql("update calls set ring_deadline = now() where ring_deadline is not null"); // long enough
  await says(ana, "No answer — leave a message?");
  await sheet(bela).waitFor({ state: "detached", ...WAIT });
  await says(bela, "You missed a call from Ana");
  const latest = (p) => p.page.getByRole("region", { name: "Latest calls" });
  for (const words of ["No answer", "Cancelled", "Declined"]) await latest(ana).getByText(words).filter({ visible: true }).first().waitFor(WAIT);
  for (const words of ["Missed", "You declined"]) await latest(bela).getByText(words).filter({ visible: true }).first().waitFor(WAIT);

  // A call from the history.
  await bela.button("Call Ana again").first().click();
  await ana.answer();
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  await ana.button("Leave call").click();
  await home(bela);
  await closeAll(ana, bela);
});

test("who does not want to be disturbed is busy, and the caller reads it", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await bela.page.goto(`${server.base}/settings`);
  await bela.page.getByRole("radio", { name: /^Do not disturb/ }).check();
  await says(ana, "Busy");
  await ana.videoCall(bela);
  await says(ana, "Bela is in another call");
  assert.equal(await sheet(bela).count(), 0);
  await closeAll(ana, bela);
});

test("two who call each other at the same moment end up in one call", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await bela.button("Video call Ana").first().waitFor({ state: "attached" });
  // Both clicks happen, also when it rings between them.
  const click = (p, other) => p.button(`Video call ${other.name}`).first().evaluate((button) => button.click());
  await Promise.all([click(ana, bela), click(bela, ana)]);
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  const path = (p) => p.page.evaluate(() => location.pathname);
  await eventually("both show the same call", async () => (await path(ana)) === (await path(bela)), 120_000);
  for (const p of [ana, bela]) assert.equal(await sheet(p).count(), 0, "nothing rings any more");
  await ana.button("Leave call").click();
  await home(bela);
  await closeAll(ana, bela);
});

test("the page crashes in mid-call: a new one offers the way back, and nobody else has to do anything", async () => {
  const [ana, bela] = await inCall();
  const cdp = await bela.context.newCDPSession(bela.page);
  const crashed = bela.page.waitForEvent("crash");
  cdp.send("Page.crash").catch(() => undefined);
  await crashed;
  await bela.newPage();
  await bela.page.goto(server.base);
  await bela.button("Return to call").click(WAIT);
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  // A reload of the call's own address does not even ask.
  await bela.page.reload();
  await toolbar(bela).waitFor(WAIT);
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  await ana.button("Leave call").click();
  await home(bela);
  await closeAll(ana, bela);
});

test("a new connection for events is told who sits where: what was said while there was none is not lost", async () => {
  const [ana, bela] = await inCall();
  const seats = await ana.page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const events = new WebSocket(`${location.origin.replace("http", "ws")}/api/v1/events`, "parley.v1");
        events.addEventListener("message", ({ data }) => {
          const event = JSON.parse(data);
          if (event.type !== "seats") return;
          events.close();
          resolve(event.seats);
        });
        setTimeout(reject, 120_000, new Error("no seats"));
      }),
  );
  assert.deepEqual(seats.filter(({ member }) => member).map(({ kind }) => kind).sort(), ["camera", "microphone"]);
  await ana.button("Leave call").click();
  await home(bela);
  await closeAll(ana, bela);
});

test("who vanishes is waited for, visibly; after the grace time the last one is not left alone", async () => {
  const [ana, bela] = await inCall();
  await bela.context.close();
  const figure = ana.page.getByRole("figure", { name: "Bela", exact: true });
  await figure.getByText("Reconnecting…").waitFor(WAIT);
  server.sql("update call_members set deadline = now() where deadline is not null and not connected"); // long enough
  await home(ana);
  await eventually("no transport is left", async () => (await server.metric("parley_mediad_transports")) === 0, 120_000);
  await ana.close();
});

test("in a call of three the last but one ends it", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  const chidi = await BrowserPerson.create(browser, server.base, "Chidi");
  await chidi.signUp();
  await ana.ask(chidi);
  await chidi.accept();
  await ana.button("Video call Chidi").first().waitFor({ state: "attached" });
  await ana.page.getByRole("checkbox", { name: "Select Bela", exact: true }).check();
  await ana.page.getByRole("checkbox", { name: "Select Chidi", exact: true }).check();
  await ana.button("Call selected").click();
  await says(ana, "Ringing on 2 devices");
  await bela.answer();
  await chidi.answer();
  for (const p of [ana, bela, chidi])
    await eventually(`${p.name} has both others`, async () => (await p.page.getByRole("figure").count()) >= 3, 120_000);
  await ana.button("Leave call").click();
  await home(ana);
  await sleep(1000);
  assert.equal(await toolbar(bela).count(), 1, "two go on");
  await bela.button("Leave call").click();
  await home(chidi);
  await closeAll(ana, bela, chidi);
});

test("it rings aloud; with the page out of sight the desktop says who calls, and stops when the ringing does", async () => {
  const [ana, bela] = await twoContacts(browser, server.base, { permissions: ["camera", "microphone", "notifications"] });
  await bela.context.addInitScript(() => {
    // Real notifications, counted. A headless browser has no other tab that could hide this one.
    const Real = window.Notification;
    window.__notes = [];
    window.Notification = class extends Real {
      constructor(title, options) {
        super(title, options);
        const note = { title, shown: false, closed: false };
        window.__notes.push(note);
        this.addEventListener("show", () => (note.shown = true));
        const close = this.close.bind(this);
        this.close = () => {
          note.closed = true;
          close();
        };
      }
    };
    Object.defineProperty(document, "visibilityState", { get: () => (window.__hidden ? "hidden" : "visible") });
  });
  await listenForTones(bela);
  await bela.page.evaluate(() => {
    window.__hidden = true;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await ana.videoCall(bela);
  await sheet(bela).waitFor(WAIT);
  await eventually("the ring is heard", async () => (await loudest(bela)) > 0.05, 120_000);
  await eventually("the desktop shows it", () => bela.page.evaluate(() => window.__notes.some((n) => n.shown && n.title === "Ana is calling…")));
  await eventually("the tab says it", async () => (await bela.page.title()) === "Ana is calling…");
  await ana.button("Leave call").click();
  await sheet(bela).waitFor({ state: "detached", ...WAIT });
  assert.ok(await bela.page.evaluate(() => window.__notes.every((n) => n.closed)));
  await sleep(500);
  await loudest(bela);
  await sleep(4000);
  assert.ok((await loudest(bela)) < 0.001, "silence");
  await closeAll(ana, bela);
});

test("the harness fails on an error in the console", async () => {
  const ana = await BrowserPerson.create(browser, server.base, "Ana");
  await ana.page.goto(server.base);
  await ana.page.evaluate(() => console.error("something is wrong"));
  await assert.rejects(() => ana.close(), /something is wrong/);
  const bela = await BrowserPerson.create(browser, server.base, "Bela");
  await bela.page.goto(server.base);
  bela.expects(/on purpose/);
  await bela.page.evaluate(() => void Promise.reject(new Error("on purpose")));
  await bela.close();
});
