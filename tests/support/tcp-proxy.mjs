// Stands between a page and the workers, as a network does that can go away: while it is cut nothing passes, nothing is
// closed, and nobody is told. What was on its way arrives when it is mended.
import { connect, createServer } from "node:net";
import { once } from "node:events";

export class TcpProxy {
  /** Listens at the port, on 127.0.0.1 and ::1, and passes everything on to the target port. */
  static async start({ port, target }) {
    const proxy = new TcpProxy();
    proxy.isCut = false;
    proxy.sockets = new Set();
    proxy.waiting = [];
    proxy.servers = ["127.0.0.1", "::1"].map((host) => createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => proxy.take(socket, target)).listen(port, host));
    await Promise.all(proxy.servers.map((server) => once(server, "listening")));
    return proxy;
  }

  take(socket, target) {
    this.keep(socket);
    this.whenWhole(() => {
      const other = this.keep(connect({ port: target, host: "127.0.0.1", allowHalfOpen: true }));
      for (const [from, to] of [[socket, other], [other, socket]]) {
        from.on("data", (data) => to.write(data));
        from.on("end", () => this.whenWhole(() => to.end()));
        from.on("close", () => this.whenWhole(() => to.destroy()));
      }
      socket.resume();
    });
  }

  keep(socket) {
    this.sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.sockets.delete(socket));
    return socket;
  }

  whenWhole(act) {
    if (this.isCut) this.waiting.push(act);
    else act();
  }

  cut() {
    this.isCut = true;
    for (const socket of this.sockets) socket.pause();
  }

  mend() {
    this.isCut = false;
    for (const act of this.waiting.splice(0)) act();
    for (const socket of this.sockets) socket.resume();
  }

  stop() {
    for (const server of this.servers) server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
