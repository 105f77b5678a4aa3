// From what was seen in a run (run.mjs) to figures. No clock, no files. Times are ms since 1970, or s after the beginning.
import { FILM } from "./source.mjs";

/** A machine with more to do than this tells of itself, not of a server. */
export const BUSY_LIMIT = 0.85;
/** A rate and what adapts to it have settled by then. */
const SETTLED_MS = 10_000;
/** A picture that stands this long is seen to stand. */
export const GAP_MS = 250;

const sum = (list) => list.reduce((a, b) => a + b, 0);
const mean = (list) => (list.length ? sum(list) / list.length : null);
export function quantile(list, q) {
  if (!list.length) return null;
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

/** [{ at, ms }]: how long each shown picture took from the camera, by the numbers in the film. */
export function delays(sent, received) {
  // Numbers begin again every five seconds; the sender's go on.
  const taken = [];
  for (const { number, taken: t, at } of sent) {
    if (number === null) continue;
    const last = taken.at(-1);
    const index = last ? last.index + ((((number - last.index) % FILM.pictures) + FILM.pictures) % FILM.pictures) : number;
    if (!last || index > last.index) taken.push({ index, at: t ?? at });
  }
  const latestBefore = (holds) => {
    let [low, high] = [-1, taken.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (holds(taken[middle])) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const out = [];
  for (const { number, at } of received) {
    const newest = taken[latestBefore((s) => s.at <= at)];
    if (number === null || !newest) continue;
    const index = newest.index - ((((newest.index - number) % FILM.pictures) + FILM.pictures) % FILM.pictures);
    // The sender's page may have missed a picture that went out: between its neighbours.
    const before = latestBefore((s) => s.index <= index);
    const [a, b] = [taken[before], taken[before + 1]];
    if (!a) continue;
    const t = a.index === index || !b ? a.at : a.at + ((b.at - a.at) * (index - a.index)) / (b.index - a.index);
    out.push({ at, ms: at - t });
  }
  return out;
}

/** [{ from, to }]: where the picture stood, the end of the run included. */
export function gaps(frames, end) {
  const times = [...frames.map((f) => f.at), end];
  const out = [];
  for (let i = 1; i < times.length; i++) if (times[i] - times[i - 1] > GAP_MS) out.push({ from: times[i - 1], to: times[i] });
  return out;
}

/** [{ at, rate }]: the bottleneck, from its beginning; rate 0 is none. */
export function rates(network) {
  const out = [];
  for (const l of network) if (l.direction === "down" && out.at(-1)?.rate !== l.rate) out.push({ at: l.t_ms, rate: l.rate });
  return out;
}

const rateAt = (steps, at) => steps.findLast((s) => s.at <= at)?.rate ?? 0;
const settledAt = (steps, began, at) => at - Math.max(began, steps.findLast((s) => s.at <= at)?.at ?? began) >= SETTLED_MS;

/** s from the bottleneck's widening until a second of pictures as large and nearly as many as before it narrowed. */
function recovery(steps, frames, end) {
  const up = steps.findLastIndex((s, i) => i > 1 && s.rate > steps[i - 1].rate);
  if (up < 0) return null;
  const narrowed = steps[up - 1].at;
  const before = frames.filter((f) => f.at >= narrowed - 4000 && f.at < narrowed);
  if (!before.length) return null;
  const height = quantile(before.map((f) => f.height), 0.5);
  const enough = (before.length / 4) * 0.75;
  for (const f of frames) {
    if (f.at < steps[up].at || f.at + 1000 > end) continue;
    const second = frames.filter((g) => g.at >= f.at && g.at < f.at + 1000);
    if (f.height >= height && second.length >= enough && second.every((g) => g.height >= height)) return (f.at - steps[up].at) / 1000;
  }
  return Infinity;
}

export function figures(run) {
  const { began, seconds, received, sent, network } = run;
  const end = began + seconds * 1000;
  const frames = received.frames.filter((f) => f.at <= end);
  const last = received.samples.filter((s) => s.at <= end + 1000).at(-1)?.inbound ?? {};
  const [video, audio] = [last.video ?? {}, last.audio ?? {}];
  const first = frames[0]?.at;
  const shown = first === undefined ? 0 : (end - first) / 1000;
  const down = network.filter((l) => l.direction === "down");
  const steps = rates(network);
  const settled = down.filter((l) => l.rate > 0 && settledAt(steps, began, l.t_ms));
  const estimates = run.estimates.filter((e) => e.bps !== null && e.at > began && e.at <= end && rateAt(steps, e.at) > 0 && settledAt(steps, began, e.at));
  const stood = gaps(frames, end);
  const took = delays(sent.frames, frames).map((d) => d.ms);
  const lips = received.samples
    .map(({ inbound: { video: v, audio: a } }) => (v?.estimatedPlayoutTimestamp && a?.estimatedPlayoutTimestamp ? Math.abs(v.estimatedPlayoutTimestamp - a.estimatedPlayoutTimestamp) : null))
    .filter((ms) => ms !== null);
  const buffer = (s) => (s.jitterBufferEmittedCount ? (1000 * s.jitterBufferDelay) / s.jitterBufferEmittedCount : null);
  const capacity = mean(down.filter((l) => l.rate > 0).map((l) => l.rate / 1000));
  const delivered = (sum(down.map((l) => l.out_bytes)) * 8) / 1000 / seconds;
  return {
    void: run.busy.mean > BUSY_LIMIT,
    busyPercent: run.busy.mean * 100,
    busyPeakPercent: run.busy.peak * 100,
    joinMs: first === undefined ? null : first - began,
    freezeCount: video.freezeCount ?? null,
    freezeSeconds: video.totalFreezesDuration ?? null,
    // The browser counts a freeze when it ends: not one that lasts until the end of the run.
    frozenSeconds: first === undefined ? seconds : (video.totalFreezesDuration ?? 0) + (stood.at(-1)?.to === end ? (end - stood.at(-1).from) / 1000 : 0),
    stoodSeconds: first === undefined ? seconds : sum(stood.map((g) => g.to - g.from)) / 1000,
    longestGapMs: stood.length ? Math.max(...stood.map((g) => g.to - g.from)) : 0,
    fps: shown > 0 ? (video.framesDecoded ?? 0) / shown : 0,
    height: quantile(frames.map((f) => f.height), 0.5),
    fullSizePercent: frames.length ? (100 * frames.filter((f) => f.height >= FILM.height).length) / frames.length : null,
    quantiser: video.framesDecoded ? video.qpSum / video.framesDecoded : null,
    concealedPercent: audio.totalSamplesReceived ? (100 * (audio.concealedSamples - audio.silentConcealedSamples)) / audio.totalSamplesReceived : null,
    delayMs: quantile(took, 0.5),
    delay95Ms: quantile(took, 0.95),
    videoBufferMs: buffer(video),
    audioBufferMs: buffer(audio),
    lipsMs: quantile(lips, 0.5),
    lips95Ms: quantile(lips, 0.95),
    deliveredKbps: delivered,
    capacityKbps: capacity,
    usedPercent: capacity ? (100 * delivered) / capacity : null,
    estimatePercent: mean(estimates.map((e) => (100 * e.bps) / rateAt(steps, e.at))),
    queueMs: settled.length ? sum(settled.map((l) => l.wait_ms * l.out)) / Math.max(1, sum(settled.map((l) => l.out))) : null,
    queue95Ms: quantile(settled.map((l) => l.wait_max_ms), 0.95),
    recoverSeconds: recovery(steps, frames, end),
    lostPercent: down.length ? (100 * sum(down.map((l) => l.lost))) / Math.max(1, sum(down.map((l) => l.in))) : null,
    droppedPackets: sum(down.map((l) => l.dropped)),
    keyFrames: video.keyFramesDecoded ?? null,
    nacks: video.nackCount ?? null,
    cpuSeconds: run.cpuSeconds,
    checkedPackets: run.checked.down.checked,
    // What the browsers send is not the server's doing, but it is said.
    reusedIndexes: run.checked.down.reused,
    reusedByBrowsers: run.checked.up.reused,
  };
}

/** What is wanted of Parley beside Janus in one scenario: [{ what, value, limit, met }]; met is null where it cannot be told. */
export function wanted(scenario, seconds, parley, janus) {
  const sound = parley && !parley.void;
  const compared = sound && janus && !janus.void;
  const out = [];
  // Also where the machine was too busy: that excuses nothing.
  if (parley) out.push({ what: "SRTP indexes used twice", value: parley.reusedIndexes, limit: 0, met: parley.reusedIndexes === 0 });
  const add = (what, value, limit, ok, told) => out.push({ what, value, limit, met: told && value !== null && value !== undefined ? ok : null });
  const minute = 60 / seconds;
  if (scenario !== "clean" && parley) {
    const freeze = parley.frozenSeconds * minute;
    const limit = janus ? Math.max(0.5, (janus.frozenSeconds * minute) / 2) : null;
    add("frozen, s a minute", freeze, limit ?? 0.5, freeze <= (limit ?? 0.5), compared || (sound && freeze <= 0.5));
    const share = parley.concealedPercent;
    add("audio concealed, % (half of Janus')", share, janus ? janus.concealedPercent / 2 : null, janus && share <= janus.concealedPercent / 2, compared);
  }
  if (scenario === "loss-10" && parley) add("audio concealed, %", parley.concealedPercent, 5, parley.concealedPercent <= 5, sound);
  if (parley?.capacityKbps && !/step/.test(scenario))
    add("estimate after 10 s, % of the bottleneck", parley.estimatePercent, "70–95", parley.estimatePercent >= 70 && parley.estimatePercent <= 95, sound);
  if (parley?.capacityKbps) add("queue when settled, ms", parley.queueMs, 150, parley.queueMs < 150, sound);
  if (/step/.test(scenario) && parley) add("back at full size, s", parley.recoverSeconds, 8, parley.recoverSeconds <= 8, sound);
  if (parley) add("lips (95 of 100), ms", parley.lips95Ms, 40, parley.lips95Ms <= 40, sound);
  return out;
}
