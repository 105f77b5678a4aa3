// Janus of Debian's packages for benches: a process of its own with settings of its own, the VideoRoom alone, reached by
// WebSocket or by HTTP. Its ICE is lite, as Parley's is. It takes none of the loopback interface, so whoever starts it
// gives it an address (the `run` scripts make one).
import { spawn, execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const TRANSPORTS = {
  websockets: (port) => `general: { ws = true  ws_port = ${port}  ws_ip = "127.0.0.1"  wss = false }\n`,
  http: (port) => `general: { json = "compact"  base_path = "/janus"  http = true  port = ${port}  ip = "127.0.0.1"  https = false }\nadmin: { admin_http = false }\n`,
};

/** ports: { first, last } for media; eventLoops: threads that serve all transports, 0 = a thread for each (the default). */
function settings({ folder, address, transport, port, ports, eventLoops, debug = 3 }) {
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
  debug_level = ${debug}
${eventLoops ? `  event_loops = ${eventLoops}\n` : ""}}
media: { rtp_port_range = "${ports.first}-${ports.last}" }
nat: { ice_lite = true  ice_enforce_list = "${address}" }
plugins: { disable = "${others("plugins", "libjanus_videoroom.so")}" }
transports: { disable = "${others("transports", `libjanus_${transport}.so`)}" }
`,
  );
  writeFileSync(path.join(folder, `janus.transport.${transport}.jcfg`), TRANSPORTS[transport](port));
  writeFileSync(path.join(folder, "janus.plugin.videoroom.jcfg"), "general: { }\n");
}

export const janusVersion = () => `Janus ${execFileSync("dpkg-query", ["-W", "-f", "${Version}", "janus"], { encoding: "utf8" })}`;

/** A Janus that is starting: whoever needs it waits until it answers. */
export class JanusProcess {
  constructor(options) {
    this.folder = path.resolve(options.folder);
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
    settings({ ...options, folder: this.folder });
    const log = openSync(path.join(this.folder, "log"), "w");
    this.child = spawn("setpriv", ["--pdeathsig", "TERM", "janus", "-F", this.folder, "-o"], { stdio: ["ignore", log, log] });
    closeSync(log);
    this.exited = new Promise((resolve) => this.child.once("exit", resolve));
  }

  get pid() {
    return this.child.pid;
  }

  log() {
    return readFileSync(path.join(this.folder, "log"), "utf8").slice(-3000);
  }

  async stop() {
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
    await this.exited;
    clearTimeout(late);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
