// Starts the UDP proxy (tests/net/impair.c) and talks to it.
import { readFileSync } from "node:fs";
import path from "node:path";
import { Checker } from "./checker.mjs";

export const scenarioFile = (name) => path.join(import.meta.dirname, "scenarios", `${name}.txt`);

export class Impair extends Checker {
  /** listen, server: "127.0.0.1:PORT", the first of `ports` in a row; stats: a file for its lines. */
  static start({ listen, server, ports = 1, seed = 1, stats }) {
    const im = new Impair();
    im.stats = stats;
    const first = Number(/:(\d+)$/.exec(listen)[1]);
    const args = ["--listen", listen, "--server", server, "--ports", String(ports), "--seed", String(seed), ...(stats ? ["--stats", stats] : [])];
    return im.launch("impair", args, Array.from({ length: ports }, (_, i) => first + i));
  }

  async tell(line) {
    return Number((await this.ask(line)).split(" ")[1]);
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

  /** What was written to `stats` so far. */
  lines() {
    const text = readFileSync(this.stats, "utf8");
    return text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }
}
