// All scenarios with all systems, in turn, several times over, and the report. docs/BENCHMARKS.md
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../../support/server.mjs";
import { machine } from "../quality/machine.mjs";
import { instructions } from "../instructions.mjs";
import { janusVersion } from "../janus.mjs";
import { markdown, summarise } from "./report.mjs";
import { SCENARIOS } from "./scenarios.mjs";
import { systems as makeSystems } from "./systems.mjs";

const run = promisify(execFile);
const BUILD = path.resolve(ROOT, process.env.BUILD ?? "build");
const folder = path.join(BUILD, "bench");
const DOCUMENT = path.join(ROOT, "docs/BENCHMARKS.md");
const BARE_RUNS = ["1", "2", "3", "5", "8", "16", "32"];

const list = (name, fallback) => (process.env[name] ? process.env[name].split(/[\s,]+/).filter(Boolean) : fallback);
const number = (name, fallback) => Number(process.env[name] || fallback);
const wanted = list("PARLEY_BENCH_SCENARIOS", Object.keys(SCENARIOS));
const seconds = number("PARLEY_BENCH_SECONDS", 5);
const repeat = number("PARLEY_BENCH_REPEAT", 3);
const minutes = number("PARLEY_BENCH_MINUTES", 17);

const here = machine();
const all = makeSystems(here.cores);
const chosen = list("PARLEY_BENCH_SYSTEMS", Object.keys(all));
for (const name of wanted) if (!SCENARIOS[name]) throw new Error(`there is no scenario ${name}; there are ${Object.keys(SCENARIOS).join(" ")}`);
for (const name of chosen) if (!all[name]) throw new Error(`there is no system ${name}; there are ${Object.keys(all).join(" ")}`);
if (!(seconds >= 1) || !(repeat >= 1) || !(minutes > 0)) throw new Error("PARLEY_BENCH_SECONDS and _REPEAT: at least 1; _MINUTES: more than 0");
mkdirSync(folder, { recursive: true });

const began = Date.now();
const running = new Map();
const report = { machine: here, at: began, seconds, repeat: 0, janus: janusVersion(), bare: [], instructions: null, runs: [] };
const whole = process.env.PARLEY_BENCH_DOCUMENT === "1" || (!process.env.PARLEY_BENCH_SCENARIOS && !process.env.PARLEY_BENCH_SYSTEMS);

async function system(name) {
  if (!running.has(name)) running.set(name, await all[name].start(folder));
  return running.get(name);
}

/** parley-load to its end; memory is looked at meanwhile. */
async function load(target, args) {
  const program = path.join(BUILD, "parley-load");
  const child = spawn("setpriv", ["--pdeathsig", "TERM", program, ...args, "--json", ...target.loadArguments()], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err, memory] = ["", "", 0];
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  const look = setInterval(() => {
    try {
      memory = Math.max(memory, target.memory());
    } catch {
      // it ends just now
    }
  }, 1000);
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearInterval(look);
  if (code !== 0) throw new Error(err.trim().split("\n").slice(-3).join("; ") || `parley-load ended with ${code}`);
  return { ...JSON.parse(out), memory };
}

async function measure(name, systemName) {
  const scenario = SCENARIOS[name];
  const target = await system(systemName);
  const before = await target.counters();
  const figures = await load(target, [...scenario.args, "--seconds", String(scenario.seconds ?? seconds)]);
  const after = await target.counters();
  const perMessage = before ? (after.packets - before.packets) / Math.max(1, after.messages - before.messages) : null;
  return { scenario: name, system: systemName, perMessage, figures };
}

/** What a packet costs when nothing but encryption and sending is done. */
async function bare() {
  const { stdout } = await run(path.join(BUILD, "tests/bench_bare"), ["--seconds", "1", "--receivers", "200", ...BARE_RUNS]);
  return stdout.trim().split("\n").map((line) => JSON.parse(line));
}

/** After each run: what there is can be read, also when the rest is broken off. */
function write() {
  const summary = summarise(report, all);
  writeFileSync(path.join(folder, "forward.json"), `${JSON.stringify({ ...summary, runs: report.runs }, null, 1)}\n`);
  const text = markdown(summary);
  writeFileSync(path.join(folder, "forward.md"), text);
  if (!whole) return;
  const document = readFileSync(DOCUMENT, "utf8");
  const [head, rest] = document.split("<!-- measured: begin -->\n");
  const tail = rest.split("<!-- measured: end -->")[1];
  writeFileSync(DOCUMENT, `${head}<!-- measured: begin -->\n${text}<!-- measured: end -->${tail}`);
}

async function repetition() {
  report.bare.push(await bare());
  for (const name of wanted)
    for (const systemName of SCENARIOS[name].systems.filter((s) => chosen.includes(s))) {
      process.stderr.write(`${name}, ${systemName}: `);
      try {
        const result = await measure(name, systemName);
        report.runs.push(result);
        const { figures: f } = result;
        process.stderr.write(`${Math.round(f.received.packets_per_second)} packets/s, machine ${(f.machine.busy * 100).toFixed(0)} % busy\n`);
      } catch (error) {
        report.runs.push({ scenario: name, system: systemName, failed: error.message });
        process.stderr.write(`failed: ${error.message}\n`);
      }
      write();
    }
}

try {
  try {
    if (process.env.PARLEY_BENCH_INSTRUCTIONS !== "0") report.instructions = instructions();
  } catch (error) {
    process.stderr.write(`instructions: ${error.message}\n`);
  }
  let longest = 0;
  while (report.repeat < repeat) {
    const start = Date.now();
    // A repetition that would not be over in time is not begun.
    if (report.repeat > 0 && start - began + longest > minutes * 60_000) {
      process.stderr.write(`${minutes} minutes hold no ${report.repeat + 1}th repetition\n`);
      break;
    }
    report.repeat++;
    await repetition();
    longest = Math.max(longest, Date.now() - start);
  }
} finally {
  for (const target of running.values()) await target.stop().catch((error) => process.stderr.write(`${error.stack}\n`));
}
process.stderr.write(`${path.join(folder, "forward.md")}${whole ? `, ${DOCUMENT}` : ""}\n`);
process.exit(report.runs.some((r) => r.failed) ? 1 : 0); // connections that are kept alive do not keep it
