// Media over TCP: Chromium on a machine that lets no UDP out sees and hears one that uses UDP, and the other way round.
import { impossible, Machine } from "../support/own-network.mjs";
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import net from "node:net";
import path from "node:path";
import { Server, ROOT, eventually } from "../support/server.mjs";
import { activeCall } from "../support/call.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { becomeContacts } from "../support/person.mjs";

const HOME = "10.77.0.1";
let server, browser, office;
before(async () => {
  const opts = [];
  let ports;
  if (!impossible) {
    office = Machine.create();
    office.plug("up0", `${HOME}/24`, "10.77.0.2/24");
    office.run("ip", "route", "add", "default", "via", HOME);
    ports = { https: 20000, admin: 20001, media: 20002 };
    opts.push(`server.listen=127.0.0.1:${ports.https},${HOME}:${ports.https}`, `server.origins=https://${HOME}:${ports.https}`);
  }
  server = await Server.start({ workers: 1, mediads: 2, opts, ports, checked: impossible ? false : "beside" });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  office?.stop();
});

/** For the page: over what its media go. */
function protocol() {
  const pc = (globalThis.__pcs ?? [globalThis.pc]).filter((p) => p.connectionState === "connected").at(-1);
  return pc?.getStats().then((stats) => {
    const transport = [...stats.values()].find((s) => s.type === "transport");
    const pair = stats.get(transport?.selectedCandidatePairId);
    return pair && stats.get(pair.localCandidateId).protocol;
  });
}

/** A page of our own that offers sound and picture and keeps only some candidates of the answer. */
async function join(person, call, kept) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${server.base}/api/v1/openapi.json`);
  const answer = await page.evaluate(
    async ({ token, url, kept }) => {
      const pc = (globalThis.pc = new RTCPeerConnection());
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180 } });
      for (const track of stream.getTracks()) pc.addTrack(track, stream);
      await pc.setLocalDescription(await pc.createOffer());
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/sdp" };
      const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
      if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
      const whole = await response.text();
      const lines = whole.split("\r\n").filter((line) => !line.startsWith("a=candidate:") || line.includes(` ${kept} `));
      await pc.setRemoteDescription({ type: "answer", sdp: lines.join("\r\n") });
      return whole;
    },
    { token: person.token, url: `/api/v1/calls/${call.id}/media`, kept },
  );
  return {
    context,
    answer,
    protocol: () => page.evaluate(protocol),
    received: () =>
      page.evaluate(async () => {
        const out = { frames: 0, sounds: 0, bytes: 0, lost: 0 };
        for (const s of (await globalThis.pc.getStats()).values()) {
          if (s.type !== "inbound-rtp") continue;
          out.lost += s.packetsLost;
          out.bytes += s.bytesReceived;
          if (s.kind === "video") out.frames = s.framesDecoded ?? 0;
          else out.sounds = s.packetsReceived;
        }
        return out;
      }),
  };
}

test("Chromium that knows only the TCP candidates sees and hears one that knows only those of UDP, and back", { timeout: 200_000 }, async () => {
  const { ana, bela, call } = await activeCall(server);
  const peers = [await join(ana, call, "tcp"), await join(bela, call, "udp")];
  const candidates = peers[0].answer.split("\r\n").filter((line) => line.startsWith("a=candidate:"));
  const ways = candidates.map((line) => line.split(" ")[2]);
  assert.deepEqual(ways, [...ways].sort().reverse(), "UDP first");
  for (const line of candidates.filter((l) => l.includes(" tcp "))) assert.match(line, / typ host tcptype passive$/);
  const priorities = candidates.map((line) => Number(line.split(" ")[3]));
  assert.deepEqual(priorities, [...new Set(priorities)].sort((a, b) => b - a), "each lower than the one before");
  for (const peer of peers)
    await eventually(
      "it sees and hears",
      async () => {
        const got = await peer.received();
        if (!(got.frames > 60 && got.sounds > 100)) throw new Error(JSON.stringify(got));
        return true;
      },
      90_000,
      200,
    );
  assert.deepEqual(await Promise.all(peers.map((p) => p.protocol())), ["tcp", "udp"]);
  console.log(`# ${JSON.stringify(await Promise.all(peers.map((p) => p.received())))}`);
  const m = await server.metrics();
  const sum = (name) => Object.entries(m).reduce((n, [key, value]) => n + (key.startsWith(`parley_mediad_${name}_total{`) ? value : 0), 0);
  assert.ok(sum("tcp_accepted") - sum("tcp_closed") >= 1, "the connection is counted");
  await ana.must("POST", `/calls/${call.id}/leave`);
  await eventually("its connections end with the transport", async () => (await server.metric("parley_mediad_tcp_accepted_total")) === (await server.metric("parley_mediad_tcp_closed_total")));
  for (const peer of peers) await peer.context.close();
});

test("the page works from a network that lets no UDP out", { timeout: 400_000, skip: impossible }, async () => {
  office.blockUdp("up0");
  const away = await launchChromium([], office.program("/usr/bin/chromium"));
  try {
    const ana = await BrowserPerson.create(away, `https://${HOME}:${server.ports.https}`, "Ana");
    const bela = await BrowserPerson.create(browser, server.base, "Bela");
    await becomeContacts(ana, bela);
    await ana.press("button", "Video call Bela");
    await bela.answer();
    await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
    assert.equal(await ana.run(protocol), "tcp");
    assert.equal(await bela.run(protocol), "udp");
    await Promise.all([ana.moves("Bela"), bela.moves("Ana")]);
    await ana.close();
    await bela.close();
  } finally {
    await away.close();
  }
});

test("strangers on the media port are sent away, and doctor knows the ports", { timeout: 60_000 }, async () => {
  const strangers = await server.metric("parley_mediad_tcp_strangers_total");
  const socket = net.connect(server.ports.media, "127.0.0.1");
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {});
  socket.resume();
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await ended;
  await eventually("it is counted", async () => (await server.metric("parley_mediad_tcp_strangers_total")) > strangers);
  const conf = path.join(server.dir, "var/parley.conf");
  const doctor = spawnSync(path.join(ROOT, process.env.BUILD ?? "build", "parleyctl"), ["--config", conf, "doctor"], { encoding: "utf8" });
  assert.match(doctor.stdout, /^ok +media +UDP and TCP \d+-\d+ must be reachable; TCP answers on \d+ addresses$/m);
});
