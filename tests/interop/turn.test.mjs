// Chromium that may only go through a TURN server (Debian's coturn, with the settings that parleyctl makes): over UDP,
// TCP and TLS, with the credentials that the API gives.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn, spawnSync, execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { Server, ROOT, eventually } from "../support/server.mjs";
import { activeCall } from "../support/call.mjs";
import { launchChromium } from "../support/browser.mjs";

const parleyctl = path.join(ROOT, process.env.BUILD ?? "build", "parleyctl");
let server, browser, turn, ports, options, turnLog;

async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

before(async () => {
  ports = { plain: await freePort(), tls: await freePort() };
  const urls = [`turn:127.0.0.1:${ports.plain}`, `turn:127.0.0.1:${ports.plain}?transport=tcp`, `turns:127.0.0.1:${ports.tls}?transport=tcp`];
  // Between coturn and the mediads go the same packets as without it: that is where the proxy looks at them.
  server = await Server.start({ workers: 1, mediads: 2, checked: true, opts: [`turn.urls=${urls.join(",")}`, "turn.secret=a-long-word-for-this-test"] });
  // What the unit does: settings from parleyctl, the server from Debian.
  const conf = path.join(server.dir, "var/parley.conf");
  options = [`turn.urls=${urls.join(",")}`, "turn.secret=a-long-word-for-this-test"].flatMap((o) => ["-o", o]);
  const config = execFileSync(parleyctl, ["--config", conf, ...options, "turn-config"], { encoding: "utf8" });
  const file = path.join(server.dir, "turnserver.conf");
  writeFileSync(file, config);
  turn = spawn("/usr/bin/turnserver", ["-c", file, "--pidfile", path.join(server.dir, "turn.pid"), "--userdb", path.join(server.dir, "turndb")]);
  turnLog = "";
  for (const stream of [turn.stdout, turn.stderr]) stream.on("data", (d) => (turnLog += d));
  await eventually(
    `coturn listens; it says ${turnLog}`,
    () => execFileSync("ss", ["-Htln", `sport = :${ports.tls}`], { encoding: "utf8" }).trim() !== "",
    60_000,
  );
  browser = await launchChromium(["--ignore-certificate-errors"]);
});
after(async () => {
  await browser?.close();
  turn?.kill();
  await server?.stop();
});

async function join(person, call, scheme) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${server.base}/api/v1/openapi.json`);
  const { items } = (await person.must("GET", "/ice-servers")).json;
  const wanted = { udp: /^turn:[^?]*$/, tcp: /^turn:.*transport=tcp$/, tls: /^turns:/ }[scheme];
  const iceServers = items.map((item) => ({ urls: item.urls.filter((u) => wanted.test(u)), username: item.username, credential: item.credential }));
  assert.equal(iceServers[0].urls.length, 1);
  await page.evaluate(
    async ({ token, url, iceServers }) => {
      const pc = (globalThis.pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" }));
      globalThis.troubles = [];
      pc.onicecandidateerror = (e) => globalThis.troubles.push(`${e.url} ${e.errorCode} ${e.errorText}`);
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180 } });
      for (const track of stream.getTracks()) pc.addTrack(track, stream);
      await pc.setLocalDescription(await pc.createOffer());
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/sdp" };
      const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
      if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
      await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    },
    { token: person.token, url: `/api/v1/calls/${call.id}/media`, iceServers },
  );
  return {
    context,
    state: () =>
      page.evaluate(async () => {
        const out = { state: globalThis.pc.connectionState, frames: 0, troubles: globalThis.troubles };
        const stats = await globalThis.pc.getStats();
        for (const s of stats.values()) {
          if (s.type === "inbound-rtp" && s.kind === "video") out.frames = s.framesDecoded ?? 0;
          if (s.type === "candidate-pair" && s.nominated && s.state === "succeeded") {
            const local = stats.get(s.localCandidateId);
            out.local = `${local.candidateType} ${local.relayProtocol}`;
          }
        }
        return out;
      }),
  };
}

for (const scheme of ["udp", "tcp", "tls"]) {
  test(`two who may only relay see each other through coturn over ${scheme.toUpperCase()}`, { timeout: 120_000 }, async () => {
    const { ana, bela, call } = await activeCall(server);
    const peers = [await join(ana, call, scheme), await join(bela, call, scheme)];
    for (const peer of peers) {
      await eventually(
        "frames are decoded",
        async () => {
          const state = await peer.state();
          if (!(state.frames > 10)) throw new Error(`${JSON.stringify(state)} ${turnLog.slice(-1500)}`);
          return true;
        },
        60_000,
        200,
      );
      // The server tells from where it sees a check come. That is the proxy, so Chromium calls its relay peer reflexive;
      // only what goes through a relay has a protocol towards one, whatever it is called.
      assert.match((await peer.state()).local, new RegExp(`^(relay|prflx) ${scheme}$`));
    }
    await ana.must("POST", `/calls/${call.id}/leave`);
    for (const peer of peers) await peer.context.close();
  });
}

test("doctor sees that all three answer", () => {
  const conf = path.join(server.dir, "var/parley.conf");
  const { stdout } = spawnSync(parleyctl, ["--config", conf, ...options, "doctor"], { encoding: "utf8" });
  assert.equal((stdout.match(/^ok +turn +turns?:\S+ answers$/gm) ?? []).length, 3, stdout);
});

test("the relay leads to Parley's media addresses and nowhere else, and only with credentials of the API", { timeout: 60_000 }, async () => {
  const { ana } = await activeCall(server);
  const [{ username, credential }] = (await ana.must("GET", "/ice-servers")).json.items;
  // coturn's own client, which asks for a relay to that peer.
  const attempt = (peer, password) => {
    const args = ["8", "/usr/bin/turnutils_uclient", "-u", username, "-w", password, "-p", String(ports.plain), "-e", peer, "-n", "3", "-m", "1", "-c", "127.0.0.1"];
    const { stdout, stderr } = spawnSync("timeout", args, { encoding: "utf8" });
    return stdout + stderr;
  };
  assert.match(attempt("192.0.2.99", credential), /error 403 \(Forbidden/);
  assert.match(attempt("127.0.0.1", "not the password"), /error 401|Unauthorized|Cannot complete Allocation/i);
  assert.ok(!/a-long-word-for-this-test/.test(turnLog), "the secret is not in the log");
});
