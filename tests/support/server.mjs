// A Parley of its own for tests: own folder, ports and database, started by the same script as `make run`.
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, chmodSync, createWriteStream, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createSocket } from "node:dgram";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Impair } from "../net/impair.mjs";
import { Witness } from "../net/witness.mjs";
import { giveCluster } from "./cluster.mjs";

export const ROOT = path.resolve(import.meta.dirname, "../..");

function tcpPortIsFree(port, address = "127.0.0.1") {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, address, () => probe.close(() => resolve(true)));
  });
}

function udpPortIsFree(port) {
  return new Promise((resolve) => {
    const probe = createSocket("udp4");
    probe.once("error", () => resolve(false));
    probe.bind(port, "0.0.0.0", () => probe.close(() => resolve(true)));
  });
}

// tests/run runs several files at once: "1/2" is the second of two, which takes every second group of ports.
const [lane, lanes] = (process.env.PARLEY_TEST_LANE ?? "0/1").split("/").map(Number);

/** Three ports that nobody has: HTTPS, admin, and the first of `count` ports in a row for media, by UDP and TCP. */
export async function freePorts(count = 4) {
  for (let tries = 0; tries < 100; tries++) {
    const group = Math.floor((Math.random() * 1100) / lanes) * lanes + lane;
    const base = 20000 + group * 8;
    const ports = [tcpPortIsFree(base), tcpPortIsFree(base + 1)];
    for (let i = 0; i < count; i++) ports.push(udpPortIsFree(base + 2 + i), tcpPortIsFree(base + 2 + i, "0.0.0.0"));
    if ((await Promise.all(ports)).every(Boolean)) return { https: base, admin: base + 1, media: base + 2 };
  }
  throw new Error("no free ports found");
}

function get(url) {
  return new Promise((resolve, reject) => {
    const req = http.get(url, { timeout: 2000 }, (res) => {
      let body = "";
      res.setEncoding("utf8");
      res.on("data", (chunk) => (body += chunk));
      res.on("end", () => resolve({ status: res.statusCode, body }));
    });
    req.on("timeout", () => req.destroy(new Error("timeout")));
    req.on("error", reject);
  });
}

export class Server {
  /** options: { workers, mediads, opts: ["media.placement=spread", …], ports, checked }
   *
   * checked: media by UDP go through the proxy of tests/net (server.impair, from port server.outside on), which sees
   * every packet: stop() throws when an SRTP key has encrypted two packets under one index. "beside": in a network of
   * the test's own (own-network.mjs) they go their way, by UDP and TCP, and a witness sees them. */
  static async start(options = {}) {
    const server = new Server();
    const mediads = options.mediads ?? 2;
    const ports = await freePorts(Math.max(4, 2 * mediads));
    // Media ports may be dictated, for a proxy between client and server.
    server.ports = { ...ports, ...options.ports };
    server.dir = mkdtempSync(path.join(os.tmpdir(), "parley-test-"));
    chmodSync(server.dir, 0o755);
    server.logFile = path.join(server.dir, "log");
    server.base = `https://localhost:${server.ports.https}`;
    server.adminBase = `http://127.0.0.1:${server.ports.admin}`;
    const proxied = options.checked === true;
    server.outside = server.ports.media + (proxied ? mediads : 0);
    const opts = [
      `server.workers=${options.workers ?? 2}`,
      `media.processes=${mediads}`,
      "media.placement=spread",
      "limits.signups_per_hour=0",
      "limits.requests_per_second=0",
      ...(proxied ? [`media.advertise=127.0.0.1:${server.outside}`] : []),
      ...(options.opts ?? []),
    ];
    const env = {
      ...process.env,
      PARLEY_VAR: path.join(server.dir, "var"),
      PARLEY_PORT: String(server.ports.https),
      PARLEY_MEDIA_PORT: String(server.ports.media),
      PARLEY_ADMIN_PORT: String(server.ports.admin),
      PARLEY_OPTS: opts.map((o) => `-o ${o}`).join(" "),
      PARLEY_BUILD: process.env.BUILD ?? "build",
      PARLEY_NO_BUILD: "1", // tests/run has built everything
      PARLEY_PG_OPTS: "-c fsync=off",
    };
    giveCluster(env.PARLEY_VAR);
    const log = createWriteStream(server.logFile);
    // A test that is killed takes its server with it.
    const command = ["--pdeathsig", "TERM", path.join(ROOT, "scripts/run")];
    server.child = spawn("setpriv", command, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    server.child.stdout.pipe(log, { end: false });
    server.child.stderr.pipe(log, { end: false });
    server.exited = new Promise((resolve) => server.child.once("exit", (code, signal) => resolve({ code, signal })));
    let gone = false;
    server.exited.then(() => (gone = true));
    const deadline = Date.now() + 120_000;
    for (;;) {
      if (gone) throw new Error(`the server ended while starting:\n${server.log()}`);
      if (Date.now() > deadline) throw new Error(`the server was not ready after 120 s:\n${server.log()}`);
      try {
        if ((await get(`${server.adminBase}/readyz`)).status === 200) break;
      } catch {
        // not listening yet
      }
      await sleep(100);
    }
    if (proxied) await server.impairStart(mediads);
    else if (options.checked === "beside") server.witness = await Witness.start({ port: server.ports.media, ports: mediads });
    return server;
  }

  async impairStart(ports) {
    const [listen, target] = [this.outside, this.ports.media].map((port) => `127.0.0.1:${port}`);
    this.impair = await Impair.start({ listen, server: target, ports, stats: path.join(this.dir, "network.jsonl") });
  }

  log() {
    return readFileSync(this.logFile, "utf8");
  }

  async stop() {
    if (process.env.PARLEY_TEST_VERBOSE) console.error(this.log());
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), 60_000);
    const result = await this.exited;
    clearTimeout(late);
    try {
      await this.checkerStop();
    } finally {
      if (!process.env.PARLEY_TEST_KEEP) rmSync(this.dir, { recursive: true, force: true });
    }
    return result;
  }

  async checkerStop() {
    const checker = this.impair ?? this.witness;
    if (!checker) return;
    const checked = await checker.checked();
    const missed = await this.witness?.missed();
    console.log(`# SRTP seen from outside: ${JSON.stringify({ ...checked, missed })}`);
    await checker.stop();
    if (checked.down.full > 0) throw new Error("there was no memory to check all packets");
    if (this.witness && checked.down.checked === 0) throw new Error("the witness has seen nothing");
  }

  /** { "parley_x{worker=\"0\"}": 3, … } */
  async metrics() {
    const { body } = await get(`${this.adminBase}/metrics`);
    const out = {};
    for (const line of body.split("\n")) {
      const at = line.lastIndexOf(" ");
      if (line && !line.startsWith("#") && at > 0) out[line.slice(0, at)] = Number(line.slice(at + 1));
    }
    return out;
  }

  /** Sum over all label values of one metric. */
  async metric(name) {
    const all = await this.metrics();
    let sum = 0;
    let seen = false;
    for (const [key, value] of Object.entries(all)) {
      if (key === name || key.startsWith(`${name}{`)) {
        sum += value;
        seen = true;
      }
    }
    if (!seen) throw new Error(`there is no metric ${name}`);
    return sum;
  }

  admin(path_) {
    return get(this.adminBase + path_);
  }

  /** Any request to the admin listener: { status, headers, json }. body: an object, or text as it is. */
  adminRequest(method, target, body, headers = {}) {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const all = { ...(text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }), ...headers };
    return new Promise((resolve, reject) => {
      const req = http.request(this.adminBase + target, { method, headers: all, agent: false, timeout: 15_000 }, (res) => {
        let out = "";
        res.setEncoding("utf8");
        res.on("data", (chunk) => (out += chunk));
        res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, text: out, json: out && /json/.test(res.headers["content-type"] ?? "") ? JSON.parse(out) : undefined }));
      });
      req.on("timeout", () => req.destroy(new Error(`${method} ${target}: no answer in 15 s`)));
      req.on("error", reject);
      req.end(text);
    });
  }

  /** [{ pid, ppid, role: "master" | "worker" | "mediad", index }] of this instance only. */
  processes() {
    const lines = execFileSync("ps", ["-eo", "pid=,ppid=,stat=,args="], { encoding: "utf8" }).split("\n");
    const all = lines
      .map((line) => /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line))
      .filter((m) => m && !m[3].startsWith("Z"))
      .map((m) => ({ pid: Number(m[1]), ppid: Number(m[2]), args: m[4] }));
    const masters = all.filter((p) => /(^|\/)parleyd /.test(p.args) && p.args.includes(`${this.dir}/`));
    const found = masters.map((p) => ({ ...p, role: "master", index: 0 }));
    for (const master of masters) {
      for (const p of all.filter((c) => c.ppid === master.pid)) {
        const m = /(^|\/)parley-(worker|mediad) (\d+)/.exec(p.args);
        if (m) found.push({ ...p, role: m[2], index: Number(m[3]) });
      }
    }
    return found;
  }

  pid(role, index = 0) {
    const p = this.processes().find((x) => x.role === role && x.index === index);
    if (!p) throw new Error(`no ${role} ${index} is running`);
    return p.pid;
  }

  /** What psql answers, row by row, columns parted by '|'. */
  sql(text) {
    const env = { ...process.env, PARLEY_VAR: path.join(this.dir, "var") };
    const args = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text];
    return execFileSync(path.join(ROOT, "scripts/pg"), args, { cwd: ROOT, env, encoding: "utf8" }).trim();
  }

  kill(role, index = 0, signal = "SIGKILL") {
    process.kill(this.pid(role, index), signal);
  }
}

/** Calls fn until it gives a truthy value (or does not throw), at most ms milliseconds. */
export async function eventually(what, fn, ms = 30_000, step = 50) {
  const deadline = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const value = await fn();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`not within ${ms} ms: ${what}${last ? ` (${last.message})` : ""}`, { cause: last });
    }
    await sleep(step);
  }
}

export { sleep };
