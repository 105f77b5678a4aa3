// In the call: three people, one of them on a phone; what they see, hear, share, write and decide.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within, sleep } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000) => within(what, check, ms);

let server, browser, ana, bela, chidi;

const WAIT = { timeout: 120_000 };
const figure = (person, name) => person.page.getByRole("figure", { name, exact: true }).first();
const stir = (person) => person.page.mouse.move(200 + Math.random() * 50, 200);
const box = (person, name) => figure(person, name).boundingBox();
const area = ({ width, height }) => width * height;
const toolbar = (person) => person.page.getByRole("toolbar", { name: "Call controls", exact: true });
const closeAll = (...people) => Promise.all(people.map((p) => p.close()));

async function more(person, item) {
  await stir(person);
  await person.button("More").click();
  await person.page.getByRole("menuitem", { name: item }).click();
}

/** The picture in that figure changes from one look to the next. */
async function moves(person, name, ms = 120_000) {
  const look = () =>
    figure(person, name).evaluate((one) => {
      const video = one.querySelector("video");
      if (!video || video.videoWidth === 0 || video.paused) return null;
      return video.getVideoPlaybackQuality().totalVideoFrames;
    });
  let first = null;
  await eventually(
    `${person.name} sees ${name} move`,
    async () => {
      const frames = await look();
      if (frames === null) return false;
      first ??= frames;
      return frames > first + 2;
    },
    ms,

  );
}

/** Sound that has come in so far, over all seats. */
const heard = (person) =>
  person.page.evaluate(async () => {
    let energy = 0;
    for (const s of (await window.__pcs.at(-1).getStats()).values())
      if (s.type === "inbound-rtp" && s.kind === "audio") energy += s.totalAudioEnergy ?? 0;
    return energy;
  });
const heardMore = async (person, ms = 120_000) => {
  const before_ = await heard(person);
  await eventually(`${person.name} hears`, async () => (await heard(person)) > before_ + 1e-4, ms);
};

before(async () => {
  server = await Server.start({ workers: 2, mediads: 2 });
  browser = await launchChromium(["--use-fake-device-for-media-stream=fps=8"]); // three cameras on a small machine
  const small = { viewport: { width: 960, height: 600 } };
  [ana, bela, chidi] = await Promise.all([
    BrowserPerson.create(browser, server.base, "Ana", small),
    BrowserPerson.create(browser, server.base, "Bela", small),
    BrowserPerson.create(browser, server.base, "Chidi", { viewport: { width: 390, height: 844 }, touch: true }),
  ]);
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

test("keys do what the help says: M V D C R W T ? and Space to talk", async () => {
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  const press = (key) => ana.page.keyboard.press(key);
  await press("m");
  await ana.button("Unmute microphone").waitFor();
  await figure(bela, "Ana").getByRole("img", { name: "Microphone off" }).waitFor(WAIT);
  await sleep(800);
  const silent = await heard(bela);
  await sleep(1500);
  assert.ok((await heard(bela)) - silent < 1e-3, "muted is silent");
  await ana.page.keyboard.down(" ");
  await figure(bela, "Ana").getByRole("img", { name: "Microphone off" }).waitFor({ state: "detached", ...WAIT });
  await heardMore(bela);
  await ana.page.keyboard.up(" ");
  await figure(bela, "Ana").getByRole("img", { name: "Microphone off" }).waitFor(WAIT);
  await press("m");
  await ana.button("Mute microphone").waitFor();
  await press("v");
  await ana.button("Turn camera on").waitFor();
  await press("v");
  await ana.button("Turn camera off").waitFor();
  await press("d");
  await figure(bela, "Screen of Ana").waitFor(WAIT);
  await press("d");
  await figure(bela, "Screen of Ana").waitFor({ state: "detached", ...WAIT });
  await press("r");
  await figure(bela, "Ana").getByRole("img", { name: "Hand is up" }).waitFor(WAIT);
  await press("r");
  await press("t");
  await ana.page.getByRole("complementary", { name: "Connection details" }).waitFor();
  await press("t");
  await press("?");
  await ana.page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await press("?");
  await ana.page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor({ state: "detached" });
  await press("c");
  await ana.page.getByRole("textbox", { name: "Message", exact: true }).waitFor();
  // In a text field they are letters.
  await ana.page.keyboard.type("mvd");
  assert.equal(await ana.page.getByRole("textbox", { name: "Message", exact: true }).inputValue(), "mvd");
  await ana.button("Mute microphone").waitFor();
  await ana.page.getByRole("textbox", { name: "Message", exact: true }).fill("");
  await ana.button("Close panel").click();
});

test("messages: typing, unread badge, links, emoji; who joins later and who comes back reads all", async () => {
  await stir(ana);
  await ana.button("Chat").click();
  const write = ana.page.getByRole("textbox", { name: "Message", exact: true });
  await write.pressSequentially("Look: https://example.org/a?b=1 now");
  await stir(bela);
  await ana.page.keyboard.press("Enter");
  await bela.page.getByText("Ana: Look: https://example.org/a?b=1 now").waitFor(WAIT);
  await ana.button("Emoji").click();
  await ana.button("Heart").click();
  await ana.page.keyboard.press("Enter");
  await eventually("two are unread", async () => (await bela.button("Chat").getAttribute("aria-description")) === "2 unread");
  await bela.button("Chat").click();
  const messages = bela.page.getByRole("list", { name: "Messages", exact: true });
  const link = messages.getByRole("link", { name: "https://example.org/a?b=1" });
  assert.deepEqual([await link.getAttribute("href"), await link.getAttribute("rel")], ["https://example.org/a?b=1", "noopener noreferrer"]);
  await messages.getByText("❤️", { exact: true }).waitFor();
  assert.equal(await bela.button("Chat").getAttribute("aria-description"), null, "read");
  await write.pressSequentially("hm");
  await bela.page.getByText("Ana is writing…").waitFor(WAIT);
  await write.fill("");
  await bela.button("Close panel").click();
  await ana.button("Close panel").click();

  await stir(ana);
  await ana.button("Add people").click();
  await ana.button("Add Chidi").click();
  await chidi.answer();
  await ana.button("Close panel").click();
  await chidi.button("Chat").click();
  const read = () => chidi.page.getByRole("list", { name: "Messages", exact: true }).locator("li p:last-child").allTextContents();
  await eventually("Chidi reads what was written before", async () => (await read()).length === 2, 120_000);
  await chidi.page.reload();
  await toolbar(chidi).waitFor(WAIT);
  await chidi.button("Chat").click();
  await eventually("and again after a reload", async () => (await read()).length === 2, 120_000);
  await chidi.button("Close panel").click();
});

test("layouts: grid and speaker, pin; the layout outlives a reload", async () => {
  for (const name of ["Bela", "Chidi"]) await moves(ana, name);
  assert.ok(Math.abs(area(await box(ana, "Bela")) - area(await box(ana, "Chidi"))) < 500, "in the grid all are alike");
  await ana.page.keyboard.press("w");
  const ratio = async () => {
    const sizes = [area(await box(ana, "Bela")), area(await box(ana, "Chidi"))];
    return Math.max(...sizes) / Math.min(...sizes);
  };
  await eventually("one has the stage", async () => (await ratio()) > 4);
  await ana.page.reload();
  await moves(ana, "Bela");
  await moves(ana, "Chidi");
  await eventually("the stage is as it was", async () => (await ratio()) > 4);
  // Whoever has the stage: the other one is pinned to it.
  const other = area(await box(ana, "Bela")) > area(await box(ana, "Chidi")) ? "Chidi" : "Bela";
  await figure(ana, other).hover();
  await ana.button(`Pin ${other}`).click();
  await eventually("the pinned one is large", async () => area(await box(ana, other)) > 0.4 * 960 * 600);
  await ana.button(`Unpin ${other}`).click();
  await ana.page.keyboard.press("w");
  await eventually("the grid is back", async () => (await ratio()) < 1.1);
});

test("hide oneself: gone from the own page only", async () => {
  await figure(ana, "Ana").waitFor();
  await more(ana, "Hide myself");
  await figure(ana, "Ana").waitFor({ state: "detached" });
  await moves(bela, "Ana");
  await more(ana, "Show myself");
  await figure(ana, "Ana").waitFor();
});

test("on a phone a finger goes from the grid to the speaker and back; a tap brings the pin", async () => {
  for (const name of ["Ana", "Bela"]) await moves(chidi, name);
  const cdp = await chidi.context.newCDPSession(chidi.page);
  const swipe = async (from, to) => {
    const point = (x) => [{ x, y: 300 }];
    await cdp.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: point(from) });
    for (let n = 1; n <= 6; n++) await cdp.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: point(from + ((to - from) * n) / 6) });
    await cdp.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  };
  const ratio = async () => {
    const sizes = [area(await box(chidi, "Ana")), area(await box(chidi, "Bela"))];
    return Math.max(...sizes) / Math.min(...sizes);
  };
  assert.ok((await ratio()) < 1.1);
  await swipe(100, 300);
  await eventually("one has the stage", async () => (await ratio()) > 3);
  await swipe(300, 100);
  await eventually("the grid is back", async () => (await ratio()) < 1.1);
  await figure(chidi, "Bela").tap();
  await chidi.button("Pin Bela").tap();
  await eventually("Bela is large", async () => (await ratio()) > 3);
  assert.ok(area(await box(chidi, "Bela")) > area(await box(chidi, "Ana")));
  await chidi.button("Unpin Bela").tap();
  await eventually("alike again", async () => (await ratio()) < 1.1);
});

test("full screen and picture in picture, there and back, and the menu knows which", async () => {
  await more(ana, "Full screen");
  await eventually("the page fills the screen", () => ana.page.evaluate(() => document.fullscreenElement !== null));
  await more(ana, "Leave full screen");
  await eventually("it does not", () => ana.page.evaluate(() => document.fullscreenElement === null));
  await more(ana, "Picture in picture");
  await eventually("a small window plays somebody else", () =>
    ana.page.evaluate(() => {
      const small = document.pictureInPictureElement;
      return small && !small.paused && small.videoWidth > 0 && small.closest("figure")?.getAttribute("aria-label") !== "Ana";
    }),
  );
  await more(ana, "Close small window");
  await eventually("it is closed", () => ana.page.evaluate(() => document.pictureInPictureElement === null));
  await stir(ana);
  await ana.button("More").click();
  await ana.page.getByRole("menuitem", { name: "Picture in picture" }).waitFor();
  await ana.page.keyboard.press("Escape");
});

test("whoever speaks has a ring, whoever is silent has none", async () => {
  const rings = (name) => figure(ana, name).evaluate((one) => [...one.querySelectorAll("span")].some((s) => s.dataset.speaks && getComputedStyle(s).opacity === "1"));
  await bela.page.keyboard.press("m");
  await eventually("Chidi's ring is on", () => rings("Chidi"), 120_000);
  for (let n = 0; n < 10; n++) {
    assert.equal(await rings("Bela"), false, "a muted person never has it");
    await sleep(100);
  }
  await bela.page.keyboard.press("m");
  await eventually("Bela's ring is on", () => rings("Bela"), 120_000);
});

test("a screen is shared with its sound and sharp letters, takes the stage, and a second one joins it", async () => {
  const before_ = await bela.page.evaluate(async () =>
    [...(await window.__pcs.at(-1).getStats()).values()].filter((s) => s.type === "inbound-rtp" && s.kind === "audio" && s.packetsReceived > 0).length,
  );
  await ana.page.evaluate(() => {
    const take = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getDisplayMedia = async (options) => ((window.__asked = options), (window.__screen = await take(options)));
  });
  await stir(ana);
  await ana.button("Share screen").click();
  for (const other of [bela, chidi]) await moves(other, "Screen of Ana");
  const sent = await ana.page.evaluate(() => {
    const senders = window.__pcs.at(-1).getSenders();
    const [video] = window.__screen.getVideoTracks();
    const [audio] = window.__screen.getAudioTracks();
    return {
      hint: senders.find(({ track }) => track === video)?.track.contentHint,
      audio: senders.some(({ track }) => track === audio),
      echo: audio.getSettings().echoCancellation,
      local: audio.getSettings().suppressLocalAudioPlayback,
      own: window.__asked.audio.restrictOwnAudio,
    };
  });
  assert.deepEqual(sent, { hint: "detail", audio: true, echo: false, local: true, own: true });
  await eventually("the screen's sound arrives beside the voices", async () =>
    (await bela.page.evaluate(async () =>
      [...(await window.__pcs.at(-1).getStats()).values()].filter((s) => s.type === "inbound-rtp" && s.kind === "audio" && s.packetsReceived > 0 && s.totalAudioEnergy > 0).length,
    )) > before_,
  120_000);
  // Sharp: all lines of the source, however small the tile.
  await eventually("no line is lost", () => figure(bela, "Screen of Ana").evaluate((one) => one.querySelector("video").videoHeight >= 720), 120_000);
  // Presenter: the screen is large, people stand beside it.
  await eventually("the screen has the stage", async () => area(await box(bela, "Screen of Ana")) > 4 * area(await box(bela, "Ana")));
  assert.equal(await figure(ana, "Screen of Ana").isVisible(), true, "Ana sees what she shares, small");

  await stir(bela);
  await bela.button("Share screen").click();
  await moves(ana, "Screen of Bela");
  await moves(chidi, "Screen of Bela");
  await eventually("the newer one has the stage", async () => area(await box(chidi, "Screen of Bela")) > 2 * area(await box(chidi, "Screen of Ana")));
  await figure(chidi, "Screen of Ana").tap();
  await chidi.button("Pin Screen of Ana").tap();
  await eventually("the pinned one has it", async () => area(await box(chidi, "Screen of Ana")) > 2 * area(await box(chidi, "Screen of Bela")));
  await moves(chidi, "Screen of Ana");
  await chidi.button("Unpin Screen of Ana").tap();
});

test("the browser's own button ends the sharing, too", async () => {
  // The bar of the browser cannot be clicked from here; this is what the page hears of it.
  await ana.page.evaluate(() => {
    const [video] = window.__screen.getVideoTracks();
    video.stop();
    video.dispatchEvent(new Event("ended"));
  });
  await ana.button("Share screen").waitFor(WAIT);
  for (const other of [bela, chidi]) await figure(other, "Screen of Ana").waitFor({ state: "detached", ...WAIT });
  assert.deepEqual(await ana.page.evaluate(() => window.__screen.getTracks().map((t) => t.readyState)), ["ended", "ended"]);
  await moves(chidi, "Screen of Bela");
  await bela.button("Stop sharing").click();
  await figure(chidi, "Screen of Bela").waitFor({ state: "detached", ...WAIT });
});

test("the details say what the browser measures: bit rate, loss, round trip, resolution, and which mediad", async () => {
  await ana.page.keyboard.press("t");
  const details = ana.page.getByRole("complementary", { name: "Connection details" });
  const value = (name, of = details) => of.locator("div", { has: ana.page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd").last().textContent();
  const about = details.getByRole("region", { name: "Bela", exact: true });
  await eventually("all figures are there", async () => /^\d+ ms$/.test(await value("Round trip")) && /^\d+ × \d+/.test(await value("Resolution", about)), 120_000);
  assert.match(await value("Picture", about), /^[\d.,]+ [kM]bit\/s, [\d.,]+\s?%$/);
  assert.match(await value("Sound", about), /^[\d.,]+ [kM]bit\/s, [\d.,]+\s?%$/);
  await about.getByRole("img", { name: /connection$/ }).waitFor();
  await eventually("the resolution is that of the picture", async () => {
    const size = await figure(ana, "Bela").evaluate((one) => `${one.querySelector("video").videoWidth} × ${one.querySelector("video").videoHeight}`);
    return (await value("Resolution", about)).startsWith(size);
  }, 120_000);
  await eventually("the mediad is one of the two", async () => /^[01]$/.test(await value("Media process")), 120_000);
  await ana.button("Close panel").click();
});

test("pause: nothing goes or comes, everybody reads who paused, and resuming shows a new picture at once", async () => {
  await stir(ana);
  await ana.button("Pause call").click();
  await ana.page.getByText("You paused — others cannot see or hear you").waitFor();
  for (const other of [bela, chidi]) await figure(other, "Ana").getByText("paused", { exact: true }).waitFor(WAIT);
  await bela.page.getByText("Ana paused").first().waitFor(WAIT);
  await sleep(1000);
  const count = () =>
    ana.page.evaluate(async () => {
      const out = { in: 0, out: 0, plis: 0 };
      for (const s of (await window.__pcs.at(-1).getStats()).values()) {
        if (s.type === "inbound-rtp") out.in += s.packetsReceived;
        if (s.type === "outbound-rtp") {
          out.out += s.packetsSent;
          out.plis += s.pliCount ?? 0;
        }
      }
      return out;
    });
  const quiet = await count();
  await sleep(1500);
  const still = await count();
  assert.equal(still.in, quiet.in, "nothing comes");
  // Chromium sends silence of a microphone that was taken away only as long as its encoder drains.
  assert.ok(still.out - quiet.out <= 2, `nothing goes: ${still.out - quiet.out}`);
  await ana.button("Resume call").click();
  await Promise.all([moves(ana, "Bela"), moves(bela, "Ana"), moves(chidi, "Ana")]);
  assert.ok((await count()).plis > quiet.plis, "the server asked for a key frame");
});

test("who started the call locks it; then nobody else can add people", async () => {
  await stir(ana);
  await ana.button("Add people").click();
  await ana.button("Lock call").click();
  await ana.button("Open the call again").waitFor();
  await bela.page.getByText("The call is locked: nobody can be added").waitFor(WAIT);
  await stir(bela);
  await bela.button("Add people").click();
  await bela.page.getByText("This call is locked: only who started it can add people.").waitFor();
  assert.equal(await bela.button("Remove Chidi").count(), 0, "and only who started it removes or mutes");
  assert.equal(await bela.button("Mute Chidi").count(), 0);
  await bela.button("Close panel").click();
  await ana.button("Mute Chidi").click();
  await chidi.page.getByText("You were muted").waitFor(WAIT);
  await chidi.button("Unmute microphone").waitFor();
  await ana.button("Remove Chidi").click();
  await ana.button("Really remove").click();
  await chidi.page.getByText("You were removed from the call").waitFor(WAIT);
  // Out, and the lock holds.
  assert.equal(await chidi.button("Return to call").count(), 0);
  await ana.button("Close panel").click();
});

test("ended for all; what was written is read in the history", async () => {
  await more(ana, "End for everybody");
  for (const person of [ana, bela]) await person.button("Add contact").waitFor(WAIT);
  for (const person of [ana, bela, chidi]) {
    await eventually(`${person.name} finds the messages`, () => person.page.getByRole("button", { name: "2 messages" }).filter({ visible: true }).first().click({ timeout: 1000 }).then(() => true), 120_000);
    await person.page.getByText("Look: https://example.org/a?b=1 now").filter({ visible: true }).first().waitFor(WAIT);
  }
  await eventually("no transport is left", async () => (await server.metric("parley_mediad_transports")) === 0);
  await closeAll(ana, bela, chidi);
});
