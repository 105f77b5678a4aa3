// The servers that are compared, each started when it is first needed and kept until the end: one that nobody calls costs
// nothing, and starting it anew for each run would.
import { writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { crowd } from "../../support/database.mjs";
import { memoryOf } from "../../support/memory.mjs";
import { Server, eventually, freePorts } from "../../support/server.mjs";
import { JanusProcess } from "../janus.mjs";

const PEOPLE = 210; // most that a scenario needs
const JANUS_PORTS = { first: 40000, last: 49999 }; // nobody else is in this network

class Parley {
  static async start({ folder, mediads, placement }) {
    const system = new Parley();
    const opts = ["limits.logins_per_minute=0", "limits.call_members=0", `media.placement=${placement}`];
    system.server = await Server.start({ workers: 1, mediads, opts });
    try {
      const people = await crowd(system.server, PEOPLE, "Bench");
      system.tokens = path.join(folder, `tokens-${placement}`);
      writeFileSync(system.tokens, people.map(({ token }) => `${token}\n`).join(""));
    } catch (error) {
      await system.server.stop();
      throw error;
    }
    return system;
  }

  loadArguments() {
    return ["--insecure", "--tokens", this.tokens, "--admin", `127.0.0.1:${this.server.ports.admin}`, ...this.pids().flatMap((pid) => ["--pid", String(pid)]), this.server.base];
  }

  pids() {
    return this.server.processes().map(({ pid }) => pid);
  }

  /** KiB that the media processes have for themselves, the largest of them. */
  memory() {
    const mediads = this.server.processes().filter(({ role }) => role === "mediad");
    return Math.max(...mediads.map(({ pid }) => memoryOf(pid).anon));
  }

  /** What only rises: packets that the media processes sent, and messages to the kernel that they went in. */
  async counters() {
    const [packets, messages] = await Promise.all(["parley_mediad_packets_forwarded_total", "parley_mediad_send_messages_total"].map((name) => this.server.metric(name)));
    return { packets, messages };
  }

  stop() {
    return this.server.stop();
  }
}

class Janus {
  static async start({ folder, name, eventLoops }) {
    const address = process.env.PARLEY_BENCH_ADDRESS;
    if (!address) throw new Error("Janus needs the network of tests/bench/forward/run");
    const system = new Janus();
    const { https: port } = await freePorts(1);
    system.url = `http://127.0.0.1:${port}`;
    system.process = new JanusProcess({ folder: path.join(folder, name), address, transport: "http", port, ports: JANUS_PORTS, eventLoops });
    try {
      await eventually("Janus listens", () => answers(`${system.url}/janus/info`), 30_000, 200);
    } catch (error) {
      const log = system.process.log();
      await system.process.stop();
      throw new Error(`${error.message}\n${log}`, { cause: error });
    }
    return system;
  }

  loadArguments() {
    return ["--janus", "--pid", String(this.process.pid), this.url];
  }

  pids() {
    return [this.process.pid];
  }

  memory() {
    return memoryOf(this.process.pid).anon;
  }

  async counters() {
    return null;
  }

  stop() {
    return this.process.stop();
  }
}

const answers = (url) =>
  new Promise((resolve) => {
    const req = http.get(url, { timeout: 2000, agent: false }, (res) => {
      res.resume();
      resolve(res.statusCode === 200);
    });
    req.on("timeout", () => req.destroy());
    req.on("error", () => resolve(false));
  });

/** By name: { title, start(folder) }. */
export const systems = (cores) => ({
  parley: { title: "Parley", start: (folder) => Parley.start({ folder, mediads: Math.max(2, cores), placement: "pack" }) },
  "parley-spread": { title: "Parley, spread", start: (folder) => Parley.start({ folder, mediads: Math.max(2, cores), placement: "spread" }) },
  janus: { title: "Janus", start: (folder) => Janus.start({ folder, name: "janus", eventLoops: 0 }) },
  "janus-loops": { title: `Janus, event_loops = ${cores}`, start: (folder) => Janus.start({ folder, name: "janus-loops", eventLoops: cores }) },
});
