// Janus of Debian's packages (VideoRoom) behind the bad network, at the address that ./run has made for it. It learns no
// candidates of the browsers, and they learn the network's ports instead of its own, so that nothing goes around the
// network.
import { randomBytes } from "node:crypto";
import path from "node:path";
import WebSocket from "ws";
import { eventually, freePorts } from "../../support/server.mjs";
import { JanusProcess, janusVersion } from "../janus.mjs";

const PORTS = 6;
const ADDRESS = process.env.PARLEY_BENCH_ADDRESS;

const withoutCandidates = (sdp) => sdp.replace(/^a=(candidate:.*|end-of-candidates)\r?\n/gm, "");

export class Janus {
  static async start(folder) {
    if (!ADDRESS) throw new Error("Janus needs the network of tests/bench/quality/run");
    const system = new Janus();
    system.address = ADDRESS;
    system.name = "janus";
    system.ports = PORTS;
    system.estimates = [];
    const { https, media } = await freePorts(PORTS);
    system.inside = media;
    do system.outside = (await freePorts(PORTS)).media;
    while (Math.abs(system.outside - media) < 16);
    system.process = new JanusProcess({
      folder: path.join(folder, "janus"),
      address: ADDRESS,
      transport: "websockets",
      port: https,
      ports: { first: media, last: media + PORTS - 1 },
    });
    system.waiting = new Map();
    await eventually("Janus listens", () => system.connect(`ws://127.0.0.1:${https}`), 30_000, 200);
    system.session = (await system.ask({ janus: "create" })).data.id;
    system.alive = setInterval(() => void system.ask({ janus: "keepalive", session_id: system.session }).catch(() => {}), 20_000);
    return system;
  }

  async version() {
    return janusVersion();
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
      const late = setTimeout(() => reject(new Error(`Janus does not answer ${JSON.stringify(message.body ?? message.janus)}:\n${this.process.log()}`)), 20_000);
      this.waiting.set(transaction, { resolve, reject, late, keepalive: message.janus === "keepalive" });
      this.ws.send(JSON.stringify({ ...message, transaction }));
    });
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
    return [this.process.pid];
  }

  async stop() {
    clearInterval(this.alive);
    for (const { late } of this.waiting.values()) clearTimeout(late);
    this.ws?.terminate();
    await this.process.stop();
  }
}
