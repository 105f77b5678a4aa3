// Stands between clients and the mediads (media.advertise = its address): drops what it is told to, makes the way to a
// client narrow, and shows every datagram to a tap. One upstream socket per client address, as a NAT would have.
import { createSocket } from "node:dgram";

export class UdpProxy {
  /** ports: where it listens, on 127.0.0.1; targets[i]: the mediad's port behind ports[i]. */
  static async start({ ports, targets, drop = () => false, tap = () => {} }) {
    const proxy = new UdpProxy();
    proxy.sockets = [];
    proxy.clients = new Map();
    proxy.narrow = new Map();
    // From which port the mediads see a client; nothing for one of whom nothing was passed on.
    proxy.seenFrom = new Map();
    proxy.drop = drop;
    proxy.tap = tap;
    proxy.counts = { up: 0, down: 0, dropped: 0 };
    for (let i = 0; i < ports.length; i++) {
      const listener = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
      await new Promise((resolve, reject) => {
        listener.once("error", reject);
        listener.bind(ports[i], "127.0.0.1", resolve);
      });
      listener.on("message", (data, from) => {
        const key = `${i} ${from.address}:${from.port}`;
        const up = proxy.clients.get(key) ?? proxy.open(key, listener, from);
        proxy.tap("up", key, data);
        if (proxy.drop("up", key, data)) return void proxy.counts.dropped++;
        proxy.counts.up++;
        up.send(data, targets[i], "127.0.0.1");
      });
      proxy.sockets.push(listener);
    }
    return proxy;
  }

  open(key, listener, from) {
    const up = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
    up.on("message", (back) => {
      if (this.clients.get(key) !== up) return; // to an address that is nobody's any more
      this.tap("down", key, back);
      if (this.drop("down", key, back)) return void this.counts.dropped++;
      const send = () => listener.send(back, from.port, from.address);
      const way = this.narrow.get(key);
      if (way && !way.take(back.length, send)) return void this.counts.dropped++;
      this.counts.down++;
      if (!way) send();
    });
    up.on("error", () => {});
    up.once("listening", () => this.seenFrom.set(key, up.address().port));
    this.clients.set(key, up);
    this.sockets.push(up);
    return up;
  }

  /** Forgets who is who, as a router does that starts anew: the server sees everybody come from another address. */
  rebind() {
    this.clients.clear();
    this.seenFrom.clear();
  }

  /** The flow of a page's media. */
  async flowOf(person) {
    const port = await person.run(async () => {
      const pc = window.__pcs.filter((p) => p.connectionState === "connected").at(-1);
      const stats = await pc.getStats();
      const transport = [...stats.values()].find((s) => s.type === "transport");
      return stats.get(stats.get(transport.selectedCandidatePairId).localCandidateId).port;
    });
    // The page says from which port the server sees it come: the proxy's.
    return [...this.seenFrom].find(([, from]) => from === port)?.[0];
  }

  /** From now on so many bits per second get to that client, behind a queue; Infinity: as fast as they come. */
  limit(flow, bps, queueMs = 300) {
    const way = this.narrow.get(flow) ?? new Narrow();
    Object.assign(way, { bps, queueMs });
    this.narrow.set(flow, way);
  }

  stop() {
    for (const way of this.narrow.values()) clearTimeout(way.timer);
    for (const s of this.sockets) s.close();
  }
}

/** A bottleneck with a queue in front, which drops what comes when it is full. */
class Narrow {
  constructor() {
    this.freeAt = 0;
    this.waiting = [];
  }

  take(bytes, send) {
    const now = performance.now();
    const from = Math.max(this.freeAt, now);
    if (from - now > this.queueMs) return false;
    this.freeAt = from + (bytes * 8e3) / this.bps;
    this.waiting.push({ at: this.freeAt, send });
    if (this.waiting.length === 1) this.wait();
    return true;
  }

  wait() {
    this.timer = setTimeout(() => {
      while (this.waiting.length > 0 && this.waiting[0].at <= performance.now()) this.waiting.shift().send();
      if (this.waiting.length > 0) this.wait();
    }, this.waiting[0].at - performance.now());
  }
}

/** Watches SRTP and SRTCP from the server: no (SSRC, index) may be seen twice with different bytes. */
export class IndexChecker {
  constructor() {
    this.flows = new Map();
    this.packets = 0;
    this.rtx = 0;
    this.reused = [];
  }

  /** flow: one client's transport (one key). data: ciphertext. */
  see(flow, data) {
    if (data.length < 12 || data[0] < 128 || data[0] > 191) return;
    const type = data[1];
    if (type >= 192 && type <= 223) return void this.seeRtcp(flow, data);
    const ssrc = data.readUInt32BE(8);
    const seq = data.readUInt16BE(2);
    const state = this.state(flow, `rtp ${ssrc}`);
    // RFC 3711, 3.3.1: the index nearest to the highest seen.
    let index = state.highest === undefined ? 65536 + seq : nearest(state.highest, seq);
    if (state.highest === undefined || index > state.highest) state.highest = index;
    this.note(flow, `rtp ${ssrc}`, state, index, data);
  }

  seeRtcp(flow, data) {
    // AEAD (RFC 7714): E flag and index are the last word; AES-CM: before the 10-byte tag. The server's answer
    // decides; both readings are told apart by the E bit and a small index.
    const ssrc = data.readUInt32BE(4);
    const word = data.readUInt32BE(data.length - 4);
    const other = data.length >= 14 ? data.readUInt32BE(data.length - 14) : 0;
    const pick = word >>> 31 && (word & 0x7fffffff) < 1 << 20 ? word : other;
    this.note(flow, `rtcp ${ssrc}`, this.state(flow, `rtcp ${ssrc}`), pick & 0x7fffffff, data);
  }

  state(flow, stream) {
    const key = `${flow} ${stream}`;
    if (!this.flows.has(key)) this.flows.set(key, { seen: new Map() });
    return this.flows.get(key);
  }

  note(flow, stream, state, index, data) {
    this.packets++;
    const before = state.seen.get(index);
    if (before === undefined) state.seen.set(index, Buffer.from(data));
    else if (!before.equals(data)) this.reused.push(`${flow} ${stream} index ${index}`);
  }
}

function nearest(highest, seq) {
  const roc = Math.floor(highest / 65536);
  let best;
  for (const r of [roc - 1, roc, roc + 1]) {
    const index = r * 65536 + seq;
    if (r >= 0 && (best === undefined || Math.abs(index - highest) < Math.abs(best - highest))) best = index;
  }
  return best;
}
