// The bench for calls over bad networks (tests/bench/quality): its figures, on a run that was made up, and a short run.
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { delays, figures, gaps, wanted } from "../bench/quality/figures.mjs";
import { Parley } from "../bench/quality/parley.mjs";
import { html, markdown, summarise } from "../bench/quality/report.mjs";
import { measure } from "../bench/quality/run.mjs";

const BEGAN = 1_000_000;

/** A run of a minute: 25 pictures a second, 100 ms from camera to screen, 3 Mbit/s but for the middle third; `lost(t)`:
 * which pictures are missing, by when they were taken; `height(t)`. */
function run({ lost = () => false, height = () => 360, busy = 0.5, estimate = 420_000, system = "parley", reused = 0 } = {}) {
  const sent = [];
  const received = [];
  for (let n = -50, t = BEGAN - 2000; t < BEGAN + 60_000; n++, t += 40) {
    const number = (n + 300) % 150;
    // The sender's page misses some of its own.
    if (n % 7 !== 3) sent.push({ at: t + 5, taken: t, number, height: 360 });
    if (t >= BEGAN && !lost((t - BEGAN) / 1000)) received.push({ at: t + 100, taken: null, number, height: height((t - BEGAN) / 1000) });
  }
  const network = [];
  for (let t = 100; t <= 60_000; t += 100) {
    const rate = t <= 20_000 || t > 40_000 ? 3_000_000 : 500_000;
    network.push({ t_ms: BEGAN + t, port: 1, direction: "down", rate, in: 10, in_bytes: 6000, out: 9, out_bytes: 5000, lost: 1, dropped: 0, wait_ms: 20, wait_max_ms: 40, backlog_ms: 20 });
    network.push({ t_ms: BEGAN + t, port: 1, direction: "up", rate: 0, in: 1, in_bytes: 50, out: 1, out_bytes: 50, lost: 0, dropped: 0, wait_ms: 0, wait_max_ms: 0, backlog_ms: 0 });
  }
  const inbound = {
    video: { framesDecoded: 1497, qpSum: 29_940, freezeCount: 2, totalFreezesDuration: 1.5, jitterBufferDelay: 60, jitterBufferEmittedCount: 1500, estimatedPlayoutTimestamp: 5000 },
    audio: { totalSamplesReceived: 2_880_000, concealedSamples: 100_800, silentConcealedSamples: 14_400, jitterBufferDelay: 96_000, jitterBufferEmittedCount: 2_400_000, estimatedPlayoutTimestamp: 5030 },
  };
  return {
    system,
    version: "Some 1.0",
    browser: "1",
    scenario: "rate-step",
    seconds: 60,
    began: BEGAN,
    network,
    sent: { frames: sent, samples: [] },
    received: { frames: received, samples: [{ at: BEGAN + 60_000, inbound }] },
    estimates: [
      { at: BEGAN + 25_000, bps: 3_000_000 }, // not settled yet
      { at: BEGAN + 35_000, bps: estimate },
      { at: BEGAN + 38_000, bps: null },
    ],
    checked: { up: { checked: 100, reused: 0, unread: 0, full: 0 }, down: { checked: 9000, reused, unread: 0, full: 0 } },
    cpuSeconds: 1.25,
    busy: { mean: busy, peak: busy },
  };
}

test("figures are what a run's counters, pictures and network say", () => {
  const f = figures(run());
  assert.equal(f.void, false);
  assert.equal(f.freezeCount, 2);
  assert.equal(f.freezeSeconds, 1.5);
  assert.equal(f.quantiser, 20);
  assert.equal(f.concealedPercent, 3);
  assert.equal(f.joinMs, 100);
  assert.ok(Math.abs(f.fps - 25) < 0.05);
  assert.equal(f.delayMs, 100);
  assert.equal(f.delay95Ms, 100);
  assert.equal(f.videoBufferMs, 40);
  assert.equal(f.audioBufferMs, 40);
  assert.equal(f.lipsMs, 30);
  assert.equal(f.deliveredKbps, 400);
  assert.equal(f.lostPercent, 10);
  assert.equal(f.estimatePercent, 84);
  assert.ok(Math.abs(f.queueMs - 20) < 1e-9);
  assert.equal(f.queue95Ms, 40);
  assert.equal(f.stoodSeconds, 0);
  assert.equal(f.cpuSeconds, 1.25);
});

test("a picture's way is found by its number, over the numbers' new beginning and past what the sender missed", () => {
  const r = run();
  const all = delays(r.sent.frames, r.received.frames);
  assert.equal(all.length, r.received.frames.length);
  for (const d of all) assert.ok(Math.abs(d.ms - 100) < 1e-6, JSON.stringify(d));
  assert.deepEqual(delays([], r.received.frames), []);
  assert.deepEqual(delays(r.sent.frames, [{ at: BEGAN, number: null }]), []);
});

test("a picture that stands is seen to stand, until the end of the run", () => {
  const r = run({ lost: (t) => (t >= 10 && t < 12) || t >= 55 });
  const stood = gaps(r.received.frames, BEGAN + 60_000);
  assert.equal(stood.length, 2);
  assert.ok(Math.abs(figures(r).stoodSeconds - 2.04 - 4.94) < 0.01);
  assert.ok(figures(r).longestGapMs > 4900);
  // 1.5 s that the browser has counted, and what it could not.
  assert.ok(Math.abs(figures(r).frozenSeconds - 1.5 - 4.94) < 0.01);
  assert.equal(figures(run()).frozenSeconds, 1.5);
  const nothing = figures(run({ lost: () => true }));
  assert.equal(nothing.joinMs, null);
  assert.equal(nothing.fps, 0);
  assert.equal(nothing.stoodSeconds, 60);
  assert.equal(nothing.frozenSeconds, 60);
});

test("recovery is when the picture is as large and as fluent as before the bottleneck narrowed", () => {
  // Pictures taken until 45 s are small; the way takes 100 ms.
  const small = figures(run({ height: (t) => (t > 21 && t < 45 ? 180 : 360) }));
  assert.ok(Math.abs(small.recoverSeconds - 5.1) < 0.1, `${small.recoverSeconds}`);
  const halting = figures(run({ lost: (t) => t > 21 && t < 48 && Math.round(t * 25) % 2 === 1 }));
  assert.ok(halting.recoverSeconds > 7 && halting.recoverSeconds < 8.2, `${halting.recoverSeconds}`);
  assert.equal(figures(run({ height: (t) => (t > 21 ? 180 : 360) })).recoverSeconds, Infinity);
});

test("what is wanted is told from sound runs only", () => {
  const met = (list, what) => list.find((w) => w.what.startsWith(what))?.met;
  const [parley, janus] = [figures(run()), figures(run({ system: "janus" }))];
  const list = wanted("rate-step", 60, parley, { ...janus, frozenSeconds: 4, concealedPercent: 20 });
  assert.deepEqual([met(list, "frozen"), met(list, "audio concealed"), met(list, "queue"), met(list, "back"), met(list, "lips")], [true, true, true, true, true]);
  assert.equal(met(wanted("rate-step", 60, parley, { ...janus, frozenSeconds: 2 }), "frozen"), false);
  assert.equal(met(wanted("loss-10", 60, { ...parley, concealedPercent: 6 }, { ...janus, concealedPercent: 20 }), "audio concealed, %"), true);
  const alone = wanted("loss-10", 60, { ...parley, concealedPercent: 6 }, undefined);
  assert.equal(alone.find((w) => w.what === "audio concealed, %").met, false);
  assert.equal(met(alone, "frozen"), null);
  assert.equal(met(wanted("rate-300", 60, { ...parley, estimatePercent: 96 }, janus), "estimate"), false);
  const busy = wanted("rate-step", 60, figures(run({ busy: 0.86 })), janus);
  for (const w of busy.slice(1)) assert.equal(w.met, null);
  // Nothing excuses an SRTP index that was used twice.
  assert.equal(met(busy, "SRTP"), true);
  const twice = figures(run({ busy: 0.86, reused: 2 }));
  assert.deepEqual([met(wanted("clean", 60, twice), "SRTP"), twice.reusedIndexes], [false, 2]);
});

test("from a real call on a clean network to a report", { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "parley-quality-"));
  try {
    const seconds = 5;
    const real = await measure({ start: () => Parley.start(), scenario: "clean", seconds, folder, bitrate: 600_000 });
    const f = figures(real);
    assert.ok(real.received.frames.length > 10, `${real.received.frames.length} pictures`);
    const readable = real.received.frames.filter((x) => x.number !== null).length;
    assert.ok(readable >= 0.8 * real.received.frames.length, `${readable} of ${real.received.frames.length} numbers can be read`);
    assert.ok(f.delayMs > 0 && f.delayMs < 5000, `${f.delayMs} ms`);
    assert.ok(f.deliveredKbps > 0 && f.quantiser > 0 && f.cpuSeconds > 0 && f.busyPercent > 0);
    assert.equal(f.lostPercent, 0);
    assert.ok(f.checkedPackets > 100, `${f.checkedPackets} packets checked`);
    assert.deepEqual([f.reusedIndexes, real.checked.down.unread, real.checked.down.full], [0, 0, 0]);
    assert.ok(real.received.samples.at(-1).inbound.audio.totalSamplesReceived > 0);
    const report = { machine: { cores: 1, model: "<m>", memoryGiB: 1, kernel: "x" }, at: 0, seconds, bitrate: 600_000, runs: [real, { system: "janus", scenario: "clean", failed: "a & b" }], titles: { clean: "clean" } };
    const summary = summarise(report);
    assert.match(markdown(summary), /\| frames a second \| \d/);
    const page = html(summary, report.runs);
    assert.equal(page.match(/<svg/g).length, 3);
    assert.match(page, /&lt;m&gt;/);
    assert.match(page, /Janus failed: a &amp; b/);
    assert.doesNotMatch(page, /NaN|undefined|https?:/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
