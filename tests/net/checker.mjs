// A program that sees all media of a server and checks them (impair.mjs, witness.mjs): how it is started and talked to.
// `make net` builds them. Whoever stops one hears of an SRTP index that was used twice while it ran.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

export class Checker {
  /** name: of the program; ports: of which it can be asked. */
  async launch(name, args, ports) {
    const program = path.resolve(ROOT, process.env.BUILD ?? "build", "tests", name);
    if (!existsSync(program)) throw new Error(`${program} is not there: make net`);
    this.name = name;
    this.ports = ports;
    this.waiting = [];
    this.said = "";
    this.complaints = "";
    this.child = spawn(program, args, { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"] });
    this.pid = this.child.pid;
    this.exited = new Promise((resolve) => this.child.once("close", resolve));
    this.exited.then((code) => {
      for (const { reject } of this.waiting) reject(new Error(`${name}: exit ${code}: ${this.complaints}`));
      this.waiting = [];
    });
    this.child.stdin.on("error", () => {}); // told by the exit
    this.child.stderr.on("data", (d) => (this.complaints += d));
    this.child.stdout.on("data", (d) => this.hear(d));
    await this.answer();
    return this;
  }

  hear(data) {
    this.said += data;
    for (let end; (end = this.said.indexOf("\n")) >= 0; this.said = this.said.slice(end + 1)) {
      const line = this.said.slice(0, end);
      const { resolve, reject } = this.waiting.shift();
      if (line.startsWith("error")) reject(new Error(`${this.name}: ${line}`));
      else resolve(line);
    }
  }

  answer() {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** What it answers to a line: "ok", the time, and more. */
  ask(line) {
    const answer = this.answer();
    this.child.stdin.write(`${line}\n`);
    return answer;
  }

  async askObject(line) {
    const answer = await this.ask(line);
    return JSON.parse(answer.slice(answer.indexOf("{")));
  }

  /** What was checked so far, on all ports: { up, down }, each { checked, reused, unread, full }, in packets. */
  async checked() {
    const out = {};
    for (const port of this.ports) {
      for (const [direction, counts] of Object.entries(await this.askObject(`checked ${port}`)))
        for (const [name, count] of Object.entries(counts)) (out[direction] ??= {})[name] = (out[direction][name] ?? 0) + count;
    }
    return out;
  }

  /** Throws when an index was used twice. */
  async stop() {
    this.child.stdin.end();
    const code = await this.exited;
    if (code === 3) throw new Error(`an SRTP key has encrypted two packets under one index:\n${this.complaints}`);
    if (code !== 0) throw new Error(`${this.name}: exit ${code}: ${this.complaints}`);
  }
}
