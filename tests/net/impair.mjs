// Starts the UDP proxy (tests/net/impair.c) and talks to it. `make net` builds it. Whoever stops it hears of an SRTP
// index that was used twice while it ran.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PROGRAM = path.resolve(ROOT, process.env.BUILD ?? "build", "tests/impair");

export const scenarioFile = (name) => path.join(ROOT, "tests/net/scenarios", `${name}.txt`);

export class Impair {
  /** listen, server: "127.0.0.1:PORT", the first of `ports` in a row; stats: a file for its lines. */
  static async start({ listen, server, ports = 1, seed = 1, stats }) {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there: make net`);
    const im = new Impair();
    im.stats = stats;
    im.ports = Array.from({ length: ports }, (_, i) => Number(/:(\d+)$/.exec(listen)[1]) + i);
    im.waiting = [];
    im.said = "";
    im.complaints = "";
    const args = ["--listen", listen, "--server", server, "--ports", String(ports), "--seed", String(seed), ...(stats ? ["--stats", stats] : [])];
    im.child = spawn(PROGRAM, args, { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"] });
    im.pid = im.child.pid;
    im.exited = new Promise((resolve) => im.child.once("close", resolve));
    im.exited.then((code) => {
      for (const { reject } of im.waiting) reject(new Error(`impair: exit ${code}: ${im.complaints}`));
      im.waiting = [];
    });
    im.child.stdin.on("error", () => {}); // told by the exit
    im.child.stderr.on("data", (d) => (im.complaints += d));
    im.child.stdout.on("data", (d) => im.hear(d));
    await im.answer();
    return im;
  }

  hear(data) {
    this.said += data;
    for (let end; (end = this.said.indexOf("\n")) >= 0; this.said = this.said.slice(end + 1)) {
      const line = this.said.slice(0, end);
      const { resolve, reject } = this.waiting.shift();
      if (line.startsWith("error")) reject(new Error(`impair: ${line}`));
      else resolve(line);
    }
  }

  answer() {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  async tell(line) {
    const answer = this.answer();
    this.child.stdin.write(`${line}\n`);
    return Number((await answer).split(" ")[1]);
  }

  /** Resolves with when it began, as Date.now(). seconds: 0 for the scenario's own length. */
  play(port, file, seconds = 0) {
    return this.tell(`play ${port} ${seconds} ${file}`);
  }

  /** direction: up, down, both; settings: "rate=500 queue=300". */
  set(port, direction, settings) {
    return this.tell(`set ${port} ${direction} ${settings}`);
  }

  clear(port) {
    return this.tell(`clear ${port}`);
  }

  /** What was checked so far, on all ports: { up, down }, each { checked, reused, unread, full }, in packets. */
  async checked() {
    const out = {};
    for (const port of this.ports) {
      const answer = this.answer();
      this.child.stdin.write(`checked ${port}\n`);
      const line = await answer;
      for (const [direction, counts] of Object.entries(JSON.parse(line.slice(line.indexOf("{")))))
        for (const [name, count] of Object.entries(counts)) (out[direction] ??= {})[name] = (out[direction][name] ?? 0) + count;
    }
    return out;
  }

  /** What was written to `stats` so far. */
  lines() {
    const text = readFileSync(this.stats, "utf8");
    return text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  /** Throws when an index was used twice. */
  async stop() {
    this.child.stdin.end();
    const code = await this.exited;
    if (code === 3) throw new Error(`an SRTP key has encrypted two packets under one index:\n${this.complaints}`);
    if (code !== 0) throw new Error(`impair: exit ${code}: ${this.complaints}`);
  }
}
