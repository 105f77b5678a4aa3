// Stands between clients and the mediads (media.advertise = its address) and drops what it is told to, by client. One
// upstream socket per client address, as a NAT would have. For a bad network see tests/net/impair.mjs.
import { createSocket } from "node:dgram";

export class UdpProxy {
  /** ports: where it listens, on 127.0.0.1; targets[i]: the mediad's port behind ports[i]. */
  static async start({ ports, targets, drop = () => false }) {
    const proxy = new UdpProxy();
    proxy.sockets = [];
    proxy.clients = new Map();
    // From which port the mediads see a client; nothing for one of whom nothing was passed on.
    proxy.seenFrom = new Map();
    proxy.drop = drop;
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
      if (this.drop("down", key, back)) return void this.counts.dropped++;
      this.counts.down++;
      listener.send(back, from.port, from.address);
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

  stop() {
    for (const s of this.sockets) s.close();
  }
}
