// Janus of Debian's packages (VideoRoom) behind the bad network: a process of its own with settings of its own, at the
// address that ./run has made for it (it takes none of the loopback interface). Its ICE is lite, as Parley's is. It learns no candidates of the browsers, and they learn the network's ports
// instead of its own, so that nothing goes around the network.
import { spawn, execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync, readFileSync, openSync, closeSync } from "node:fs";
import path from "node:path";
import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import { eventually, freePorts } from "../../support/server.mjs";

const PORTS = 6;
const ADDRESS = process.env.PARLEY_BENCH_ADDRESS;

const withoutCandidates = (sdp) => sdp.replace(/^a=(candidate:.*|end-of-candidates)\r?\n/gm, "");

function settings(folder, ws, media) {
  const libraries = execFileSync("dpkg", ["-L", "janus"], { encoding: "utf8" }).match(/^.*\/janus(?=\/plugins$)/m)[0];
  const others = (kind, keep) =>
    execFileSync("ls", [`${libraries}/${kind}`], { encoding: "utf8" })
      .split("\n")
      .filter((name) => name.endsWith(".so") && name !== keep)
      .join(",");
  writeFileSync(
    path.join(folder, "janus.jcfg"),
    `general: {
  configs_folder = "${folder}"
  plugins_folder = "${libraries}/plugins"
  transports_folder = "${libraries}/transports"
  events_folder = "${folder}/none"
  loggers_folder = "${folder}/none"
  debug_level = 3
}
media: { rtp_port_range = "${media}-${media + PORTS - 1}" }
nat: { ice_lite = true  ice_enforce_list = "${ADDRESS}" }
plugins: { disable = "${others("plugins", "libjanus_videoroom.so")}" }
transports: { disable = "${others("transports", "libjanus_websockets.so")}" }
`,
  );
  writeFileSync(path.join(folder, "janus.transport.websockets.jcfg"), `general: { ws = true  ws_port = ${ws}  ws_ip = "127.0.0.1"  wss = false }\n`);
  writeFileSync(path.join(folder, "janus.plugin.videoroom.jcfg"), "general: { }\n");
}

export class Janus {
  static async start(folder) {
    if (!ADDRESS) throw new Error("Janus needs the network of tests/bench/quality/run");
    const system = new Janus();
    system.address = ADDRESS;
    system.name = "janus";
    system.ports = PORTS;
    system.estimates = [];
    system.folder = path.resolve(folder, "janus");
    rmSync(system.folder, { recursive: true, force: true });
    mkdirSync(system.folder, { recursive: true });
    const { https, media } = await freePorts(PORTS);
    system.inside = media;
    do system.outside = (await freePorts(PORTS)).media;
    while (Math.abs(system.outside - media) < 16);
    settings(system.folder, https, media);
    const log = openSync(path.join(system.folder, "log"), "w");
    system.child = spawn("setpriv", ["--pdeathsig", "TERM", "janus", "-F", system.folder, "-o"], { stdio: ["ignore", log, log] });
    closeSync(log);
    system.exited = new Promise((resolve) => system.child.once("exit", resolve));
    system.waiting = new Map();
    await eventually("Janus listens", () => system.connect(`ws://127.0.0.1:${https}`), 30_000, 200);
    system.session = (await system.ask({ janus: "create" })).data.id;
    system.alive = setInterval(() => void system.ask({ janus: "keepalive", session_id: system.session }).catch(() => {}), 20_000);
    return system;
  }

  async version() {
    return `Janus ${execFileSync("dpkg-query", ["-W", "-f", "${Version}", "janus"], { encoding: "utf8" })}`;
  }

  connect(url) {
    return new Promise((resolve, reject) => {
      const ws = new WebSocket(url, "janus-protocol");
      ws.once("error", reject);
      ws.once("open", () => {
        this.ws = ws;
        ws.on("message", (data) => this.hear(JSON.parse(data)));
        ws.on("error", () => {});
        resolve(true);
      });
    });
  }

  hear(message) {
    const wait = this.waiting.get(message.transaction);
    // "ack": the answer proper follows as an event.
    if (!wait || (message.janus === "ack" && !wait.keepalive)) return;
    this.waiting.delete(message.transaction);
    clearTimeout(wait.late);
    const error = message.error ?? message.plugindata?.data?.error;
    if (error) wait.reject(new Error(`Janus: ${JSON.stringify(error)}`));
    else wait.resolve(message);
  }

  ask(message) {
    const transaction = randomBytes(8).toString("hex");
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Janus does not answer ${JSON.stringify(message.body ?? message.janus)}:\n${this.log()}`)), 20_000);
      this.waiting.set(transaction, { resolve, reject, late, keepalive: message.janus === "keepalive" });
      this.ws.send(JSON.stringify({ ...message, transaction }));
    });
  }

  log() {
    return readFileSync(path.join(this.folder, "log"), "utf8").slice(-3000);
  }

  async handle() {
    const { data } = await this.ask({ janus: "attach", session_id: this.session, plugin: "janus.plugin.videoroom" });
    return (body, jsep) => this.ask({ janus: "message", session_id: this.session, handle_id: data.id, body, ...(jsep ? { jsep } : {}) });
  }

  /** Its candidates on the other side of the network. */
  throughNetwork(sdp) {
    const ports = [];
    const out = sdp.replace(/^(a=candidate:\S+ \d+ udp \d+) (\S+) (\d+)/gim, (_, head, _address, port) => {
      ports.push(Number(port) - this.inside + this.outside);
      return `${head} 127.0.0.1 ${ports.at(-1)}`;
    });
    if (!ports.length || ports.some((p) => p < this.outside || p >= this.outside + PORTS)) throw new Error(`Janus: candidates not as expected:\n${sdp}`);
    return { sdp: out, port: ports[0] };
  }

  async publish(page, bitrate) {
    const send = await this.handle();
    await send({ request: "create", room: 1, publishers: 2, bitrate: 0, audiocodec: "opus", videocodec: "vp8", opus_fec: true, notify_joining: false });
    const { plugindata } = await send({ request: "join", ptype: "publisher", room: 1 });
    this.feed = plugindata.data.id;
    const offer = await page.evaluate((b) => publish(b), bitrate);
    // Lowest layer first, as it is offered.
    const { jsep } = await send({ request: "publish" }, { type: "offer", sdp: withoutCandidates(offer), rid_order: "lmh" });
    await page.evaluate((sdp) => accept(sdp), this.throughNetwork(jsep.sdp).sdp);
  }

  async receive(page, begin) {
    const send = await this.handle();
    const { jsep } = await send({ request: "join", ptype: "subscriber", room: 1, streams: [{ feed: this.feed }] });
    const { sdp, port } = this.throughNetwork(jsep.sdp);
    const began = await begin(port);
    const answer = await page.evaluate((s) => answerToReceive(s), sdp);
    await send({ request: "start" }, { type: "answer", sdp: withoutCandidates(answer) });
    return began;
  }

  pids() {
    return [this.child.pid];
  }

  async stop() {
    clearInterval(this.alive);
    for (const { late } of this.waiting.values()) clearTimeout(late);
    this.ws?.terminate();
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
    await this.exited;
    clearTimeout(late);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
