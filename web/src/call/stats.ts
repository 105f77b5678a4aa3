/* What getStats says, made comparable: a sample a second, and what flowed between two of them. Pure functions. */

export interface LineSample {
  mid: string
  kind: 'audio' | 'video'
  way: 'in' | 'out'
  bytes: number
  packets: number
  lost: number
  /** Lost on the way to the server, as it says; only for what is sent. */
  remoteLoss: number | null
  /** Seconds to the server and back, as it says; only for what is sent. */
  remoteRtt: number | null
  width: number | null
  height: number | null
  fps: number | null
  codec: string | null
}

export interface Sample {
  at: number
  heard: number | null
  /** Seconds. */
  rtt: number | null
  /** Bits a second that the browser dares to send. */
  available: number | null
  lines: LineSample[]
}

export interface LineFlow {
  mid: string
  kind: 'audio' | 'video'
  way: 'in' | 'out'
  /** Bits a second. */
  bitrate: number
  /** 0 to 1. */
  loss: number
  width: number | null
  height: number | null
  fps: number | null
  codec: string | null
}

export interface Flow {
  rtt: number | null
  available: number | null
  lines: LineFlow[]
}

type Entry = Record<string, unknown>

const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

export function readSample(report: RTCStatsReport, at: number): Sample {
  const entries: Entry[] = []
  report.forEach((entry: Entry) => entries.push(entry))
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  const sample: Sample = { at, heard: null, rtt: null, available: null, lines: [] }
  for (const entry of entries) {
    if (entry.type === 'candidate-pair' || entry.type === 'transport') {
      for (const field of ['responsesReceived', 'bytesReceived']) {
        const value = number(entry[field])
        if (value !== null) sample.heard = (sample.heard ?? 0) + value
      }
      const used = entry.nominated === true && entry.state === 'succeeded'
      if (entry.type === 'candidate-pair' && used) {
        sample.rtt = number(entry.currentRoundTripTime) ?? sample.rtt
        sample.available = number(entry.availableOutgoingBitrate) ?? sample.available
      }
    } else if (entry.type === 'inbound-rtp' || entry.type === 'outbound-rtp') {
      const line = readLine(entry, byId)
      if (line) merge(sample.lines, line)
    }
  }
  return sample
}

/** Rises while anything but answers to checks arrives; null when that is not told. Firefox has no transports: there each
 * way counts what came over it. */
export function arrivedIn(report: RTCStatsReport): number | null {
  let transports: number | null = null
  let pairs: number | null = null
  report.forEach((entry: Entry) => {
    if (entry.type === 'transport') {
      const count = number(entry.packetsReceived) ?? number(entry.bytesReceived)
      if (count !== null) transports = (transports ?? 0) + count
    } else if (entry.type === 'candidate-pair') {
      const count = number(entry.bytesReceived)
      if (count !== null) pairs = (pairs ?? 0) + count
    }
  })
  return transports ?? pairs
}

function readLine(entry: Entry, byId: Map<unknown, Entry>): LineSample | null {
  if (typeof entry.mid !== 'string' || (entry.kind !== 'audio' && entry.kind !== 'video')) return null
  const inbound = entry.type === 'inbound-rtp'
  const mime = byId.get(entry.codecId)?.mimeType
  return {
    mid: entry.mid,
    kind: entry.kind,
    way: inbound ? 'in' : 'out',
    bytes: number(inbound ? entry.bytesReceived : entry.bytesSent) ?? 0,
    packets: number(inbound ? entry.packetsReceived : entry.packetsSent) ?? 0,
    lost: inbound ? Math.max(0, number(entry.packetsLost) ?? 0) : 0,
    remoteLoss: inbound ? null : number(byId.get(entry.remoteId)?.fractionLost),
    remoteRtt: inbound ? null : number(byId.get(entry.remoteId)?.roundTripTime),
    width: number(entry.frameWidth),
    height: number(entry.frameHeight),
    fps: number(entry.framesPerSecond),
    codec: typeof mime === 'string' ? (mime.split('/')[1] ?? null) : null,
  }
}

/** The layers of one camera are one line; the largest says the size. */
function merge(lines: LineSample[], line: LineSample): void {
  const known = lines.find((other) => other.mid === line.mid && other.way === line.way)
  if (!known) {
    lines.push(line)
    return
  }
  const [big, small] = (line.height ?? 0) > (known.height ?? 0) ? [line, known] : [known, line]
  Object.assign(known, {
    ...big,
    bytes: big.bytes + small.bytes,
    packets: big.packets + small.packets,
    lost: big.lost + small.lost,
    remoteLoss: Math.max(big.remoteLoss ?? 0, small.remoteLoss ?? 0),
    remoteRtt: big.remoteRtt ?? small.remoteRtt,
  })
}

/** What flowed between two samples; null when they do not follow each other. */
export function flowBetween(before: Sample | null, now: Sample): Flow | null {
  if (!before || now.at <= before.at) return null
  const seconds = (now.at - before.at) / 1000
  const lines: LineFlow[] = []
  for (const line of now.lines) {
    const old = before.lines.find((other) => other.mid === line.mid && other.way === line.way)
    if (!old) continue
    const bytes = line.bytes - old.bytes
    const packets = line.packets - old.packets
    if (bytes <= 0 || packets < 0) continue
    const lost = Math.max(0, line.lost - old.lost)
    const { mid, kind, way, width, height, fps, codec } = line
    const loss = way === 'in' ? lost / Math.max(1, lost + packets) : (line.remoteLoss ?? 0)
    lines.push({ mid, kind, way, bitrate: (bytes * 8) / seconds, loss, width, height, fps, codec })
  }
  return { rtt: now.rtt, available: now.available, lines }
}

export type Bars = 1 | 2 | 3 | 4

/** As a person would say how good it is: four bars are good, one is bad. */
export function barsOf(loss: number, rtt: number | null): Bars {
  const slow = rtt ?? 0
  if (loss > 0.15 || slow > 0.8) return 1
  if (loss > 0.06 || slow > 0.45) return 2
  if (loss > 0.02 || slow > 0.25) return 3
  return 4
}

/** Worse is believed at once, better only when it lasts: bars that flicker say nothing. */
export class SteadyBars {
  private bars: Bars = 4
  private better = 0

  next(measured: Bars): Bars {
    if (measured < this.bars) {
      this.bars = measured
      this.better = 0
    } else if (measured > this.bars) {
      if (++this.better >= 4) {
        this.bars = (this.bars + 1) as Bars
        this.better = 0
      }
    } else this.better = 0
    return this.bars
  }
}
