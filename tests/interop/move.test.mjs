// The way of one person changes in mid-call: a cable is pulled and another one is there, with another address. The call
// goes on by itself, whichever way the client finds: checks over what it has left, or an ICE restart.
import { impossible, Machine } from "../support/own-network.mjs";
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { Server, eventually, sleep } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { becomeContacts } from "../support/person.mjs";
import { UdpProxy } from "../support/udp-proxy.mjs";

// Two networks lead to the server's one address. Either both are there from the beginning, as a phone has Wi-Fi and
// mobile data, or the second one comes up when the first one breaks: Chromium looks for new interfaces every 2 s.
const PORTS = { https: 20000, admin: 20001, media: 20002 };
const FOUR = { server: "10.77.0.1/32", url: "10.77.0.1", first: ["10.77.1.1/24", "10.77.1.2/24"], second: ["10.77.2.1/24", "10.77.2.2/24"], family: "-4" };
const SIX = { server: "fd77::1/128", url: "[fd77::1]", first: ["fd77:0:0:1::1/64", "fd77:0:0:1::2/64"], second: ["fd77:0:0:2::1/64", "fd77:0:0:2::2/64"], family: "-6" };
const PLANS = {
  "IPv4, both are up": { ...FOUR, both: true },
  "IPv4, the other comes up then": { ...FOUR, both: false },
  "IPv6, both are up": { ...SIX, both: true },
};
const MOST_MS = 15_000; // the machine may be busy; what it took is printed

let server, laptop, home, away;

async function start(plan) {
  execFileSync("ip", ["addr", "replace", plan.server, "dev", "lo"]);
  laptop = Machine.create();
  laptop.plug("wire", ...plan.first);
  laptop.plug("wifi", ...plan.second);
  if (!plan.both) laptop.run("ip", "link", "set", "wifi", "down");
  routeVia(plan, plan.first);
  const address = plan.server.split("/")[0];
  server = await Server.start({
    workers: 1,
    mediads: 2,
    ports: PORTS,
    opts: [`server.listen=127.0.0.1:${PORTS.https},${plan.url}:${PORTS.https}`, `server.origins=https://${plan.url}:${PORTS.https}`, `media.listen=${address}`],
  });
  home = await launchChromium();
  away = await launchChromium([], laptop.program("/usr/bin/chromium"));
}

function routeVia(plan, [gateway]) {
  laptop.run("ip", plan.family, "route", "replace", "default", "via", gateway.split("/")[0]);
}

async function stop() {
  await home?.close();
  await away?.close();
  await server?.stop();
  laptop?.stop();
}

/** For the page: from now on, when each packet of sound and each frame came. */
function watch() {
  globalThis.__came = { sound: [], picture: [] };
  const last = { audio: 0, video: 0 };
  const look = async () => {
    for (const pc of window.__pcs.filter((p) => p.signalingState !== "closed")) {
      for (const s of (await pc.getStats()).values()) {
        if (s.type !== "inbound-rtp") continue;
        const n = s.kind === "audio" ? s.packetsReceived : s.framesDecoded;
        const key = `${s.kind} ${s.ssrc}`;
        if (n > (last[key] ?? 0)) globalThis.__came[s.kind === "audio" ? "sound" : "picture"].push(performance.now());
        last[key] = n;
      }
    }
    setTimeout(look, 50);
  };
  void look();
}

/** For the page: what came until now does not count. */
function forget() {
  for (const times of Object.values(globalThis.__came)) times.length = 0;
}

/** For the page: the longest silence so far, in ms, and how long ago the last sign of life was. */
function silences() {
  const now = performance.now();
  const out = {};
  for (const [what, times] of Object.entries(globalThis.__came)) {
    out[what] = Math.round(Math.max(0, ...times.slice(1).map((t, i) => t - times[i])));
    out[`${what}_ago`] = Math.round(now - (times.at(-1) ?? 0));
    out[`${what}_n`] = times.length;
  }
  return out;
}

/** `missed`: it has been away. What who moved sends may arrive all the while: an IPv6 socket keeps its address. */
const soundIsBack = (person, missed = true) =>
  eventually(
    `${person.name} sees and hears again`,
    async () => {
      const s = await person.run(silences);
      if ((missed && s.sound < 200) || s.sound_ago > 1000 || s.picture_ago > 2000) throw new Error(JSON.stringify(s));
      return true;
    },
    60_000,
  );

function selected() {
  const pc = window.__pcs.filter((p) => p.connectionState === "connected").at(-1);
  return pc?.getStats().then((stats) => {
    const transport = [...stats.values()].find((s) => s.type === "transport");
    const pair = stats.get(transport?.selectedCandidatePairId);
    return pair && { local: stats.get(pair.localCandidateId).address, remote: stats.get(pair.remoteCandidateId).address };
  });
}

/** For the page: the name under which the server's side of ICE is known to it. */
function remoteName() {
  return /^a=ice-ufrag:(\S+)/m.exec(window.__pcs.at(-1).currentRemoteDescription.sdp)[1];
}

for (const [family, plan] of Object.entries(PLANS)) {
  test(`a cable is pulled and another network is there: the call goes on (${family})`, { timeout: 400_000, skip: impossible }, async () => {
    try {
      await start(plan);
      const ana = await BrowserPerson.create(away, `https://${plan.url}:${PORTS.https}`, "Ana");
      const bela = await BrowserPerson.create(home, server.base, "Bela");
      ana.expects(/ERR_|WebSocket/); // what was under way when the cable was pulled
      await becomeContacts(ana, bela);
      await ana.press("button", "Video call Bela");
      await bela.answer();
      await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
      const peers = await Promise.all([ana, bela].map((p) => p.run(() => window.__pcs.length)));
      for (const person of [ana, bela]) await person.run(watch);
      await sleep(2000);

      // Of two that are there the browser has chosen one, and may have thought again in its first seconds.
      const before_ = await ana.run(selected);
      assert.equal(before_.remote, plan.server.split("/")[0]);
      const wire = plan.first[1].startsWith(`${before_.local}/`);
      assert.ok(wire || (plan.both && plan.second[1].startsWith(`${before_.local}/`)), before_.local);
      const [lost, found, [gateway]] = wire ? ["wire", "wifi", plan.second] : ["wifi", "wire", plan.first];
      laptop.run(
        "sh",
        "-c",
        // The addresses go, too, as who manages a laptop's networks does it.
        `ip link set ${found} up; ip link set ${lost} down; ip addr flush dev ${lost}; ip ${plan.family} route replace default via ${gateway.split("/")[0]}`,
      );

      await soundIsBack(ana);
      await soundIsBack(bela, false);
      await Promise.all([ana.moves("Bela"), bela.moves("Ana")]);
      const gaps = await Promise.all([ana, bela].map((p) => p.run(silences)));
      console.log(`# ${family}: Ana (who moved) missed sound for ${gaps[0].sound} ms and pictures for ${gaps[0].picture} ms, Bela ${gaps[1].sound} and ${gaps[1].picture}`);
      const after_ = await ana.run(selected);
      assert.notEqual(after_.local, before_.local, "another address");
      const now = await Promise.all([ana, bela].map((p) => p.run(() => window.__pcs.length)));
      assert.deepEqual(now, peers, "the same transports");
      if (plan.both) assert.match(await ana.run(remoteName), /^.{12}[0-9a-z]{3}$/, "ICE began anew without a request");
      for (const gap of gaps) assert.ok(Math.max(gap.sound, gap.picture) < MOST_MS, JSON.stringify(gap));
      await ana.close();
      await bela.close();
    } finally {
      await stop();
    }
  });
}

test("a router forgets who is who: the client does not notice, the call goes on from another address", { timeout: 400_000, skip: impossible }, async () => {
  const outside = 20_100;
  const local = await Server.start({ workers: 1, mediads: 2, ports: PORTS, opts: [`media.advertise=127.0.0.1:${outside}`] });
  const router = await UdpProxy.start({ ports: [outside, outside + 1], targets: [PORTS.media, PORTS.media + 1] });
  const browsers = [await launchChromium(), await launchChromium()];
  try {
    const ana = await BrowserPerson.create(browsers[0], local.base, "Ana");
    const bela = await BrowserPerson.create(browsers[1], local.base, "Bela");
    await becomeContacts(ana, bela);
    await ana.press("button", "Video call Bela");
    await bela.answer();
    await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
    const people = [ana, bela];
    for (const person of people) await person.run(watch);
    // Now and then a check of the browser's own, one each 2.5 s, is the first to show the new way.
    const began = new Set();
    for (let i = 1; began.size < people.length; i++) {
      assert.ok(i <= 8, `ICE begins anew without a request: only for ${[...began]}`);
      for (const person of people) await person.run(forget);
      await sleep(2000);
      router.rebind();
      for (const person of people) await soundIsBack(person);
      await Promise.all([ana.moves("Bela"), bela.moves("Ana")]);
      const gaps = await Promise.all(people.map((p) => p.run(silences)));
      console.log(`# rebound: Ana missed sound for ${gaps[0].sound} ms and pictures for ${gaps[0].picture} ms, Bela ${gaps[1].sound} and ${gaps[1].picture}`);
      for (const person of people) if (/^.{12}[0-9a-z]{3}$/.test(await person.run(remoteName))) began.add(person.name);
    }
    for (const person of people) {
      assert.equal(await person.run(() => window.__pcs.length), 1, "the same transport");
      await person.close();
    }
  } finally {
    for (const browser of browsers) await browser.close();
    router.stop();
    await local.stop();
  }
});
