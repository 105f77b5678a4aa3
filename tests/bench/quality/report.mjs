// From figures to something to read: a table in Markdown, and a page with plots that needs nothing else.
import { delays, figures, gaps, rates, wanted } from "./figures.mjs";

const NAMES = { parley: "Parley", janus: "Janus" };

const number = (digits, unit = "") => (v) => (v === null || v === undefined ? "–" : v === Infinity ? "not in this run" : `${v.toFixed(digits)}${unit}`);
/** Rows of the table: title, figure, how it is written. */
const ROWS = [
  ["freezes", "freezeCount", number(0)],
  ["frozen, by the browser", "freezeSeconds", number(2, " s")],
  ["frozen, with what had not ended", "frozenSeconds", number(2, " s")],
  ["picture stood longer than 250 ms, in all", "stoodSeconds", number(2, " s")],
  ["longest standstill", "longestGapMs", number(0, " ms")],
  ["frames a second", "fps", number(1)],
  ["pictures of full size", "fullSizePercent", number(0, " %")],
  ["quantiser (VP8: 0–127, less is finer)", "quantiser", number(1)],
  ["audio concealed", "concealedPercent", number(2, " %")],
  ["camera to screen, median", "delayMs", number(0, " ms")],
  ["camera to screen, 95 of 100", "delay95Ms", number(0, " ms")],
  ["jitter buffer, video", "videoBufferMs", number(0, " ms")],
  ["jitter buffer, audio", "audioBufferMs", number(0, " ms")],
  ["lips: sound and picture apart, median", "lipsMs", number(0, " ms")],
  ["lips, 95 of 100", "lips95Ms", number(0, " ms")],
  ["first picture after", "joinMs", number(0, " ms")],
  ["delivered", "deliveredKbps", number(0, " kbit/s")],
  ["share of the capacity", "usedPercent", number(0, " %")],
  ["estimate after 10 s, of the capacity", "estimatePercent", number(0, " %")],
  ["queue when settled, mean", "queueMs", number(0, " ms")],
  ["queue when settled, 95 of 100", "queue95Ms", number(0, " ms")],
  ["back at full size after", "recoverSeconds", number(1, " s")],
  ["lost by the network at random", "lostPercent", number(1, " %")],
  ["dropped by its queue, packets", "droppedPackets", number(0)],
  ["key frames", "keyFrames", number(0)],
  ["NACKs", "nacks", number(0)],
  ["SRTP and SRTCP packets checked", "checkedPackets", number(0)],
  ["of these: an index used twice", "reusedIndexes", number(0)],
  ["an index used twice by a browser", "reusedByBrowsers", number(0)],
  ["CPU of the server", "cpuSeconds", number(2, " s")],
  ["machine busy, mean", "busyPercent", number(0, " %")],
  ["machine busy, worst five seconds", "busyPeakPercent", number(0, " %")],
];

/** Of raw runs: what report.json says, but for the plots. */
export function summarise({ machine, at, seconds, bitrate, runs, titles }) {
  const scenarios = [...new Set(runs.map((r) => r.scenario))].map((name) => {
    const systems = {};
    for (const r of runs.filter((x) => x.scenario === name)) systems[r.system] = r.failed ? { failed: r.failed } : figures(r);
    const sound = (f) => (f && !f.failed ? f : undefined);
    return { name, title: titles[name] ?? name, systems, wanted: wanted(name, seconds, sound(systems.parley), sound(systems.janus)) };
  });
  const versions = [...new Set(runs.filter((r) => !r.failed).flatMap((r) => [r.version, `Chromium ${r.browser}`]))];
  return { machine, at, seconds, bitrate, versions, scenarios };
}

const head = (s) =>
  `${new Date(s.at).toISOString().slice(0, 16).replace("T", " ")} UTC, ${s.seconds} s a run, camera 640×360 up to ${s.bitrate / 1000} kbit/s. ` +
  `${s.versions.join(", ")}. ${s.machine.cores} × ${s.machine.model}, ${s.machine.memoryGiB} GiB, Linux ${s.machine.kernel}.`;
const columnTitle = (name, f) => `${NAMES[name] ?? name}${f.failed ? " (failed)" : f.void ? " (VOID)" : ""}`;
const rowsOf = (systems) =>
  ROWS.map(([title, key, write]) => [title, ...systems.map(([, f]) => (f.failed ? "–" : write(f[key])))]).filter((r) => r.slice(1).some((v) => v !== "–"));
const verdict = (met) => (met === null ? "cannot be told" : met ? "met" : "MISSED");
const limitText = (limit) => (limit === null ? "–" : typeof limit === "number" ? limit.toFixed(2).replace(/\.?0+$/, "") : limit);
const VOID = "VOID, the machine was busier than 85 %: this run says nothing of the server.";

export function markdown(summary) {
  const out = ["# Calls over bad networks", "", head(summary), ""];
  for (const s of summary.scenarios) {
    const systems = Object.entries(s.systems);
    out.push(`## ${s.title}`, "");
    for (const [name, f] of systems) if (f.failed) out.push(`${NAMES[name] ?? name} failed: ${f.failed}`, "");
    const tooBusy = systems.filter(([, f]) => f.void).map(([name]) => NAMES[name] ?? name);
    if (tooBusy.length) out.push(`${tooBusy.join(", ")}: ${VOID}`, "");
    out.push(`| | ${systems.map(([n, f]) => columnTitle(n, f)).join(" | ")} |`, `|---|${systems.map(() => "---:|").join("")}`);
    for (const row of rowsOf(systems)) out.push(`| ${row.join(" | ")} |`);
    out.push("");
    if (s.wanted.length) {
      out.push("| wanted of Parley | is | limit | |", "|---|---:|---:|---|");
      for (const w of s.wanted) out.push(`| ${w.what} | ${number(2)(w.value)} | ${limitText(w.limit)} | ${verdict(w.met)} |`);
      out.push("");
    }
  }
  return out.join("\n");
}

// ---- plots ----

const WIDTH = 560;
const LEFT = 48;
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const niceStep = (max) => {
  const rough = max / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
};

/** series: [{ name, points: [[s, value]], kind: "line" | "steps" | "dots" }]; bands: [{ from, to }] in s. */
export function plot({ title, unit, seconds, series, bands = [], height = 150, least = 1 }) {
  const top = Math.max(least, ...series.flatMap((s) => s.points.map((p) => p[1]))) * 1.05;
  const x = (t) => (LEFT + ((WIDTH - LEFT - 8) * Math.min(Math.max(t, 0), seconds)) / seconds).toFixed(1);
  const y = (v) => (18 + (height - 40) * (1 - v / top)).toFixed(1);
  const out = [`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(title)}">`];
  for (const b of bands) out.push(`<rect class="band" x="${x(b.from)}" y="18" width="${Math.max(1, x(b.to) - x(b.from)).toFixed(1)}" height="${height - 40}"/>`);
  const step = niceStep(top);
  for (let v = 0; v <= top; v += step)
    out.push(`<path class="grid" d="M${LEFT} ${y(v)}H${WIDTH - 8}"/><text x="${LEFT - 5}" y="${Number(y(v)) + 4}" text-anchor="end">${Number(v.toFixed(3))}</text>`);
  const tick = niceStep(seconds);
  for (let t = 0; t <= seconds; t += tick) out.push(`<text x="${x(t)}" y="${height - 8}" text-anchor="${t + tick > seconds ? "end" : "middle"}">${Number(t.toFixed(2))} s</text>`);
  let at = LEFT;
  out.push(`<text x="${at}" y="11" class="title">${escape([title, unit].filter(Boolean).join(", "))}</text>`);
  at += 7 * (title.length + unit.length) + 30;
  series.forEach(({ name, points, kind }, i) => {
    out.push(`<text x="${at}" y="11" class="s${i} name">${escape(name)}</text>`);
    at += 6.5 * name.length + 14;
    if (kind === "dots") for (const [t, v] of points) out.push(`<circle class="s${i}" cx="${x(t)}" cy="${y(v)}" r="3"/>`);
    else if (points.length)
      out.push(`<path class="s${i} line" d="${points.map(([t, v], k) => (k === 0 ? `M${x(t)} ${y(v)}` : kind === "steps" ? `H${x(t)}V${y(v)}` : `L${x(t)} ${y(v)}`)).join("")}"/>`);
  });
  out.push("</svg>");
  return out.join("");
}

/** Bytes per 100 ms to kbit/s over the last second. */
function bitrate(lines, key, began) {
  return lines.map((l, i) => {
    const from = lines.slice(Math.max(0, i - 9), i + 1);
    return [(l.t_ms - began) / 1000, (from.reduce((n, k) => n + k[key], 0) * 8) / (100 * from.length)];
  });
}

function plotsOf(run) {
  const { began, seconds } = run;
  const end = began + seconds * 1000;
  const frames = run.received.frames.filter((f) => f.at <= end);
  const down = run.network.filter((l) => l.direction === "down" && l.t_ms <= end);
  const since = (at) => (at - began) / 1000;
  const steps = rates(run.network).filter((s) => s.rate > 0);
  const capacity = steps.map((s) => [since(s.at), s.rate / 1000]);
  if (capacity.length) capacity.push([seconds, capacity.at(-1)[1]]);
  const bands = gaps(frames, end).map((g) => ({ from: since(g.from), to: since(g.to) }));
  const fps = [];
  for (let s = 0; s + 1 <= seconds; s++) fps.push([s + 0.5, frames.filter((f) => since(f.at) >= s && since(f.at) < s + 1).length]);
  const heights = [];
  for (const f of frames) if (heights.at(-1)?.[1] !== f.height / 10) heights.push([since(f.at), f.height / 10]);
  if (heights.length) heights.push([seconds, heights.at(-1)[1]]);
  return [
    plot({
      title: "Received",
      unit: "kbit/s",
      seconds,
      bands,
      least: 100,
      series: [
        { name: "delivered", points: bitrate(down, "out_bytes", began), kind: "line" },
        { name: "capacity", points: capacity, kind: "steps" },
        { name: "estimate", points: run.estimates.filter((e) => e.bps && e.at > began && e.at <= end).map((e) => [since(e.at), e.bps / 1000]), kind: "dots" },
        { name: "sent by the server", points: bitrate(down, "in_bytes", began), kind: "line" },
      ],
    }),
    plot({
      title: "Delay",
      unit: "ms",
      seconds,
      bands,
      least: 50,
      series: [
        { name: "camera to screen", points: delays(run.sent.frames, frames).map((d) => [since(d.at), d.ms]), kind: "line" },
        { name: "queue", points: down.map((l) => [since(l.t_ms), l.wait_max_ms]), kind: "line" },
      ],
    }),
    plot({
      title: "Picture",
      unit: "",
      seconds,
      bands,
      height: 120,
      least: 36,
      series: [
        { name: "frames a second", points: fps, kind: "line" },
        { name: "height / 10", points: heights, kind: "steps" },
      ],
    }),
  ].join("\n");
}

const STYLE = `:root{color-scheme:light dark;--line:#8884;--s0:#1769d2;--s1:#c2410c;--s2:#15803d;--s3:#94a3b8}
@media(prefers-color-scheme:dark){:root{--s0:#6cb0ff;--s1:#fb923c;--s2:#4ade80;--s3:#64748b}}
body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.15rem .8rem;border-bottom:1px solid var(--line);text-align:right}td:first-child,th:first-child{text-align:left}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:1rem}figure{margin:0}figcaption{font-weight:600}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:currentColor}svg .title{font-weight:600}.grid{stroke:var(--line);fill:none}.band{fill:#ef444433}
.line{fill:none;stroke-width:1.5}${[0, 1, 2, 3].map((i) => `.s${i}{fill:var(--s${i});stroke:none}.s${i}.line{stroke:var(--s${i});fill:none}svg .s${i}.name{fill:var(--s${i})}`).join("")}
.void{color:#dc2626;font-weight:600}.met{color:var(--s2)}.missed{color:#dc2626}`;

export function html(summary, runs) {
  const out = [
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Calls over bad networks</title><style>${STYLE}</style>`,
    `<h1>Calls over bad networks</h1><p>${escape(head(summary))}</p><p>The plots' red bands: the picture stood for more than 250 ms.</p>`,
  ];
  for (const s of summary.scenarios) {
    const systems = Object.entries(s.systems);
    out.push(`<section><h2>${escape(s.title)}</h2>`);
    for (const [name, f] of systems) if (f.failed) out.push(`<p class="void">${escape(`${NAMES[name] ?? name} failed: ${f.failed}`)}</p>`);
    const tooBusy = systems.filter(([, f]) => f.void).map(([name]) => NAMES[name] ?? name);
    if (tooBusy.length) out.push(`<p class="void">${escape(tooBusy.join(", "))}: ${VOID}</p>`);
    out.push('<div class="plots">');
    for (const r of runs.filter((x) => x.scenario === s.name && !x.failed)) out.push(`<figure><figcaption>${escape(NAMES[r.system] ?? r.system)}</figcaption>${plotsOf(r)}</figure>`);
    out.push(`</div><table><tr><th></th>${systems.map(([n, f]) => `<th>${escape(columnTitle(n, f))}</th>`).join("")}</tr>`);
    for (const row of rowsOf(systems)) out.push(`<tr>${row.map((v) => `<td>${escape(v)}</td>`).join("")}</tr>`);
    out.push("</table>");
    if (s.wanted.length) {
      out.push("<table><tr><th>wanted of Parley</th><th>is</th><th>limit</th><th></th></tr>");
      for (const w of s.wanted)
        out.push(`<tr><td>${escape(w.what)}</td><td>${escape(number(2)(w.value))}</td><td>${escape(limitText(w.limit))}</td><td class="${w.met === null ? "" : w.met ? "met" : "missed"}">${verdict(w.met)}</td></tr>`);
      out.push("</table>");
    }
    out.push("</section>");
  }
  return out.join("\n");
}
