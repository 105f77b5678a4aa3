// Stands between clients and the mediads (media.advertise = its address): drops what it is told to and shows
// every datagram to a tap. One upstream socket per client address, as a NAT would have.
import { createSocket } from "node:dgram";

export class UdpProxy {
  /** ports: where it listens, on 127.0.0.1; targets[i]: the mediad's port behind ports[i]. */
  static async start({ ports, targets, drop = () => false, tap = () => {} }) {
    const proxy = new UdpProxy();
    proxy.sockets = [];
    proxy.clients = new Map();
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
        let up = proxy.clients.get(key);
        if (!up) {
          up = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
          up.on("message", (back) => {
            proxy.tap("down", key, back);
            if (proxy.drop("down", key, back)) return void proxy.counts.dropped++;
            proxy.counts.down++;
            listener.send(back, from.port, from.address);
          });
          up.on("error", () => {});
          up.once("listening", () => proxy.seenFrom.set(key, up.address().port));
          proxy.clients.set(key, up);
          proxy.sockets.push(up);
        }
        proxy.tap("up", key, data);
        if (proxy.drop("up", key, data)) return void proxy.counts.dropped++;
        proxy.counts.up++;
        up.send(data, targets[i], "127.0.0.1");
      });
      proxy.sockets.push(listener);
    }
    return proxy;
  }

  stop() {
    for (const s of this.sockets) s.close();
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
