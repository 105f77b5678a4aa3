// Shared screens: their sound, their size, two at once, ended by the browser itself; and what the figures say of them.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000) => within(what, check, ms);

const WINDOW = { width: 960, height: 600 };
const SCREEN = { width: 1280, height: 720 };
const GONE = { state: "detached", timeout: 120_000 };

let server, browser, ana, bela, chidi;

const area = async (person, name) => {
  const { width, height } = await person.figure(name).boundingBox();
  return width * height;
};
const isLarge = (person, name) => eventually(`${name} is large`, async () => (await area(person, name)) > 0.4 * WINDOW.width * WINDOW.height);
const sizeOf = (person, name) => person.figure(name).locator("video").evaluate((video) => ({ width: video.videoWidth, height: video.videoHeight }));

const share = (person) => person.control("Share screen");
const stopSharing = (person) => person.control("Stop sharing");

/** For the page: what is asked of the browser for a screen, and what it gives. */
function rememberScreen() {
  const real = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getDisplayMedia = async (options) => {
    window.__asked = options;
    window.__screen = await real(options);
    return window.__screen;
  };
}

/** Who sits where on that person's page, as the server said last. */
function followSeats(person) {
  person.seats = [];
  person.page.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => {
      const event = JSON.parse(payload);
      if (event.type === "seats") person.seats = event.seats;
    }),
  );
}

/** For the page: what arrives on that m-line, and whether it is played. */
async function readSound(mid) {
  const pc = window.__pcs.at(-1);
  const { track } = pc.getTransceivers().find((line) => line.mid === mid).receiver;
  const played = [...document.querySelectorAll("audio")].some((one) => !one.paused && one.srcObject?.getTracks().includes(track));
  for (const s of (await pc.getStats()).values()) if (s.type === "inbound-rtp" && s.mid === mid) return { played, packets: s.packetsReceived, energy: s.totalAudioEnergy };
  return { played, packets: 0, energy: 0 };
}

before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true });
  browser = await launchChromium(["--use-fake-device-for-media-stream=fps=8"]); // cameras and screens, on a small machine
  [ana, bela, chidi] = await Promise.all(
    ["Ana", "Bela", "Chidi"].map((name) => BrowserPerson.create(browser, server.base, name, { viewport: WINDOW, screen: SCREEN })),
  );
  for (const person of [ana, bela, chidi]) {
    followSeats(person);
    await person.context.addInitScript(rememberScreen);
  }
  await Promise.all([ana, bela, chidi].map((person) => person.signUp()));
  for (const other of [bela, chidi]) {
    await ana.ask(other);
    await other.accept();
    await ana.hasContact(other);
  }
  for (const other of [bela, chidi]) await ana.press("checkbox", `Select ${other.name}`);
  await ana.press("button", "Call selected");
  await Promise.all([bela.answer(), chidi.answer()]);
  await Promise.all([ana.moves("Bela"), bela.moves("Chidi"), chidi.moves("Ana")]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a screen is asked for with its sound, and without what would make an echo of it", async () => {
  await share(bela);
  await Promise.all([ana, chidi].map((other) => other.moves("Screen of Bela")));
  const { asked, hints } = await bela.run(() => ({
    asked: window.__asked,
    hints: window.__screen.getVideoTracks().map((track) => track.contentHint),
  }));
  assert.deepEqual(hints, ["detail"], "letters before motion");
  assert.equal(asked.systemAudio, "include");
  assert.deepEqual(asked.audio, {
    // What is heard of the call itself is left out of the sound of a whole screen.
    restrictOwnAudio: true,
    // A tab that is shared is heard through the call, not beside it.
    suppressLocalAudioPlayback: true,
    // Made for voices, these would eat music.
    echoCancellation: false,
    noiseSuppression: false,
    autoGainControl: false,
  });
  // The fake screen beeps as the fake microphone does: here only the seat tells which of them it is.
  for (const person of [ana, chidi]) {
    const seat = await eventually(`${person.name} has a seat for the sound`, () => person.seats.find(({ kind, member }) => kind === "screen_audio" && member !== null));
    const before_ = await person.run(readSound, seat.mid);
    await eventually(`${person.name} hears the screen`, async () => {
      const { played, packets, energy } = await person.run(readSound, seat.mid);
      return played && packets > before_.packets && energy > before_.energy + 1e-4;
    });
  }
  await stopSharing(bela);
  await Promise.all([ana, chidi].map((other) => other.figure("Screen of Bela").waitFor(GONE)));
});

test("a screen arrives as large as it is, and with few bits there are fewer pictures, not smaller ones", async () => {
  await share(bela);
  await ana.moves("Screen of Bela");
  const { width, height } = await bela.run(() => window.__screen.getVideoTracks()[0].getSettings());
  assert.deepEqual({ width, height }, SCREEN);
  for (const person of [ana, chidi]) {
    await person.moves("Screen of Bela");
    assert.deepEqual(await sizeOf(person, "Screen of Bela"), SCREEN);
  }
  // So few that a camera would become small within seconds.
  await bela.run(async () => {
    const sender = window.__pcs.at(-1).getSenders().find(({ track }) => track?.contentHint === "detail");
    const parameters = sender.getParameters();
    parameters.encodings[0].maxBitrate = 60_000;
    await sender.setParameters(parameters);
  });
  const sent = () =>
    bela.run(async () => {
      for (const s of (await window.__pcs.at(-1).getStats()).values())
        if (s.type === "outbound-rtp" && s.contentType === "screenshare")
          return { width: s.frameWidth, height: s.frameHeight, frames: s.framesEncoded, target: s.targetBitrate, limited: s.qualityLimitationReason };
    });
  await eventually("it is short of bits", async () => (await sent()).target <= 60_000);
  const { frames } = await sent();
  await eventually("more pictures are sent", async () => {
    const now = await sent();
    assert.deepEqual({ width: now.width, height: now.height }, SCREEN);
    return now.frames > frames + 20;
  });
  await ana.moves("Screen of Bela");
  assert.deepEqual(await sizeOf(ana, "Screen of Bela"), SCREEN);
  await stopSharing(bela);
  await ana.figure("Screen of Bela").waitFor(GONE);
});

test("two share at once: the newer one is large, the other one can be chosen, and who stops leaves the stage", async () => {
  await share(ana);
  await chidi.moves("Screen of Ana");
  await isLarge(chidi, "Screen of Ana");
  await share(bela);
  await isLarge(chidi, "Screen of Bela");
  await Promise.all(["Screen of Ana", "Screen of Bela"].map((name) => chidi.moves(name)));
  assert.ok((await area(chidi, "Screen of Ana")) < 0.1 * WINDOW.width * WINDOW.height, "the other one is in the strip");

  await chidi.figure("Screen of Ana").hover();
  await chidi.button("Pin Screen of Ana").click();
  await isLarge(chidi, "Screen of Ana");
  await Promise.all(["Screen of Ana", "Screen of Bela"].map((name) => chidi.moves(name)));

  await stopSharing(ana);
  await chidi.figure("Screen of Ana").waitFor(GONE);
  await isLarge(chidi, "Screen of Bela");
  await chidi.moves("Screen of Bela");
  await stopSharing(bela);
  await chidi.figure("Screen of Bela").waitFor(GONE);
  await eventually("all are alike again", async () => Math.abs((await area(chidi, "Ana")) - (await area(chidi, "Bela"))) < 500);
});

test("the browser's own button ends it everywhere, and it can be shared again", async () => {
  const sharing = () => server.sql("select count(*) from call_members where sharing");
  await share(bela);
  await ana.moves("Screen of Bela");
  await eventually("the server knows", () => sharing() === "1");
  // The browser does this; no script can press its button.
  await bela.run(() => {
    for (const track of window.__screen.getTracks()) {
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }
  });
  await bela.button("Share screen").waitFor();
  await bela.figure("Screen of Bela").waitFor(GONE);
  await Promise.all([ana, chidi].map((other) => other.figure("Screen of Bela").waitFor(GONE)));
  await eventually("the server knows", () => sharing() === "0");
  await share(bela);
  await Promise.all([ana, chidi].map((other) => other.moves("Screen of Bela")));
  await stopSharing(bela);
  await ana.figure("Screen of Bela").waitFor(GONE);
});

const details = (person) => person.page.getByRole("complementary", { name: "Connection details", exact: true });
const section = (person, name) => (name ? details(person).getByRole("region", { name, exact: true }) : details(person));
/** What stands beside that word. */
const reading = (person, word, name) => section(person, name).locator(`dt:text-is("${word}") + dd`).first().textContent();
const focus = (person) => person.run(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.tagName);

test("the figures: opened by mouse and by key, true, alive, and closed by Escape where one came from", async () => {
  await ana.stir();
  await ana.button("More").click();
  await ana.page.getByRole("menuitem", { name: "Connection details" }).click();
  await details(ana).getByText("Media process").waitFor();
  await eventually("all of Bela's are there", async () => /kbit\/s|Mbit\/s/.test(await reading(ana, "Picture", "Bela")) && /kbit\/s/.test(await reading(ana, "Sound", "Bela")));
  assert.match(await reading(ana, "Round trip"), /^\d{1,4} ms$/);
  assert.match(await reading(ana, "Room to send"), /^[\d.]+ [kM]bit\/s$/);
  for (const way of ["Lost on the way here", "Lost on the way from here"]) assert.match(await reading(ana, way), /^\d{1,2}(\.\d)?%$/);
  const port = await ana.run(async () => {
    const stats = [...(await window.__pcs.at(-1).getStats()).values()];
    const pair = stats.find((s) => s.type === "candidate-pair" && s.nominated && s.state === "succeeded");
    return stats.find((s) => s.id === pair.remoteCandidateId).port;
  });
  assert.equal(Number(await reading(ana, "Media process")), port - server.outside, "the process that serves this page");
  for (const name of ["Bela", "Chidi"]) {
    await eventually(`${name} is as large as the figures say`, async () => {
      const { width, height } = await sizeOf(ana, name);
      return (await reading(ana, "Resolution", name)).startsWith(`${width} × ${height}, `);
    });
    assert.match(await reading(ana, "Picture", name), /^[\d.,]+ [kM]bit\/s, \d{1,2}(\.\d)?%$/);
    assert.equal(await reading(ana, "Codec", name), "VP8");
  }
  const first = await reading(ana, "Picture", "Bela");
  await eventually("they change", async () => (await reading(ana, "Picture", "Bela")) !== first);
  assert.equal(await focus(ana), "Figures");
  await ana.key("Escape");
  await details(ana).waitFor(GONE);
  assert.equal(await focus(ana), "More");

  await ana.button("Add people").focus();
  await ana.key("t");
  await details(ana).waitFor();
  assert.equal(await focus(ana), "Figures");
  await ana.key("Escape");
  await details(ana).waitFor(GONE);
  assert.equal(await focus(ana), "Add people");
});

test("with the camera off, a shared screen's figures are the screen's own", async () => {
  await bela.control("Turn camera off");
  await bela.button("Turn camera on").waitFor();
  await share(bela);
  await ana.moves("Screen of Bela");
  await bela.key("t");
  const own = "Bela (you, sent)";
  await eventually("the screen has figures", async () => /^[\d.,]+ [kM]bit\/s, 1280 × 720/.test(await reading(bela, "Screen", own)));
  // Figures are those of the last second or two.
  for (const word of ["Picture", "Resolution"]) await eventually(`no ${word} of the camera`, async () => (await reading(bela, word, own)) === "–");
  await ana.key("t");
  await eventually("at the other end, too", async () => /^[\d.,]+ [kM]bit\/s, 1280 × 720/.test(await reading(ana, "Screen", "Bela")));
  await eventually("no picture of the camera", async () => (await reading(ana, "Picture", "Bela")) === "–");
  await bela.control("Turn camera on");
  await eventually("the camera has its own", async () => /^\d+ × \d+/.test(await reading(bela, "Resolution", own)) && !(await reading(bela, "Resolution", own)).startsWith("1280"));
  for (const person of [ana, bela]) {
    await person.key("t");
    await details(person).waitFor(GONE);
  }
  await stopSharing(bela);
});

test("a shortcut is one key alone, once, and not within a dialog", async () => {
  await ana.key("Control+m");
  await ana.key("Alt+v");
  await ana.button("Mute microphone").waitFor();
  await ana.button("Turn camera off").waitFor();
  // A key that is held says itself again and again.
  await ana.page.keyboard.down("r");
  for (let n = 0; n < 3; n++) await ana.page.keyboard.down("r");
  await ana.page.keyboard.up("r");
  await ana.button("Lower hand").waitFor();
  await bela.figure("Ana").getByRole("img", { name: "Hand is up" }).waitFor();
  await ana.key("R");
  await ana.button("Raise hand").waitFor();
  await ana.key("?");
  const help = ana.page.getByRole("dialog", { name: "Keyboard shortcuts", exact: true });
  await help.waitFor();
  for (const key of ["m", "v", "d", "c", "r", "w", "t"]) await ana.key(key);
  await ana.key("Escape");
  await help.waitFor(GONE);
  await ana.button("Mute microphone").waitFor();
  await ana.button("Turn camera off").waitFor();
  await ana.button("Share screen").waitFor();
  await ana.button("Raise hand").waitFor();
  assert.equal(await ana.button("Close panel").count(), 0);
  // On a button that was reached by keyboard, Space presses it.
  await ana.button("Mute microphone").focus();
  for (const [key, name] of [["ArrowRight", "Choose microphone and speaker"], ["ArrowLeft", "Mute microphone"]]) {
    await ana.key(key);
    await eventually(`the focus is on ${name}`, async () => (await focus(ana)) === name);
  }
  await ana.key(" ");
  await ana.button("Unmute microphone").waitFor();
  await ana.key(" ");
  await ana.button("Mute microphone").waitFor();
  await ana.button("Leave call").click();
  await Promise.all([ana, bela, chidi].map((person) => person.close()));
});
