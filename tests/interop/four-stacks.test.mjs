// Chromium, Firefox, aiortc and GStreamer's webrtcbin in one call, all four at the same time: each sees and hears each of
// the others and goes on doing so, also when a fifth person comes and goes, and none of them is asked to negotiate
// again. Chromium and Firefox show the page; the other two are members by the API with offers of their own making.
import { impossible, Machine } from "../support/own-network.mjs";
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { Person, befriend } from "../support/api.mjs";
import { PythonMember } from "../support/call.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { FirefoxPerson, launchFirefox } from "../support/firefox.mjs";
import { joinInChromium } from "../support/member.mjs";

const SLOTS = 4; // for others; the fifth has one, too
const MOST_MS = 120_000; // a busy machine is slow, not wrong
const LEAST_MS = 20_000; // longer than the server believes in a client of whom it hears nothing
const SOME_MS = 5_000;
const PICTURES = 10; // in a round; all else is a still picture
let server, machine, chromium, firefox;

before(async () => {
  if (!impossible) {
    // libnice, which webrtcbin uses, has no address on the loopback interface.
    machine = Machine.create();
    machine.plug("up0", "10.77.0.1/24", "10.77.0.2/24");
  }
  server = await Server.start({ workers: 2, mediads: 2, checked: impossible ? false : "beside", opts: ["calls.reconnect_grace=3600"] });
  [firefox, chromium] = await Promise.all([launchFirefox(), launchChromium()]);
});
after(async () => {
  await Promise.all([chromium?.close(), firefox?.close()]);
  await server?.stop();
  machine?.stop();
});

/** The same person by the API, beside the page. */
async function beside({ base, name, username, password }) {
  const person = Object.assign(new Person(), { base, name, username, password });
  await person.signIn();
  return person;
}

/** For the page: of each figure by name, what was decoded and how loud it was, all together. */
async function decoded() {
  const pc = window.__pcs.at(-1);
  const received = new Map();
  for (const { track } of pc?.getReceivers() ?? []) received.set(track.id, track);
  const out = {};
  for (const figure of document.querySelectorAll("figure")) {
    const sum = { pictures: 0, sound: 0 };
    for (const { id } of figure.querySelector("video")?.srcObject?.getTracks() ?? []) {
      if (!received.has(id)) continue;
      for (const s of (await pc.getStats(received.get(id))).values()) {
        if (s.type !== "inbound-rtp") continue;
        sum.pictures += s.framesDecoded ?? 0;
        sum.sound += s.totalAudioEnergy ?? 0;
      }
    }
    out[figure.getAttribute("aria-label")] = sum;
  }
  return out;
}

/** For the page: how often it has asked the server about media. */
function requests() {
  return performance.getEntriesByType("resource").filter(({ name }) => /\/media(\/[^/]*)?$/.test(new URL(name).pathname)).length;
}

/** What a script has decoded of each member by name, as the last event says who sits where. */
async function decodedByScript({ name: own, api, script }, people) {
  const { seats } = api.events.findLast((e) => e.type === "seats") ?? { seats: [] };
  const { lines, connection } = await script.tell();
  assert.equal(connection, "connected", own);
  const out = {};
  for (const { id, name } of people) {
    const on = (kind) => lines[seats.find((s) => s.member === id && s.kind === kind)?.mid];
    out[name] = { pictures: on("camera")?.changes ?? 0, sound: on("microphone")?.loud ?? 0 };
  }
  return out;
}

/** All that somebody receives: [{ who, whom, pictures, sound }]. */
async function look(members, people) {
  const all = await Promise.all(members.map((m) => (m.page ? m.page.run(decoded) : decodedByScript(m, people))));
  return members.flatMap(({ name }, i) => people.filter((p) => p.name !== name).map((p) => ({ who: name, whom: p.name, ...(all[i][p.name] ?? { pictures: 0, sound: 0 }) })));
}

/** For so long at least, round by round, every one of them goes on seeing and hearing each of these people. */
async function goesOn(members, people, ms) {
  const began = Date.now();
  let rounds = 0;
  let last = await look(members, people);
  const first = last;
  do {
    last = await eventually(
      "everybody sees and hears each",
      async () => {
        const now = await look(members, people);
        // What is seen and heard of a newcomer counts from nothing.
        const missing = now.filter(({ pictures, sound }, i) => pictures < last[i].pictures + PICTURES || sound <= last[i].sound);
        if (missing.length > 0) throw new Error(missing.map((m) => `${m.who} of ${m.whom}: ${m.pictures} pictures, sound ${m.sound}`).join("; "));
        return now;
      },
      MOST_MS,
      500,
    );
    rounds++;
  } while (Date.now() < began + ms);
  for (const { name } of members) {
    const own = last.map((now, i) => ({ ...now, pictures: now.pictures - first[i].pictures })).filter(({ who }) => who === name);
    console.log(`# in ${Math.round((Date.now() - began) / 1000)} s, ${rounds} rounds: ${name} has seen ${own.map(({ whom, pictures }) => `${pictures} pictures of ${whom}`).join(", ")}`);
  }
}

test("four WebRTC stacks in one call: each sees and hears the three others, with a fifth person and without", { timeout: 600_000 }, async () => {
  const fay = await FirefoxPerson.create(firefox, server.base, "Fay");
  const cleo = await BrowserPerson.create(chromium, server.base, "Cleo");
  await Promise.all([cleo.signUp(), fay.signUp()]);
  const [aio, gwen, eve] = await Promise.all(["Aio", "Gwen", "Eve"].map((name) => Person.create(server, name)));
  const [byCleo, byFay] = await Promise.all([beside(cleo), beside(fay)]);
  for (const other of [aio, byCleo, byFay, eve]) await befriend(gwen, other);
  await Promise.all([aio.connect(), gwen.connect()]);

  const { call } = (await gwen.must("POST", "/calls", { invite: [aio.id, byCleo.id, byFay.id], video: true })).json;
  await aio.must("POST", `/calls/${call.id}/answer`);
  const script = (name, person) => PythonMember.join(name, [server.base, person.token, call.id, SLOTS, MOST_MS / 1000]);
  const [byGstreamer, byAiortc] = await Promise.all([script("gst_member.py", gwen), script("aiortc_member.py", aio), cleo.answer(), fay.answer()]);
  const four = [byCleo, byFay, aio, gwen];
  const members = [
    { name: "Cleo", page: cleo },
    { name: "Fay", page: fay },
    { name: "Aio", api: aio, script: byAiortc },
    { name: "Gwen", api: gwen, script: byGstreamer },
  ];
  await goesOn(members, four, LEAST_MS);
  // Not counted off the pictures alone: they are on the screen.
  for (const { name, page } of members) for (const one of four) if (page && one.name !== name) await page.moves(one.name);
  const asked = await Promise.all([cleo, fay].map((page) => page.run(requests)));

  await gwen.must("POST", `/calls/${call.id}/invite`, { invite: [eve.id] });
  await eve.must("POST", `/calls/${call.id}/answer`);
  const received = await joinInChromium(chromium, eve, call);
  await goesOn(members, [...four, eve], SOME_MS);
  const got = await received();
  assert.ok(got.frames > 0 && got.samples > 0, `Eve sees and hears: ${JSON.stringify(got)}`);

  await eve.must("POST", `/calls/${call.id}/leave`);
  for (const page of [cleo, fay]) await page.sees("figure", "Eve", { gone: true });
  await goesOn(members, four, SOME_MS);

  assert.deepEqual(await Promise.all([cleo, fay].map((page) => page.run(requests))), asked, "nobody has negotiated again");
  for (const page of [cleo, fay]) assert.equal(await page.run(() => window.__pcs.length), 1, `${page.name}: one peer connection, as from the start`);
  for (const person of [aio, gwen]) assert.deepEqual(person.events.filter((e) => e.type === "media.lost"), []);
  await Promise.all([byAiortc.leave(), byGstreamer.leave()]);
  await Promise.all([cleo.close(), fay.close()]);
});
