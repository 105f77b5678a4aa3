// Starts the program that looks at a server's media from beside (tests/net/witness.c), in a network of a test's own
// (tests/support/own-network.mjs): elsewhere it would see everybody's packets, and change everybody's interfaces.
import { execFileSync } from "node:child_process";
import { Checker } from "./checker.mjs";

export class Witness extends Checker {
  /** port: the server's first for media; ports: how many in a row. Interfaces that come later are not seen rightly. */
  static start({ port, ports = 1 }) {
    if (!process.env.PARLEY_TEST_OWN_NETWORK) throw new Error("a witness needs a network of its own");
    // What the server sends in one go is taken apart before the interface, not behind it.
    for (const { ifname } of JSON.parse(execFileSync("ip", ["-j", "link"], { encoding: "utf8" })))
      execFileSync("ip", ["link", "set", "dev", ifname, "gso_max_segs", "1"]);
    const all = Array.from({ length: ports }, (_, i) => port + i);
    return new Witness().launch("witness", ["--port", String(port), "--ports", String(ports)], all);
  }

  /** How many packets came too fast for it. */
  async missed() {
    return (await this.askObject("missed 0")).packets;
  }
}
