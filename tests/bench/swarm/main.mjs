// Twenty thousand WebSockets at the workers of a server of its own, and whether they cost what they may.
//
// `make bench-swarm` runs it. BENCH_WEBSOCKETS, BENCH_WORKERS: other numbers. Options of `parley-load swarm` may follow.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT, Server } from "../../support/server.mjs";
import { crowd } from "../../support/database.mjs";

const PROGRAM = path.join(ROOT, process.env.BUILD ?? "build", "parley-load");
const WEBSOCKETS = Number(process.env.BENCH_WEBSOCKETS ?? 20_000);
const WORKERS = Number(process.env.BENCH_WORKERS ?? 2);
const ACCOUNTS = 100;

function swarm(...args) {
  const child = spawn("setpriv", ["--pdeathsig", "TERM", PROGRAM, "swarm", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (data) => (out += data));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out })));
}

const rows = [];
const row = (what, value, unit, holds) => rows.push({ what, value, unit, holds });

const server = await Server.start({ workers: WORKERS });
try {
  const tokens = path.join(server.dir, "tokens");
  writeFileSync(tokens, (await crowd(server, ACCOUNTS, "Swarm")).map(({ token }) => `${token}\n`).join(""));
  const { code, out } = await swarm(
    ...["-n", String(WEBSOCKETS), "--accounts", String(ACCOUNTS), "--tokens", tokens, "--admin", `127.0.0.1:${server.ports.admin}`],
    ...["--cut", "--reload", String(server.pid("master")), "--json", "--insecure", ...process.argv.slice(2), server.base],
  );
  if (!out) throw new Error(`parley-load swarm ended with ${code}:\n${server.log().slice(-5000)}`);
  const f = JSON.parse(out);
  const even = ({ workers, skew }) => [`${workers.join(" + ")}, ${(skew * 100).toFixed(1)} %`, "from the mean", skew <= 0.15];
  row("connected", f.connected, `of ${WEBSOCKETS}`, f.connected === WEBSOCKETS);
  row("at the workers", ...even(f));
  row("memory of the workers for each (PSS)", f.pss_kib_each, "KiB", f.pss_kib_each <= 18);
  row("the same, with what the workers are without any", f.pss_kib_each_in_all, "KiB");
  row("CPU of the workers while it is quiet", f.idle_cores, "cores");
  for (const kind of ["presence", "chat"]) {
    const { messages, heard, expected, twice, cpu_us_each: cpu, to_all_ms: all } = f[kind];
    if (!messages) continue;
    row(`${kind} to all, ${messages} times: heard`, heard, `of ${expected}, ${twice} twice`, heard === expected && twice === 0);
    row("    CPU of the workers each time it is heard", cpu, "µs", cpu <= 25);
    row("    until the last one has heard it", all.p50, `ms, at most ${all.max} ms`);
  }
  for (const [name, what] of Object.entries({ cut: "all cut", reload: "server reloaded" })) {
    if (!f[name]) continue;
    row(`${what}: back`, f[name].back, `after ${f[name].seconds} s`, f[name].back === WEBSOCKETS && f[name].seconds < 60);
    row("    attempts, and TLS sessions resumed", `${f[name].attempts}, ${f[name].resumed}`, "");
    row("    at the workers", ...even(f[name]));
  }
  row("memory of parley-load for each", (f.own_kib / WEBSOCKETS).toFixed(1), "KiB");
} finally {
  await server.stop();
}
for (const { what, value, unit, holds } of rows)
  console.log(`${what.padEnd(52)} ${String(value).padStart(22)} ${unit.padEnd(24)} ${holds === undefined ? "" : holds ? "holds" : "DOES NOT HOLD"}`);
process.exitCode = rows.some(({ holds }) => holds === false) ? 1 : 0;
