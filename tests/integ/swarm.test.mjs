// Hundreds of WebSockets by `parley-load swarm` against the real programs: where they are, what they hear, how they come back.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { ROOT, Server } from "../support/server.mjs";
import { crowd } from "../support/database.mjs";

const PROGRAM = path.join(ROOT, process.env.BUILD ?? "build", "parley-load");
const WEBSOCKETS = 300;
const ACCOUNTS = 30;
const MESSAGES = 4;

let server, tokens, figures;

before(async () => {
  server = await Server.start({ workers: 2 });
  tokens = path.join(server.dir, "tokens");
  const people = await crowd(server, ACCOUNTS, "Swarm");
  writeFileSync(tokens, people.map(({ token }) => `${token}\n`).join(""));
});

after(() => server?.stop());

/** Runs it to its end: { code, out, err }. */
function swarm(...args) {
  const child = spawn("setpriv", ["--pdeathsig", "TERM", PROGRAM, "swarm", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}

/** Within 15 % of the mean. */
function evenly(what, { workers, skew }) {
  assert.equal(workers.length, 2);
  assert.equal(workers[0] + workers[1], WEBSOCKETS, `${what}: all are at a worker: ${workers}`);
  assert.ok(skew <= 0.15, `${what}: ${workers}`);
}

test("all are connected, and each worker has its share", async (t) => {
  const { code, out, err } = await swarm(
    ...["-n", String(WEBSOCKETS), "--accounts", String(ACCOUNTS), "-t", "2", "--messages", String(MESSAGES), "--join-rate", "300"],
    ...["--cut", "--reload", String(server.pid("master")), "--tokens", tokens, "--admin", `127.0.0.1:${server.ports.admin}`],
    ...["--json", "--insecure", server.base],
  );
  assert.equal(code, 0, err + out);
  figures = JSON.parse(out);
  t.diagnostic(`PSS ${figures.pss_kib_each} KiB each; a message ${figures.presence.cpu_us_each} us (presence), ${figures.chat.cpu_us_each} us (chat)`);
  t.diagnostic(`all back after ${figures.cut.seconds} s when cut, ${figures.reload.seconds} s when reloaded`);
  assert.equal(figures.connected, WEBSOCKETS);
  evenly("at first", figures);
});

test("what is said to all is heard by everybody, once", () => {
  // The one who says it has a page in thirty, and is no contact of their own.
  const others = (WEBSOCKETS / ACCOUNTS) * (ACCOUNTS - 1);
  for (const [kind, listeners] of [["presence", others], ["chat", WEBSOCKETS]]) {
    const { messages, expected, heard, twice } = figures[kind];
    assert.deepEqual({ messages, expected, heard, twice }, { messages: MESSAGES, expected: listeners * MESSAGES, heard: listeners * MESSAGES, twice: 0 });
  }
  assert.equal(figures.cut_for_not_reading, 0);
});

test("when all connections break at once, all come back, evenly, with the TLS session they had", () => {
  assert.equal(figures.cut.back, WEBSOCKETS);
  assert.ok(figures.cut.attempts >= WEBSOCKETS);
  // Whichever worker had it: they share the keys of the tickets.
  assert.equal(figures.cut.resumed, figures.cut.opened);
  evenly("after the cut", figures.cut);
});

test("when the server is reloaded, all go to the new workers", () => {
  assert.equal(figures.reload.back, WEBSOCKETS);
  assert.equal(figures.reload.resumed, figures.reload.opened);
  // How evenly depends on how far apart the new workers are ready: who comes before the second is stays with the first.
  assert.equal(figures.reload.workers.reduce((a, b) => a + b, 0), WEBSOCKETS);
});

test("nobody is left at a worker when it is over, and the log tells of nothing wrong", async () => {
  assert.equal(await server.metric("parley_worker_events_dropped_total"), 0);
  assert.deepEqual(server.log().split("\n").filter((line) => /^<[0-4]>/.test(line)), []);
});

test("accounts that it made are gone when it ends", async () => {
  const users = () => Number(server.sql("select count(*) from users where deleted_at is null"));
  const before = users();
  const { code, out, err } = await swarm("-n", "6", "--accounts", "3", "-t", "1", "--messages", "2", "--json", "--insecure", server.base);
  assert.equal(code, 0, err + out);
  const { connected, presence, chat, workers, pss_kib_each: pss } = JSON.parse(out);
  assert.deepEqual([connected, presence.heard, chat.heard], [6, 8, 12]);
  assert.deepEqual([workers, pss], [[], null], "what nobody told is not known");
  assert.equal(users(), before);
});

test("what makes no run is said and is no success", async () => {
  assert.equal((await swarm()).code, 2);
  assert.equal((await swarm("--kind", "shouting", server.base)).code, 2);
  assert.equal((await swarm("-n", "0", server.base)).code, 2);
  const { code, err } = await swarm("-n", "2", server.base);
  assert.equal(code, 1);
  assert.match(err, /certificate|SSL/i, "a certificate that nobody vouches for");
});
