// Firefox and Chromium: the journeys of one with the other, over a Firefox that was not made for this page.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { FirefoxPerson, launchFirefox } from "../support/firefox.mjs";
import { becomeContacts } from "../support/person.mjs";

let server, chromium, firefox, fay, cleo;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true });
  [firefox, chromium] = await Promise.all([launchFirefox(), launchChromium()]);
  fay = await FirefoxPerson.create(firefox, server.base, "Fay");
  cleo = await BrowserPerson.create(chromium, server.base, "Cleo");
});
after(async () => {
  await Promise.all([chromium?.close(), firefox?.close()]);
  await server?.stop();
});

const fayOf = { role: "figure", name: "Fay" };
const cleoOf = { role: "figure", name: "Cleo" };
/** What is sent of the camera now, by rid. */
const sentLayers = (person) =>
  person.run(() => {
    const { sender } = window.__pcs.at(-1).getTransceivers()[1];
    return Object.fromEntries(sender.getParameters().encodings.map(({ rid, active }) => [rid, active]));
  });
const both = () => Promise.all([fay.seesAndHears(cleo), cleo.seesAndHears(fay)]);

test("sign up, add a contact, call from Firefox: both see and hear each other, and go on doing so", async () => {
  await becomeContacts(fay, cleo);
  await fay.videoCall(cleo);
  await fay.reads("Calling…");
  await cleo.answer();
  await both();
  await Promise.all([fay.decodes(20), cleo.decodes(20), fay.hearsMore(), cleo.hearsMore()]);
  const last = [await fay.stats(), await cleo.stats()];
  for (const i of [0, 1]) {
    console.log(`# ${["Fay", "Cleo"][i]}: ${JSON.stringify(last[i])}`);
    assert.equal(last[i].count, 1, "one peer connection, as from the start");
  }
  await Promise.all([fay.moves("Cleo"), cleo.moves("Fay")]);
  for (const person of [fay, cleo]) assert.deepEqual(Object.keys(await sentLayers(person)), ["q", "h", "f"], `${person.name}'s camera has three layers`);
});

test("mute and camera off in Firefox are seen and heard in Chromium, and the other way round", async () => {
  for (const [one, other, figure] of [[fay, cleo, fayOf], [cleo, fay, cleoOf]]) {
    await one.press("button", "Mute microphone");
    await other.sees("img", "Microphone off", { inside: figure });
    await other.hearsNothing();
    await one.press("button", "Unmute microphone");
    await other.sees("img", "Microphone off", { inside: figure, gone: true });
    await other.hearsMore();

    await one.press("button", "Turn camera off");
    await eventually("the picture is covered", () => other.on("figure", one.name, (f) => f.querySelector("video")?.checkVisibility({ opacityProperty: true }) !== true), 120_000);
    await eventually("no layer is sent", async () => !Object.values(await sentLayers(one)).includes(true));
    await one.press("button", "Turn camera on");
    await other.moves(one.name);
    await eventually("those that are watched are sent", async () => Object.values(await sentLayers(one)).includes(true));
  }
});

test("pause and resume, from Firefox and from Chromium", async () => {
  for (const [one, other, figure] of [[fay, cleo, fayOf], [cleo, fay, cleoOf]]) {
    await one.press("button", "Pause call");
    await one.sees("button", "Resume call");
    await other.reads("paused", { inside: figure });
    await one.receivesNothing();
    await one.press("button", "Resume call");
    await Promise.all([one.moves(other.name), other.moves(one.name)]);
  }
  await both();
});

test("what one writes the other reads, both ways", async () => {
  await fay.openChat();
  await fay.say("from Firefox");
  await cleo.openChat();
  await cleo.say("from Chromium");
  for (const person of [fay, cleo])
    await eventually("both have both", async () => JSON.stringify(await person.chat()) === '["from Firefox","from Chromium"]', 120_000);
  for (const person of [fay, cleo]) await person.press("button", "Close panel");
});

test("a screen shared in Chromium is seen in Firefox, and the other way round, twice", async () => {
  for (const [one, other] of [[cleo, fay], [fay, cleo], [fay, cleo]]) {
    await one.press("button", "Share screen");
    await one.sees("button", "Stop sharing");
    await other.moves(`Screen of ${one.name}`);
    await other.moves(one.name);
    await one.press("button", "Stop sharing");
    await other.sees("figure", `Screen of ${one.name}`, { gone: true });
    await one.sees("button", "Share screen");
  }
});

test("a reload in Firefox returns to the call; so does the next mediad after a kill", async () => {
  await fay.reload();
  await fay.sees("toolbar", "Call controls");
  await both();
  for (const index of [0, 1]) {
    const pid = server.pid("mediad", index);
    server.kill("mediad", index);
    await eventually("the mediad is back", () => server.pid("mediad", index) !== pid, 120_000);
    await Promise.all([fay.moves("Cleo"), cleo.moves("Fay")]);
    await both();
  }
});

test("leave, decline, an audio call from Chromium that becomes a video call, and the history says all of it", async () => {
  await fay.press("button", "Leave call");
  await Promise.all([fay.isHome(), cleo.isHome()]);

  await cleo.videoCall(fay);
  await fay.decline();
  await cleo.reads("Fay declined");
  await fay.sees("dialog", "Incoming call", { gone: true });

  await cleo.press("button", "Audio call Fay");
  await fay.answer();
  await Promise.all([fay.hearsMore(), cleo.hearsMore()]);
  for (const [one, other] of [[fay, cleo], [cleo, fay]]) {
    await one.press("button", "Turn camera on");
    await other.moves(one.name);
  }
  await both();
  await cleo.press("button", "Leave call");
  await Promise.all([fay.isHome(), cleo.isHome()]);
  await eventually("no transport is left", async () => (await server.metric("parley_mediad_transports")) === 0);

  for (const words of ["You called", "You declined", "Called you"]) await fay.reads(words);
  for (const person of [fay, cleo])
    assert.deepEqual(person.complaints, [], `${person.name}'s console is clean`);
});
