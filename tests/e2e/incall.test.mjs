// In the call: three people, one of them on a phone; what they see, hear, share, write and decide.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within, sleep } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000) => within(what, check, ms);

let server, browser, ana, bela, chidi;

const WAIT = { timeout: 120_000 };
const box = (person, name) => person.figure(name).boundingBox();
const area = ({ width, height }) => width * height;
const toolbar = (person) => person.page.getByRole("toolbar", { name: "Call controls", exact: true });

async function more(person, item) {
  await person.stir();
  await person.button("More").click();
  await person.page.getByRole("menuitem", { name: item }).click();
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
  server = await Server.start({ workers: 2, mediads: 2, checked: true });
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
  await bela.figure("Ana").getByRole("img", { name: "Microphone off" }).waitFor(WAIT);
  await sleep(800);
  const silent = await heard(bela);
  await sleep(1500);
  assert.ok((await heard(bela)) - silent < 1e-3, "muted is silent");
  await ana.page.keyboard.down(" ");
  await bela.figure("Ana").getByRole("img", { name: "Microphone off" }).waitFor({ state: "detached", ...WAIT });
  await heardMore(bela);
  await ana.page.keyboard.up(" ");
  await bela.figure("Ana").getByRole("img", { name: "Microphone off" }).waitFor(WAIT);
  await press("m");
  await ana.button("Mute microphone").waitFor();
  await press("v");
  await ana.button("Turn camera on").waitFor();
  await press("v");
  await ana.button("Turn camera off").waitFor();
  await press("d");
  await bela.figure("Screen of Ana").waitFor(WAIT);
  await press("d");
  await bela.figure("Screen of Ana").waitFor({ state: "detached", ...WAIT });
  await press("r");
  await bela.figure("Ana").getByRole("img", { name: "Hand is up" }).waitFor(WAIT);
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
  await ana.stir();
  await ana.button("Chat").click();
  const write = ana.page.getByRole("textbox", { name: "Message", exact: true });
  await write.pressSequentially("Look: https://example.org/a?b=1 now");
  await bela.stir();
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

  await ana.stir();
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
  for (const name of ["Bela", "Chidi"]) await ana.moves(name);
  assert.ok(Math.abs(area(await box(ana, "Bela")) - area(await box(ana, "Chidi"))) < 500, "in the grid all are alike");
  await ana.page.keyboard.press("w");
  const ratio = async () => {
    const sizes = [area(await box(ana, "Bela")), area(await box(ana, "Chidi"))];
    return Math.max(...sizes) / Math.min(...sizes);
  };
  await eventually("one has the stage", async () => (await ratio()) > 4);
  await ana.page.reload();
  await ana.moves("Bela");
  await ana.moves("Chidi");
  await eventually("the stage is as it was", async () => (await ratio()) > 4);
  // Whoever has the stage: the other one is pinned to it.
  const other = area(await box(ana, "Bela")) > area(await box(ana, "Chidi")) ? "Chidi" : "Bela";
  await ana.figure(other).hover();
  await ana.button(`Pin ${other}`).click();
  await eventually("the pinned one is large", async () => area(await box(ana, other)) > 0.4 * 960 * 600);
  await ana.button(`Unpin ${other}`).click();
  await ana.page.keyboard.press("w");
  await eventually("the grid is back", async () => (await ratio()) < 1.1);
});

test("hide oneself: gone from the own page only", async () => {
  await ana.figure("Ana").waitFor();
  await more(ana, "Hide myself");
  await ana.figure("Ana").waitFor({ state: "detached" });
  await bela.moves("Ana");
  await more(ana, "Show myself");
  await ana.figure("Ana").waitFor();
});

test("on a phone a finger goes from the grid to the speaker and back; a tap brings the pin", async () => {
  for (const name of ["Ana", "Bela"]) await chidi.moves(name);
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
  await chidi.figure("Bela").tap();
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
  await ana.stir();
  await ana.button("More").click();
  await ana.page.getByRole("menuitem", { name: "Picture in picture" }).waitFor();
  await ana.page.keyboard.press("Escape");
});

test("whoever speaks has a ring, whoever is silent has none", async () => {
  const rings = (name) => ana.figure(name).evaluate((one) => [...one.querySelectorAll("span")].some((s) => s.dataset.speaks && getComputedStyle(s).opacity === "1"));
  await bela.page.keyboard.press("m");
  await eventually("Chidi's ring is on", () => rings("Chidi"), 120_000);
  // What she said just before is still on its way.
  await eventually("Bela's ring goes out", async () => !(await rings("Bela")), 120_000);
  for (let n = 0; n < 10; n++) {
    assert.equal(await rings("Bela"), false, "a muted person never has it");
    await sleep(100);
  }
  await bela.page.keyboard.press("m");
  await eventually("Bela's ring is on", () => rings("Bela"), 120_000);
});
