// All scenarios, each with Parley and then with Janus, and the report. docs/BENCH-QUALITY.md
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { scenarioFile } from "../../net/impair.mjs";
import { ROOT } from "../../support/server.mjs";
import { Janus } from "./janus.mjs";
import { machine } from "./machine.mjs";
import { Parley } from "./parley.mjs";
import { html, markdown, summarise } from "./report.mjs";
import { measure } from "./run.mjs";

const SCENARIOS = ["clean", "loss-5", "loss-10", "bursts-2", "jitter", "rate-1000", "rate-300", "rate-step"];
const SYSTEMS = { parley: Parley, janus: Janus };

const list = (name, fallback) => (process.env[name] ? process.env[name].split(/[\s,]+/).filter(Boolean) : fallback);
const seconds = Number(process.env.PARLEY_BENCH_SECONDS ?? 60);
const bitrate = Number(process.env.PARLEY_BENCH_BITRATE ?? 1_200_000);
const scenarios = list("PARLEY_BENCH_SCENARIOS", SCENARIOS);
const systems = list("PARLEY_BENCH_SYSTEMS", Object.keys(SYSTEMS));
const folder = path.resolve(ROOT, process.env.BUILD ?? "build", "bench-quality");

for (const name of scenarios) if (!existsSync(scenarioFile(name))) throw new Error(`there is no scenario ${name}`);
for (const name of systems) if (!SYSTEMS[name]) throw new Error(`there is no system ${name}`);
if (!(seconds >= 5) || !(bitrate >= 50_000)) throw new Error("PARLEY_BENCH_SECONDS: at least 5; PARLEY_BENCH_BITRATE: at least 50000");
mkdirSync(folder, { recursive: true });

const titles = Object.fromEntries(scenarios.map((name) => [name, /^title = (.*)$/m.exec(readFileSync(scenarioFile(name), "utf8"))?.[1]]));
const report = { machine: machine(), at: Date.now(), seconds, bitrate, runs: [], titles };
for (const scenario of scenarios)
  for (const name of systems) {
    process.stderr.write(`${scenario}, ${name}: `);
    try {
      const run = await measure({ start: (f) => SYSTEMS[name].start(f), scenario, seconds, folder, bitrate });
      report.runs.push(run);
      const { checked, reused } = run.checked.down;
      if (reused > 0) process.stderr.write(`${reused} OF ${checked} SRTP PACKETS USED AN INDEX AGAIN, `);
      if (reused > 0 && name === "parley") process.exitCode = 1;
      process.stderr.write(`machine ${(run.busy.mean * 100).toFixed(0)} % busy, ${run.received.frames.length} pictures\n`);
    } catch (error) {
      report.runs.push({ system: name, scenario, failed: error.message });
      process.stderr.write(`failed: ${error.message}\n`);
    }
    // After each run: what there is can be read, also when the rest is broken off.
    const summary = summarise(report);
    writeFileSync(path.join(folder, "report.json"), JSON.stringify(summary, null, 1));
    writeFileSync(path.join(folder, "report.md"), markdown(summary));
    writeFileSync(path.join(folder, "report.html"), html(summary, report.runs));
  }
process.stderr.write(`${path.join(folder, "report.html")}\n`);
process.exit(); // connections that are kept alive do not keep it
