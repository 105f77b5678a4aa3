// parley-load against the real programs: a call of a hundred people who show nine of each other.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { ROOT, Server } from "../support/server.mjs";
import { crowd } from "../support/database.mjs";

const PROGRAM = path.join(ROOT, process.env.BUILD ?? "build", "parley-load");
const PEOPLE = 100;
// Small pictures, few of them: what is looked at is who gets which, not how much.
const CAMERA = ["--fps", "5", "--bitrate", "200000", "--tile-height", "180"];

let server, tokens;

before(async () => {
  server = await Server.start({ opts: ["limits.logins_per_minute=0"] });
  tokens = path.join(server.dir, "tokens");
  const people = await crowd(server, PEOPLE, "Load");
  writeFileSync(tokens, people.map(({ token }) => `${token}\n`).join(""));
});

after(() => server?.stop());

/** Runs it to its end: { code, out, err }. */
function load(...args) {
  const child = spawn("setpriv", ["--pdeathsig", "TERM", PROGRAM, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}

/** Of a run that everybody got through: its figures, and how many datagrams the kernel threw away meanwhile. */
async function figures(...args) {
  const lost = dropped();
  const { code, out, err } = await load(...args, "--json", "--insecure", "--tokens", tokens, "--admin", `127.0.0.1:${server.ports.admin}`, server.base);
  assert.equal(code, 0, err + out);
  return { ...JSON.parse(out), dropped: dropped() - lost };
}

/** Datagrams for which a socket had no room, on this whole machine. */
function dropped() {
  const [names, values] = readFileSync("/proc/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Udp:"))
    .map((line) => line.split(" "));
  return ["RcvbufErrors", "SndbufErrors"].reduce((sum, name) => sum + Number(values[names.indexOf(name)]), 0);
}

/** What is the same in every run that went well. */
function check(f, people) {
  assert.equal(f.connected, people);
  assert.equal(f.failed, 0);
  // One offer and one answer each, whoever came and whoever spoke after that.
  assert.deepEqual(f.sdp_exchanges, { total: people, min: 1, max: 1 });
  assert.equal(f.websockets_lost + f.transports_lost, 0);
  assert.ok(f.received.video > 0 && f.received.audio > 0, "pictures and sound came");
  assert.equal(f.received.foreign, 0, "packets of somebody else than the event seats told");
  // A packet that the server did not get is missing at each of its receivers.
  // Nobody on this machine doubles packets: one that SRTP has seen before is an index that a key was used with twice.
  // (With tens of thousands of packets a second it is the receivers who look, and no proxy.)
  assert.equal(f.received.replayed, 0, "an SRTP key has encrypted two packets under one index");
  assert.ok(f.received.gaps <= f.dropped * people, `${f.received.gaps} packets are missing, ${f.dropped} were dropped by the kernel`);
}

/** Bytes of the events that a join sends to each of the others; not of those that tell of something else. */
function costOfJoin({ each_other: { events } }) {
  const { quality: _, speaker: __, layers: ___, ...news } = events;
  return Object.values(news).reduce((sum, { bytes }) => sum + bytes, 0);
}

let large;

test("a hundred people with nine tiles: one SDP exchange each, and all see each new speaker", async (t) => {
  const f = await figures("room", "-n", String(PEOPLE), "-t", "16", "--turn", "3000", "--tiles", "9", "--probes", "2", ...CAMERA);
  const ms = ({ p50, p95, max }) => `${p50} ms, 95 % ${p95} ms, at most ${max} ms`;
  t.diagnostic(`new speaker visible: ${ms(f.speaker_ms)}; forwarding delay: ${ms(f.delay_ms)}; join: ${ms(f.join_ms)}`);
  t.diagnostic(`${f.received.packets_per_second} packets/s, ${f.received.gaps} missing, ${f.received.repaired} repaired; CPU s: ${JSON.stringify(f.cpu_seconds)}`);
  check(f, PEOPLE);
  assert.ok(f.speakers.turns >= 2, `${f.speakers.turns} turns`);
  // Whoever speaks comes from outside the nine.
  assert.ok(f.speakers.tiles_to_change > PEOPLE, `${f.speakers.tiles_to_change} tiles to change`);
  assert.equal(f.speakers.tiles_missed, 0, "tiles that did not show the new speaker");
  assert.equal(f.speaker_ms.count, f.speakers.tiles_to_change);
  large = f;
});

test("what a join costs the others, and its SDP, is the same in a call of fifteen and of a hundred", async (t) => {
  const small = await figures("room", "-n", "15", "-t", "2", "--turn", "1000", "--tiles", "9", "--probes", "2", ...CAMERA);
  check(small, 15);
  for (const [i, one] of small.joins.entries()) {
    const other = large.joins[i];
    t.diagnostic(
      `with ${one.people_before} and ${other.people_before} others: each other ${costOfJoin(one)} and ${costOfJoin(other)} bytes,` +
        ` joiner by HTTP ${one.joiner.http_received} and ${other.joiner.http_received}, by WebSocket ${one.joiner.ws_received} and ${other.joiner.ws_received}`,
    );
    // Numbers and names in it differ by a few digits.
    assert.ok(Math.abs(one.offer_bytes - other.offer_bytes) < 32, `offers of ${one.offer_bytes} and ${other.offer_bytes} bytes`);
    assert.ok(Math.abs(one.answer_bytes - other.answer_bytes) < 256, `answers of ${one.answer_bytes} and ${other.answer_bytes} bytes`);
    for (const { each_other: { events } } of [one, other]) {
      assert.equal(events["member.joined"].count, 1);
      assert.ok(events["member.joined"].bytes < 500, "one member, not all");
      assert.equal(events["call.updated"], undefined, "nobody is sent the whole call again");
    }
    assert.ok(costOfJoin(other) < 1.5 * costOfJoin(one) + 64, `${costOfJoin(one)} bytes each with ${one.people_before} others, ${costOfJoin(other)} with ${other.people_before}`);
  }
});

test("the server's log tells of nothing wrong", () => {
  assert.deepEqual(server.log().split("\n").filter((line) => /^<[0-4]>/.test(line)), []);
});

test("accounts that it made are gone when it ends", async () => {
  const users = () => Number(server.sql("select count(*) from users where deleted_at is null"));
  const before = users();
  const f = JSON.parse((await load("many-calls", "-n", "4", "-t", "2", "--json", "--insecure", ...CAMERA, server.base)).out);
  check({ ...f, dropped: 1 }, 4);
  assert.equal(users(), before);
});

test("what makes no run is said and is no success", async () => {
  assert.equal((await load("party", server.base)).code, 2);
  assert.equal((await load("room", "-n", "1", server.base)).code, 2);
  const { code, err } = await load("room", "-n", "2", "-t", "1", server.base);
  assert.equal(code, 1);
  assert.match(err, /certificate/i, "a certificate that nobody vouches for");
});
