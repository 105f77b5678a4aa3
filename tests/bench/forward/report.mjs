// From the runs of parley-load to medians, and to tables.
import { SCENARIOS } from "./scenarios.mjs";
import { compared } from "../instructions.mjs";

/** A machine with more to do than this, a generator that was late or lost packets in its own sockets: marked. */
const BUSY_LIMIT = 0.95;
const LATE_MS = 10;
/** Share of the machine that somebody else used. */
const OTHERS_LIMIT = 0.1;

export function median(list) {
  const sorted = list.filter((v) => v !== null && v !== undefined && Number.isFinite(v)).sort((a, b) => a - b);
  if (!sorted.length) return null;
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Of one run. */
function figuresOf({ figures: f, perMessage }, cores) {
  const packets = f.received.packets;
  const us = (seconds) => (seconds === undefined || packets === 0 ? null : (seconds * 1e6) / packets);
  const used = (f.cpu_seconds.load + (f.cpu_seconds.processes ?? 0)) / f.seconds / cores;
  const starved = f.machine.dropped > 0 || f.late_ms.p99 > LATE_MS;
  return {
    packetsPerSecond: f.received.packets_per_second,
    mbitPerSecond: f.received.mbit_per_second,
    lost: f.received.loss,
    serverUs: us(f.cpu_seconds.processes),
    mediadUs: us(f.cpu_seconds.mediads),
    serverCores: (f.cpu_seconds.processes ?? 0) / f.seconds,
    loadCores: f.cpu_seconds.load / f.seconds,
    delay50: f.delay_ms.p50,
    delay99: f.delay_ms.p99,
    join95: f.join_ms.p95,
    picture50: f.picture_ms.p50,
    picture95: f.picture_ms.p95,
    memoryMiB: f.memory / 1024,
    perMessage,
    gcm: f.receive_by_gcm === f.connected,
    busy: f.machine.busy,
    others: Math.max(0, f.machine.busy - used),
    starved: f.machine.busy > BUSY_LIMIT && starved ? 1 : 0,
  };
}

export function summarise(report, systems) {
  const scenarios = [...new Set(report.runs.map((r) => r.scenario))].map((name) => {
    const results = {};
    for (const key of SCENARIOS[name].systems) {
      const runs = report.runs.filter((r) => r.scenario === name && r.system === key);
      const whole = runs.filter((r) => !r.failed).map((r) => figuresOf(r, report.machine.cores));
      if (!runs.length) continue;
      results[key] = { runs: runs.length, failed: runs.filter((r) => r.failed).map((r) => r.failed) };
      if (!whole.length) continue;
      for (const figure of Object.keys(whole[0])) results[key][figure] = median(whole.map((f) => Number(f[figure] ?? NaN)));
      results[key].starved = whole.reduce((sum, f) => sum + f.starved, 0);
      results[key].gcm = whole.every((f) => f.gcm);
    }
    return { name, title: SCENARIOS[name].title, results };
  });
  const lengths = [...new Set(report.bare.flat().map((b) => b.run))];
  const bare = lengths.map((run) => ({ run, ns: median(report.bare.map((all) => all.find((b) => b.run === run)?.ns_per_packet)) }));
  const { machine, at, seconds, repeat, janus, instructions } = report;
  return { machine, at, seconds, repeat, janus, instructions, bare, scenarios, titles: Object.fromEntries(Object.entries(systems).map(([k, s]) => [k, s.title])) };
}

const n = (digits, unit = "") => (v) => (v === null || v === undefined || Number.isNaN(v) ? "–" : `${v.toFixed(digits)}${unit}`);
const table = (head, rows) => [`| ${head.join(" | ")} |`, `|---|${head.slice(1).map(() => "---:|").join("")}`, ...rows.map((r) => `| ${r.join(" | ")} |`), ""];

/** What the bare loop costs at that many packets a message, between what was measured. */
function bareAt(bare, run) {
  if (run === null || run === undefined || !bare.length) return null;
  const above = bare.find((b) => b.run >= run) ?? bare.at(-1);
  const below = bare.findLast((b) => b.run <= run) ?? bare[0];
  // What a message costs is shared by its packets: linear in 1 / run.
  const t = above.run === below.run ? 0 : (1 / below.run - 1 / run) / (1 / below.run - 1 / above.run);
  return below.ns + t * (above.ns - below.ns);
}

function fanRows(summary, burst) {
  const rows = [];
  for (const s of summary.scenarios.filter((x) => SCENARIOS[x.name].fan && SCENARIOS[x.name].burst === burst))
    for (const [key, r] of Object.entries(s.results)) {
      const janus = key.startsWith("janus") ? null : s.results.janus;
      const least = key === "parley" ? bareAt(summary.bare, r.perMessage) : null;
      rows.push([
        s.title,
        summary.titles[key] + marks(r),
        n(0)(r.packetsPerSecond),
        n(2)(r.serverUs),
        janus?.serverUs && r.serverUs ? `${n(1)(janus.serverUs / r.serverUs)} ×` : "",
        n(1)(r.perMessage),
        least ? `${n(2)((r.mediadUs * 1000) / least)} ×` : "",
        n(2)(r.delay50),
        n(2)(r.delay99),
        n(3, " %")(r.lost * 100),
        n(0, " %")(r.busy * 100),
      ]);
    }
  return rows;
}

const marks = (r) => (r.failed.length ? ` (${r.failed.length} of ${r.runs} failed)` : "") + (r.starved ? " †" : "") + (r.others > OTHERS_LIMIT ? " ‡" : "");
const FAN_HEAD = ["scenario", "server", "packets/s", "CPU a packet, µs", "Janus needs", "packets a message", "of the bare loop", "delay, ms", "99 %", "lost", "machine busy"];

function otherRows(summary, pick) {
  const rows = [];
  for (const s of summary.scenarios.filter(pick))
    for (const [key, r] of Object.entries(s.results))
      rows.push([
        s.title,
        summary.titles[key] + marks(r),
        n(0)(r.packetsPerSecond),
        n(2)(r.serverUs),
        n(2)(r.serverCores),
        n(2)(r.delay50),
        n(2)(r.delay99),
        n(0)(r.picture95),
        n(1)(r.memoryMiB),
        n(3, " %")(r.lost * 100),
        n(0, " %")(r.busy * 100),
      ]);
  return rows;
}
const OTHER_HEAD = ["scenario", "server", "packets/s", "CPU a packet, µs", "cores", "delay, ms", "99 %", "first picture, 95 %, ms", "own memory, MiB", "lost", "machine busy"];

export function markdown(summary) {
  const m = summary.machine;
  const results = summary.scenarios.flatMap((s) => Object.values(s.results));
  const busyWithOthers = results.filter((r) => r.others > OTHERS_LIMIT).length;
  const out = [
    "",
    `${new Date(summary.at).toISOString().slice(0, 16).replace("T", " ")} UTC: ${m.cores} × ${m.model}, ${m.memoryGiB} GiB, Linux ${m.kernel}; ${summary.janus}. ` +
      `Medians of ${summary.repeat} runs of ${summary.seconds} s, systems in turn.`,
    "",
  ];
  if (busyWithOthers > 0)
    out.push(`**Not alone**: in ${busyWithOthers} of ${results.length} rows (‡) others used more than ${OTHERS_LIMIT * 100} % of the machine. Trust ratios within a row's scenario at most.`, "");
  if (results.some((r) => r.starved)) out.push(`† in some runs the machine was full (above ${BUSY_LIMIT * 100} %) and parley-load was late or lost packets itself: they say nothing of the server.`, "");
  if (results.some((r) => r.gcm === false)) out.push("Not all runs were encrypted with AES-128-GCM.", "");
  if (fanRows(summary, false).length) out.push("### One camera for many, paced as libwebrtc does", "", ...table(FAN_HEAD, fanRows(summary, false)));
  if (fanRows(summary, true).length) out.push("### The same in bursts: each frame at once", "", ...table(FAN_HEAD, fanRows(summary, true)));
  const others = otherRows(summary, (s) => !SCENARIOS[s.name].fan && !SCENARIOS[s.name].placement);
  if (others.length) out.push("### Calls, sound, a storm of joins", "", ...table(OTHER_HEAD, others));
  const placed = otherRows(summary, (s) => SCENARIOS[s.name].placement);
  if (placed.length) out.push("### One call over two cores, or a call on each", "", ...table(OTHER_HEAD, placed));
  const memory = summary.scenarios.filter((s) => SCENARIOS[s.name].fan && !SCENARIOS[s.name].burst);
  if (memory.length) {
    const keys = [...new Set(memory.flatMap((s) => Object.keys(s.results)))];
    const rows = memory.map((s) => [s.title, ...keys.map((k) => n(1)(s.results[k]?.memoryMiB))]);
    out.push("### Private memory (RssAnon), MiB, of the largest media process", "", ...table(["scenario", ...keys.map((k) => summary.titles[k])], rows));
  }
  if (summary.bare.length) {
    const rows = [["ns a packet", ...summary.bare.map((b) => n(0)(b.ns))]];
    out.push("### The bare loop: encrypt and send to 200, nothing else", "", ...table(["packets a message", ...summary.bare.map((b) => String(b.run))], rows));
  }
  if (summary.instructions) {
    const rows = compared(summary.instructions).map(([name, now, was, ratio]) => [name, n(1)(now), n(1)(was), n(3)(ratio)]);
    out.push("### Instructions a packet, in Parley's own code", "", ...table(["", "now", "baseline", "ratio"], rows));
  }
  const failed = summary.scenarios.flatMap((s) => Object.entries(s.results).flatMap(([k, r]) => r.failed.map((why) => `- ${s.title}, ${summary.titles[k]}: ${why}`)));
  if (failed.length) out.push("Runs that failed:", "", ...failed, "");
  return out.join("\n");
}
