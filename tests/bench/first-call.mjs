// Rough figures of a running server: what one forwarded packet, one idle WebSocket and each process cost.
// `make bench` runs it; CPU is user + system time of the process that did the work, not wall time.
import { Server, eventually, sleep } from "../support/server.mjs";
import { Person } from "../support/api.mjs";
import { launchChromium, twoContacts } from "../support/browser.mjs";
import { memoryOf } from "../support/memory.mjs";
import WebSocket from "ws";

const seconds = Number(process.env.BENCH_SECONDS ?? 20);
const sockets = Number(process.env.BENCH_WEBSOCKETS ?? 1000);
const rows = [];
const row = (what, value, unit) => rows.push({ what, value, unit });

const server = await Server.start({ workers: 2, mediads: 2 });
try {
  for (const p of server.processes()) {
    const m = memoryOf(p.pid);
    row(`${p.role} ${p.index}, just started: private memory (RssAnon)`, m.anon, "KiB");
    row(`${p.role} ${p.index}, just started: share of memory (PSS)`, m.pss, "KiB");
  }

  // One 1:1 call between two Chromiums, each on its own mediad.
  const browser = await launchChromium();
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  await sleep(3000);
  const before = await server.metrics();
  await sleep(seconds * 1000);
  const after = await server.metrics();
  const rise = (name) => after[name] - before[name];
  for (const i of [0, 1]) {
    const packets = rise(`parley_mediad_packets_forwarded_total{mediad="${i}"}`);
    const cpu = rise(`parley_mediad_cpu_seconds_total{mediad="${i}"}`);
    row(`mediad ${i} in a 1:1 call: forwarded`, (packets / seconds).toFixed(0), "packets/s");
    row(`mediad ${i} in a 1:1 call: CPU per forwarded packet, all of its work`, ((cpu / packets) * 1e6).toFixed(1), "µs");
    row(`mediad ${i} in a 1:1 call: CPU`, ((cpu / seconds) * 100).toFixed(2), "% of a core");
    row(`mediad ${i} in a 1:1 call: private memory (RssAnon)`, memoryOf(server.pid("mediad", i)).anon, "KiB");
  }
  await browser.close();

  const people = [];
  for (let i = 0; i < 4; i++) people.push(await Person.create(server, `Bench ${i}`));
  const workers = server.processes().filter((p) => p.role === "worker");
  const sum = () => workers.reduce((n, p) => n + memoryOf(p.pid).pss, 0);
  const base = sum();
  const open = [];
  for (let i = 0; i < sockets; i++) {
    open.push(
      new Promise((resolve, reject) => {
        const ws = new WebSocket(`${server.base.replace("https", "wss")}/api/v1/events`, ["parley.v1", `bearer.${people[i % 4].token}`], { rejectUnauthorized: false });
        ws.once("message", () => resolve(ws));
        ws.once("error", reject);
      }),
    );
    if (i % 50 === 49) await Promise.all(open);
  }
  const all = await Promise.all(open);
  await eventually("all are connected", async () => (await server.metric("parley_worker_websockets")) >= sockets, 20_000);
  await sleep(2000);
  row(`idle WebSocket over TLS, of ${sockets}: memory in the workers (PSS)`, ((sum() - base) / sockets).toFixed(1), "KiB");
  for (const ws of all) ws.terminate();
} finally {
  await server.stop();
}
for (const r of rows) console.log(`${r.what.padEnd(78)} ${String(r.value).padStart(10)} ${r.unit}`);
