// Parley behind the bad network, through its public API.
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, Server, freePorts } from "../../support/server.mjs";
import { activeCall } from "../../support/call.mjs";

const MEDIADS = 2;

const portOf = (sdp) => Number(/a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)/i.exec(sdp)[1]);

export class Parley {
  static async start() {
    const system = new Parley();
    system.name = "parley";
    system.address = "127.0.0.1";
    system.ports = MEDIADS;
    system.outside = (await freePorts(MEDIADS)).media;
    system.server = await Server.start({ workers: 1, mediads: MEDIADS, opts: [`media.advertise=127.0.0.1:${system.outside}`] });
    system.inside = system.server.ports.media;
    system.estimates = [];
    return system;
  }

  async version() {
    const [, version] = /VERSION "([^"]+)"/.exec(readFileSync(path.join(ROOT, "lib/version.h"), "utf8")) ?? [];
    return `Parley ${version ?? ""}`.trim();
  }

  async offer(person, sdp) {
    const answer = await person.must("POST", `/calls/${this.call.id}/media`, sdp, { type: "application/sdp" });
    return answer.text;
  }

  async publish(page, bitrate) {
    Object.assign(this, await activeCall(this.server));
    this.ana.ws.on("message", (data) => {
      const event = JSON.parse(data);
      if (event.type !== "layers") return;
      const active = Object.fromEntries(event.layers.map((l) => [l.rid, l.active]));
      // The page may be closed by now.
      page.evaluate((a) => setLayers(a), active).catch(() => {});
    });
    this.bela.ws.on("message", (data) => {
      const event = JSON.parse(data);
      if (event.type === "quality") this.estimates.push({ at: Date.now(), bps: event.quality.estimate_in, mediad: event.quality.mediad });
    });
    const answer = await this.offer(this.ana, await page.evaluate((b) => publish(b), bitrate));
    this.sender = portOf(answer);
    await page.evaluate((sdp) => accept(sdp), answer);
  }

  /** begin(port): just before the receiver knows where to send. */
  async receive(page, begin) {
    const answer = await this.offer(this.bela, await page.evaluate(() => offerToReceive()));
    this.bela.ws.send(JSON.stringify({ type: "view", call_id: this.call.id, view: [{ member: this.ana.id, kind: "camera", height: 360 }] }));
    if (portOf(answer) === this.sender) throw new Error("sender and receiver share a port: the network would not be the receiver's alone");
    const began = await begin(portOf(answer));
    await page.evaluate((sdp) => accept(sdp), answer);
    return began;
  }

  pids() {
    return this.server.processes().map((p) => p.pid);
  }

  async stop() {
    this.ana?.disconnect();
    this.bela?.disconnect();
    await this.server.stop();
  }
}
