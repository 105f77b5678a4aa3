/* The way to the server may end without a word: a cable is pulled, a Wi-Fi is left, a router forgets. Browsers take 3 to
 * 8 s to believe it. Here silence is believed sooner, and ICE begins anew at once, without asking the server: its
 * connection for requests may have died with the rest.
 *
 * Why silence means something: while media flow, one way or the other, the server lets something be heard at least
 * every 0.3 s, a report of a few bytes when there is nothing else (mediad/report.h).
 *
 * Why nobody need be asked: the server only answers checks. It takes them under its ICE name with any letters
 * behind (mediad/ice.h), so the last answer under a new name is the answer to the new offer. */

/** What the watch needs to know and to do. */
export interface Way {
  /** How old the newest sound or picture is, in ms; null when there is none. */
  newest(): number | null
  /** Rises with everything that arrives; null when that cannot be told now. Has a price. */
  arrived(): Promise<number | null>
  /** Is anything of this person sent? */
  sends(): boolean
  /** Begins anew to look for a way. */
  restart(): Promise<void>
}

export const LOOK_EVERY_MS = 100
/** Sound and pictures come more often. */
const FLOWS_MS = 200
/** So long nothing at all, from the first look at everything that arrives. */
const SILENT_MS = 300
/** Who neither hears nor sends misses nothing. */
const MISSES_FOR_MS = 2_000
/** Once it is clear that the others are only silent. */
const CALM_EVERY_MS = 300
/** A look that came so late says that this machine stood still. */
const LATE_MS = 300
/** From one attempt to the next, growing: a network may have to come up first. */
const FIRST_WAIT_MS = 500
const WAIT_GROWS = 1.6
const STEADY_MS = 5_000

export class WayWatch {
  private readonly way: Way
  private looked = 0
  private looking = false
  private flowed = -Infinity
  /** When anything was last seen to arrive, and how much there was then. Null: not counted now. */
  private alive: { at: number; count: number } | null = null
  private calm = false
  private counted = 0
  private tried = -Infinity
  private wait = 0

  constructor(way: Way) {
    this.way = way
  }

  /** To be called every LOOK_EVERY_MS while there is a way. */
  async look(now: number): Promise<void> {
    const late = now - this.looked > LOOK_EVERY_MS + LATE_MS
    this.looked = now
    if (this.looking) return
    if (late) this.forget()
    const age = this.way.newest()
    if (age !== null && age < FLOWS_MS) {
      this.forget()
      this.flowed = now
      if (now - this.tried > STEADY_MS) this.wait = 0
      return
    }
    const sends = this.way.sends()
    if (!sends && now - this.flowed > MISSES_FOR_MS && this.wait === 0) return this.forget()
    if (this.calm && now - this.counted < CALM_EVERY_MS) return
    this.looking = true
    try {
      await this.count(now)
    } finally {
      this.looking = false
    }
  }

  /** What was is not the same way any more. */
  forget(): void {
    this.alive = null
    this.calm = false
  }

  private async count(now: number): Promise<void> {
    this.counted = now
    const count = await this.way.arrived()
    if (count === null) return this.forget()
    if (this.alive === null || count !== this.alive.count) {
      this.calm = this.alive !== null
      if (now - this.tried > STEADY_MS) this.wait = 0
      this.alive = { at: now, count }
      return
    }
    this.calm = false
    if (now - this.alive.at < SILENT_MS || now - this.tried < this.wait) return
    this.tried = now
    this.wait = this.wait === 0 ? FIRST_WAIT_MS : this.wait * WAIT_GROWS
    await this.way.restart()
  }
}

/** A pair's priority is first of all that of its lower candidate. With the server's half as high as they come, that is the
 * server's, and by one more a pair of a later restart beats any of before. Its order among its own is left out: there the
 * browser knows better which network it likes. What is over TCP stays below. */
const lowered = (priority: number, restarts: number) => Math.floor(priority / 65_536) * 32_768 + restarts

/**
 * The answer as this browser is to take it: under the server's ICE name for the n-th restart, with candidates that
 * come before those of earlier restarts. Else a browser stays for seconds on a dead pair whose network it likes better.
 */
export function answerAnew(answer: string, restarts: number, renamed: number): string {
  return answer
    .replace(/^(a=ice-ufrag:)(\S+)/gm, (_all, key: string, name: string) =>
      renamed === 0 ? key + name : key + name + renamed.toString(36).padStart(3, '0').slice(-3),
    )
    .replace(
      /^(a=candidate:\S+ \d+ \S+ )(\d+)/gm,
      (_all, head: string, priority: string) => head + lowered(Number(priority), restarts),
    )
}
