/* A way from here that hardly takes sound. Browsers send less picture where less fits, down to some 30 kbit/s, and sound
 * always at 32 kbit/s in 50 packets a second, which is twice as much with all headers; where that is more than fits,
 * most of it is lost. So here pictures stop, and sound is sent with fewer bits in longer packets.
 *
 *     all ──too much──▶ lean ──hold──▶ sound ──it fits──▶ all
 *                        ▲               │                 │
 *                        └───too much────┴─────────────────┘   and the next time it is held twice as long
 *
 * It is too much when the browser sends no more than it must, and that is late, as a queue stands before the narrowest
 * place, or much of it is lost. What it says that it dares to send (`availableOutgoingBitrate`) does not tell: Chromium
 * never says less than its streams take at least. That it would be enough again only shows when it is tried. */
import type { Sample } from './stats'

/** What is sent: everything; no pictures; and of the sound as little as can be. */
export type Thrift = 'all' | 'sound' | 'lean'

/** Bits a second, headers not counted: sound, and the least of pictures. */
const LITTLE = 160_000
/** Seconds beyond the shortest round trip. */
const LATE = 0.15
/** Less may be lost at random, which gets no better by sending less. */
const LOSSY = 0.25
const NARROW_FOR = 2
const HOLD_MS = 10_000
const HOLD_MAX_MS = 80_000
const TRIAL_MS = 8_000
const OVER_MS = 60_000

export class NarrowWatch {
  private is: Thrift = 'all'
  private since = -Infinity
  private hold = HOLD_MS
  private narrow = 0
  private shortest = Infinity
  /** Since sound is lean: what the way takes by itself, with no queue of ours on it. */
  private shortestLean = Infinity
  private last: { at: number; bytes: number } | null = null

  /** A second has passed. */
  next(sample: Pick<Sample, 'at' | 'lines'>): Thrift {
    const { at } = sample
    const sent = sample.lines.filter(({ way }) => way === 'out')
    this.narrow = this.sendsLittle(at, sent) && this.isHarmed(sent) ? this.narrow + 1 : 0
    const passed = at - this.since
    if (this.is === 'lean') {
      // Still as long: another way, over a mobile network perhaps, and no queue.
      if (passed >= this.hold && this.shortestLean < Infinity) this.shortest = this.shortestLean
      if (passed >= this.hold) this.move('sound', at)
    } else if (this.narrow >= NARROW_FOR) {
      if (passed < 2 * TRIAL_MS) this.hold = Math.min(this.hold * 2, HOLD_MAX_MS)
      this.move('lean', at)
    } else if (this.is === 'sound') {
      if (passed >= TRIAL_MS && this.narrow === 0) this.move('all', at)
    } else if (passed >= OVER_MS) this.hold = HOLD_MS
    return this.is
  }

  private sendsLittle(at: number, sent: Sample['lines']): boolean {
    const bytes = sent.reduce((sum, line) => sum + line.bytes, 0)
    const { last } = this
    this.last = { at, bytes }
    return last !== null && at > last.at && ((bytes - last.bytes) * 8000) / (at - last.at) < LITTLE
  }

  private isHarmed(sent: Sample['lines']): boolean {
    const rtts = sent.flatMap(({ remoteRtt }) => remoteRtt ?? [])
    this.shortest = Math.min(this.shortest, ...rtts)
    if (this.is === 'lean') this.shortestLean = Math.min(this.shortestLean, ...rtts)
    // What the server says of sound tells also how much of it is lost on the way to others.
    const pictures = sent.filter(({ kind }) => kind === 'video')
    const lost = (pictures.length > 0 ? pictures : sent).map(({ remoteLoss }) => remoteLoss ?? 0)
    return Math.max(0, ...rtts) >= this.shortest + LATE || Math.max(0, ...lost) >= LOSSY
  }

  private move(is: Thrift, at: number): void {
    this.is = is
    this.shortestLean = Infinity
    this.since = at
    this.narrow = 0
  }
}

/** Bits a second of the voice, and milliseconds in a packet. */
export const LEAN_BITRATE = 16_000
const LEAN_PACKET_MS = 60

/** The answer, asking for long packets on one m-line (RFC 8866, 6.4). */
export function withLongPackets(answer: string, mid: string | null): string {
  return answer
    .split(/^(?=m=)/m)
    .map((part) =>
      mid !== null && part.split('\r\n').includes(`a=mid:${mid}`)
        ? `${part}a=ptime:${LEAN_PACKET_MS}\r\n`
        : part,
    )
    .join('')
}
