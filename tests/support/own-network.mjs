// Networks of a test's own. A test file that imports this runs in a network namespace in which nobody else is: any
// address and any port is free, and no cable that is pulled belongs to anybody. `Machine` is a second machine there.
import { spawn, spawnSync, execFileSync } from "node:child_process";
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

// An interface's own IPv6 address (link-local) can be used at once, too. The kernel would look for a second owner first, and
// a browser takes the end of that search, a second later, for a change of network: it aborts what it is loading.
const AT_ONCE = "for of in all default; do echo 0 >/proc/sys/net/ipv6/conf/$of/accept_dad; done";

/** Says why there can be none (false: there is one). As root on Linux there can. */
export let impossible = false;

// The file runs once more in there; what it writes, and how it ends, is ours.
if (!process.env.PARLEY_TEST_OWN_NETWORK) {
  const probe = spawnSync("unshare", ["--net", "ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"], { encoding: "utf8" });
  if (probe.status === 0) {
    const command = ["--pdeathsig", "KILL", "unshare", "--net", process.execPath, ...process.execArgv, ...process.argv.slice(1)];
    const inside = spawnSync("setpriv", command, { stdio: "inherit", env: { ...process.env, PARLEY_TEST_OWN_NETWORK: "1" } });
    process.exit(inside.status ?? 1);
  }
  impossible = `no network namespace to be had here: ${probe.error?.message ?? probe.stderr.trim()}`;
} else {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  execFileSync("sh", ["-c", AT_ONCE]);
}

const here = (...command) => execFileSync(command[0], command.slice(1), { encoding: "utf8" });

// An IPv6 address can be used at once.
const noProbe = (address) => (address.includes(":") ? ["nodad"] : []);

/** Waits until an interface has all its addresses, its own IPv6 one too: from then on nothing changes by itself. */
function settled(run, name) {
  for (let i = 0; i < 500; i++) {
    const own = run("ip", "-6", "addr", "show", "dev", name, "scope", "link");
    if (own.includes("inet6") && !run("ip", "addr", "show", "dev", name).includes("tentative")) return;
    spawnSync("sleep", ["0.02"]);
  }
  throw new Error(`${name} got no address of its own: ${run("ip", "addr", "show", "dev", name)}`);
}

/** A machine beside ours, with cables to it. */
export class Machine {
  static create() {
    const machine = new Machine();
    machine.cables = [];
    // It lives as long as this process and no longer.
    machine.child = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"], { stdio: "ignore" });
    machine.net = `/proc/${machine.child.pid}/ns/net`;
    machine.dir = mkdtempSync(path.join(os.tmpdir(), "parley-machine-"));
    // unshare becomes sleep when it has made the namespace.
    for (let i = 0; readFileSync(`/proc/${machine.child.pid}/comm`, "utf8").trim() !== "sleep"; i++) {
      if (i > 500) throw new Error("no second network namespace");
      spawnSync("sleep", ["0.02"]);
    }
    machine.run("ip", "link", "set", "lo", "up");
    machine.run("sh", "-c", AT_ONCE);
    // A cable that is pulled and put in again leads to the same addresses, with IPv6 as with IPv4.
    machine.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down");
    return machine;
  }

  /** Runs a command there and gives what it wrote. */
  run(...command) {
    return here("nsenter", `--net=${this.net}`, ...command);
  }

  /** The path of a program that runs `program` there. */
  program(program) {
    const file = path.join(this.dir, path.basename(program));
    writeFileSync(file, `#!/bin/sh\nexec nsenter --net=${this.net} ${program} "$@"\n`, { mode: 0o755 });
    return file;
  }

  /** A cable: `ours` and `theirs` are addresses with their prefix length; the interface is called `name` on both ends. */
  plug(name, ours, theirs) {
    const far = `${name}x`;
    this.cables.push(name);
    here("ip", "link", "add", name, "type", "veth", "peer", "name", far);
    here("ip", "link", "set", far, "netns", String(this.child.pid));
    this.run("ip", "link", "set", far, "name", name);
    here("ip", "addr", "add", ours, "dev", name, ...noProbe(ours));
    here("ip", "link", "set", name, "up");
    this.run("ip", "addr", "add", theirs, "dev", name, ...noProbe(theirs));
    this.run("ip", "link", "set", name, "up");
    for (const run of [here, this.run.bind(this)]) settled(run, name);
  }

  /** Nothing of UDP leaves over that cable any more, as behind a firewall that knows only the web. */
  blockUdp(name) {
    const tc = (...args) => this.run("tc", ...args);
    tc("qdisc", "add", "dev", name, "root", "handle", "1:", "htb", "default", "10");
    tc("class", "add", "dev", name, "parent", "1:", "classid", "1:10", "htb", "rate", "10gbit", "quantum", "60000");
    tc("class", "add", "dev", name, "parent", "1:", "classid", "1:20", "htb", "rate", "1mbit");
    // A queue for a single byte: whatever comes is too much for it.
    tc("qdisc", "add", "dev", name, "parent", "1:20", "bfifo", "limit", "1");
    tc("filter", "add", "dev", name, "parent", "1:", "protocol", "ip", "prio", "1", "u32", "match", "ip", "protocol", "17", "0xff", "flowid", "1:20");
    tc("filter", "add", "dev", name, "parent", "1:", "protocol", "ipv6", "prio", "2", "u32", "match", "ip6", "protocol", "17", "0xff", "flowid", "1:20");
  }

  stop() {
    for (const name of this.cables) here("ip", "link", "del", name);
    this.child.kill("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}
