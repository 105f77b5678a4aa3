// Microphone, camera and speaker: tried on Home and within the call, switched, plugged in and pulled out.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within, sleep } from "../support/server.mjs";
import { launchChromium, twoContacts } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000) => within(what, check, ms);

let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true });
  browser = await launchChromium(["--use-fake-device-for-media-stream=device-count=4,fps=10"]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const WAIT = { timeout: 120_000 };
const closeAll = (...people) => Promise.all(people.map((p) => p.close()));
const panel = (person) => person.page.getByRole("complementary", { name: "Devices", exact: true });

/** What leaves this page: the names of the devices behind it. */
const sends = (person) =>
  person.page.evaluate(() =>
    Object.fromEntries(
      window.__pcs
        .at(-1)
        .getSenders()
        .filter(({ track }) => track?.readyState === "live")
        .map(({ track }) => [track.kind, track.label]),
    ),
  );
const sendsFrom = (person, kind, name) =>
  eventually(`${person.name}'s ${kind} comes from ${name}`, async () => (await sends(person))[kind] === name, 120_000);

/** The speakers that the sounds of the call are played on. */
const sinks = (person) => person.page.evaluate(() => [...document.querySelectorAll("audio")].filter((a) => a.srcObject).map((a) => a.sinkId));
const speakerId = (person, name) =>
  person.page.evaluate(async (label) => (await navigator.mediaDevices.enumerateDevices()).find((d) => d.kind === "audiooutput" && d.label === label).deviceId, name);

/** Pictures of the other go on: more frames than before. */
async function flows(person) {
  const { video } = await person.stats();
  await eventually(`${person.name} sees the picture go on`, async () => (await person.stats()).video.frames > video.frames + 5, 120_000);
}

async function inCall(options) {
  const [ana, bela] = await twoContacts(browser, server.base, options);
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  return [ana, bela];
}

async function menu(person, button, name) {
  await person.stir();
  await person.button(button).click();
  await person.page.getByRole("menuitemradio", { name, exact: true }).click();
  await person.page.keyboard.press("Escape");
}

// Of Chromium's fake cameras the second (fake_device_1) has no pictures.

test("the check on Home shows the picture and the level, and its choice holds for the next call without a reload", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.button("Skip the first steps").click();
  await ana.button("Check camera and microphone").click();
  const check = ana.page.getByRole("region", { name: "Camera and microphone" });
  await eventually("the preview moves", () => check.getByLabel("Your camera").evaluate((v) => v.videoWidth > 0 && !v.paused), 120_000);
  await eventually("the level moves", async () => Number(await check.getByRole("meter", { name: "Microphone level" }).getAttribute("aria-valuenow")) > 5, 120_000);
  await check.getByLabel("Camera", { exact: true }).selectOption({ label: "fake_device_3" });
  await check.getByLabel("Microphone", { exact: true }).selectOption({ label: "Fake Audio Input 2" });
  await check.getByLabel("Speaker", { exact: true }).selectOption({ label: "Fake Audio Output 1" });
  await check.getByRole("button", { name: "Test the sound" }).click();
  await check.getByRole("button", { name: "You should hear a ring" }).waitFor();
  await eventually("the preview is that camera", () => check.getByLabel("Your camera").evaluate((v) => v.srcObject.getVideoTracks()[0].label === "fake_device_3"), 120_000);
  await ana.videoCall(bela);
  await bela.answer();
  await bela.seesAndHears(ana, 120_000);
  await ana.seesAndHears(bela, 120_000);
  assert.deepEqual(await sends(ana), { audio: "Fake Audio Input 2", video: "fake_device_3" });
  const id = await speakerId(ana, "Fake Audio Output 1");
  await eventually("it is heard on that speaker", async () => {
    const all = await sinks(ana);
    return all.length > 0 && all.every((one) => one === id);
  });
  await ana.button("Leave call").click();
  await closeAll(ana, bela);
});

test("microphone, camera and speaker are switched during the call, and again after a reload they are those", async () => {
  const [ana, bela] = await inCall();
  await menu(ana, "Choose camera", "fake_device_2");
  await sendsFrom(ana, "video", "fake_device_2");
  await flows(bela);
  await menu(ana, "Choose microphone and speaker", "Fake Audio Input 1");
  await sendsFrom(ana, "audio", "Fake Audio Input 1");
  await menu(ana, "Choose microphone and speaker", "Fake Audio Output 2");
  const id = await speakerId(ana, "Fake Audio Output 2");
  await eventually("the sound moved", async () => (await sinks(ana)).every((one) => one === id));
  const heard = (await bela.stats()).audio.energy;
  await eventually("Bela goes on hearing", async () => (await bela.stats()).audio.energy > heard, 120_000);
  assert.equal((await bela.stats()).count, 1, "one peer connection, as from the start");
  await ana.page.reload();
  await ana.seesAndHears(bela, 120_000);
  assert.deepEqual(await sends(ana), { audio: "Fake Audio Input 1", video: "fake_device_2" });
  await eventually("on the same speaker", async () => (await sinks(ana)).every((one) => one === id));
  await ana.button("Leave call").click();
  await closeAll(ana, bela);
});

/* The fake devices cannot be pulled out. So the browser's list leaves some out and says that it changed: what follows
 * (the offer, the switch, the speaker) is real. */
async function cabinet(person) {
  await person.context.addInitScript(() => {
    const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    window.__out = [];
    navigator.mediaDevices.enumerateDevices = async () => (await list()).filter((d) => !window.__out.includes(d.label));
    window.__pull = (...labels) => {
      window.__out = labels;
      navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
    };
  });
}
const pull = (person, ...labels) => person.page.evaluate((all) => window.__pull(...all), labels);

test("what is plugged in during the call is offered, and one click uses it", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await cabinet(ana);
  await ana.page.reload();
  await pull(ana, "fake_device_2", "Fake Audio Input 2", "Fake Audio Output 2");
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela, 120_000), bela.seesAndHears(ana, 120_000)]);
  await pull(ana, "Fake Audio Input 2", "Fake Audio Output 2");
  await ana.page.getByText("fake_device_2 is plugged in").waitFor(WAIT);
  await ana.button("Use it").click();
  await sendsFrom(ana, "video", "fake_device_2");
  await flows(bela);
  await pull(ana, "Fake Audio Output 2");
  await ana.page.getByText("Fake Audio Input 2 is plugged in").waitFor(WAIT);
  await ana.button("Use it").click();
  await sendsFrom(ana, "audio", "Fake Audio Input 2");
  await pull(ana);
  await ana.page.getByText("Fake Audio Output 2 is plugged in").waitFor(WAIT);
  await ana.button("Use it").click();
  const id = await speakerId(ana, "Fake Audio Output 2");
  await eventually("the sound moved", async () => (await sinks(ana)).every((one) => one === id));
  // Pulled out again: the default one plays, until it is back.
  await pull(ana, "Fake Audio Output 2");
  await eventually("the default speaker plays", async () => (await sinks(ana)).every((one) => one === ""));
  await pull(ana);
  await eventually("it is back", async () => (await sinks(ana)).every((one) => one === id));
  await ana.button("Leave call").click();
  await closeAll(ana, bela);
});

test("a camera or microphone that ends in mid-call is replaced by another one, and the person is told", async () => {
  const [ana, bela] = await inCall();
  for (const kind of ["video", "audio"]) {
    // A track says that it ended when its device is gone; the browser does not do it to its fake ones.
    await ana.page.evaluate((which) => {
      const { track } = window.__pcs.at(-1).getSenders().find((s) => s.track?.kind === which);
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }, kind);
    await ana.page.getByText("A device was unplugged; another one has taken over").first().waitFor(WAIT);
    await eventually("another track is sent", async () => (await sends(ana))[kind] !== undefined, 120_000);
  }
  await flows(bela);
  const heard = (await bela.stats()).audio.energy;
  await eventually("Bela hears again", async () => (await bela.stats()).audio.energy > heard, 120_000);
  await ana.button("Leave call").click();
  await closeAll(ana, bela);
});

test("within the call: preview and level in a panel; a camera that is off is tried without anybody seeing it", async () => {
  const [ana, bela] = await inCall({ viewport: { width: 390, height: 844 } });
  await ana.button("More").click();
  await ana.page.getByRole("menuitem", { name: "Devices", exact: true }).click();
  const shown = panel(ana).getByLabel("Your camera", { exact: true });
  await eventually("the preview moves", () => shown.evaluate((v) => v.videoWidth > 0 && !v.paused), 120_000);
  await eventually("the level moves", async () => Number(await panel(ana).getByRole("meter", { name: "Microphone level" }).getAttribute("aria-valuenow")) > 5, 120_000);
  await panel(ana).getByRole("combobox", { name: "Camera", exact: true }).selectOption({ label: "fake_device_3" });
  await sendsFrom(ana, "video", "fake_device_3");

  await ana.button("Close panel").click();
  await ana.button("Turn camera off").click();
  await bela.page.getByRole("figure", { name: "Ana", exact: true }).locator("video.opacity-0").waitFor({ state: "attached", ...WAIT });
  await ana.button("More").click();
  await ana.page.getByRole("menuitem", { name: "Devices", exact: true }).click();
  await panel(ana).getByRole("button", { name: "Try the camera" }).click();
  await eventually("the trial moves", () => shown.evaluate((v) => v.videoWidth > 0 && !v.paused), 120_000);
  await panel(ana).getByText("Only you see this.").waitFor();
  assert.equal((await sends(ana)).video, undefined, "nothing of it is sent");
  const { video } = await bela.stats();
  await sleep(1500);
  assert.equal((await bela.stats()).video.frames, video.frames, "and nothing of it is seen");
  await panel(ana).getByRole("combobox", { name: "Camera", exact: true }).selectOption({ label: "fake_device_2" });
  await eventually("the other camera is tried", () => shown.evaluate((v) => v.srcObject?.getVideoTracks()[0]?.label === "fake_device_2"), 120_000);
  await ana.button("Close panel").click();
  await ana.button("Turn camera on").click();
  await sendsFrom(ana, "video", "fake_device_2");
  await bela.seesAndHears(ana, 120_000);
  await ana.button("Leave call").click();
  await closeAll(ana, bela);
});
