// Instructions a packet in the media process' own code, counted by callgrind, beside those that are kept: `make
// bench-instructions`. No clock is in it, so it says the same on a busy machine and on a quiet one of the same compiler.
// What libraries do (ciphers choose their code by the processor) and what the kernel does is not in it.
//
//     node tests/bench/instructions.mjs [--keep]      --keep: what comes out is the new baseline
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");
const BUILD = path.resolve(ROOT, process.env.BUILD ?? "build");
const BASELINE = path.join(import.meta.dirname, "instructions.json");

/** Driver, and what is added up of it: by source file. The media side stands in the first, the transport side in the second. */
const DRIVERS = [
  { program: "bench_instructions_seat", what: "media: a packet for each of ten who watch", skip: /^(srtp|egress|dtls|ice|transport|udp|tcp|demux)/ },
  { program: "bench_instructions_packet", what: "transport: a packet in and out again", skip: /^(seat|media|source|router)/ },
];
const FEW = 2; // instructions a packet: what is less is part of "others"

/** Self cost by file of mediad/, and packets. On a full machine a driver may give up before its connection is there. */
export function count(program, tries = 3) {
  try {
    return countOnce(program);
  } catch (error) {
    if (tries <= 1) throw error;
    return count(program, tries - 1);
  }
}

function countOnce(program) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "parley-callgrind-"));
  try {
    const file = path.join(folder, "out");
    const args = ["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=measured", `--callgrind-out-file=${file}`, path.join(BUILD, "tests", program)];
    const packets = Number(execFileSync("valgrind", ["-q", ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim());
    const text = execFileSync("callgrind_annotate", ["--threshold=100", "--auto=no", file], { encoding: "utf8", maxBuffer: 1 << 28 });
    const files = {};
    for (const line of text.split("\n")) {
      const m = /^\s*([\d,]+)\s.*?([^\s/]*\/)*mediad\/([a-z_]+)\.[ch]:/.exec(line);
      if (m) files[m[3]] = (files[m[3]] ?? 0) + Number(m[1].replaceAll(",", ""));
    }
    if (!(packets > 0) || Object.keys(files).length === 0) throw new Error(`${program}: nothing was counted`);
    return { packets, files };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** [{ what, packets, files: { seat: instructions a packet, … }, total }] */
export function instructions() {
  return DRIVERS.map(({ program, what, skip }) => {
    const { packets, files } = count(program);
    const each = Object.entries(files)
      .filter(([name]) => !skip.test(name))
      .map(([name, n]) => [name, n / packets])
      .sort((a, b) => b[1] - a[1]);
    const round = (n) => Math.round(n * 10) / 10;
    const out = {};
    for (const [name, n] of each) if (n >= FEW) out[name] = round(n);
    const others = each.filter(([, n]) => n < FEW).reduce((sum, [, n]) => sum + n, 0);
    return { program, what, packets, files: { ...out, others: round(others) }, total: round(each.reduce((sum, [, n]) => sum + n, 0)) };
  });
}

export const baseline = () => JSON.parse(readFileSync(BASELINE, "utf8"));

/** Rows of a table: [[what, instructions, baseline, ratio]]. */
export function compared(now, kept = baseline()) {
  const rows = [];
  for (const group of now) {
    const before = kept.find((k) => k.program === group.program);
    const row = (name, n, was) => rows.push([name, n, was ?? null, was ? n / was : null]);
    row(group.what, group.total, before?.total);
    for (const [name, n] of Object.entries(group.files)) row(`· ${name}`, n, before?.files[name]);
  }
  return rows;
}

if (process.argv[1] === import.meta.filename) {
  const now = instructions();
  if (process.argv.includes("--keep")) writeFileSync(BASELINE, `${JSON.stringify(now, null, 2)}\n`);
  for (const [name, n, was, ratio] of compared(now))
    console.log(`${name.padEnd(48)} ${n.toFixed(1).padStart(9)} ${(was?.toFixed(1) ?? "–").padStart(9)} ${ratio === null ? "–" : ratio.toFixed(3)}`);
}
