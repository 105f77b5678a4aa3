/* Who speaks now, from sound levels, and once the server says so, as it says. Pure but for its memory. */

const LOUD = 0.02
const HOLD_MS = 700
/** Who takes the stage must have spoken this long, or the picture would jump at every cough. */
const TAKES_AFTER_MS = 900

export interface Speaking {
  /** Everybody who can be heard speaking, in no order. */
  ids: string[]
  /** The one to look at; stays when all are silent. */
  main: string | null
}

export class SpeakerWatch {
  private readonly since = new Map<string, number>()
  private readonly until = new Map<string, number>()
  private main: string | null = null

  /** Levels of 0 to 1 by person, at a time in ms. */
  heard(levels: ReadonlyMap<string, number>, now: number): Speaking {
    for (const [id, level] of levels) {
      if (level < LOUD) continue
      if ((this.until.get(id) ?? 0) < now) this.since.set(id, now)
      this.until.set(id, now + HOLD_MS)
    }
    const ids = [...this.until].filter(([, until]) => until >= now).map(([id]) => id)
    if (this.main === null || !ids.includes(this.main)) {
      const longest = ids.toSorted((a, b) => (this.since.get(a) ?? 0) - (this.since.get(b) ?? 0))[0]
      const spoken = longest === undefined ? 0 : now - (this.since.get(longest) ?? now)
      if (longest !== undefined && (this.main === null || spoken >= TAKES_AFTER_MS)) this.main = longest
    }
    return { ids, main: this.main }
  }

  forget(id: string): void {
    this.since.delete(id)
    this.until.delete(id)
    if (this.main === id) this.main = null
  }
}

export const sameSpeaking = (a: Speaking, b: Speaking): boolean =>
  a.main === b.main && a.ids.length === b.ids.length && a.ids.every((id) => b.ids.includes(id))

/** The server hears everybody, also those without a seat here: once it has said anything, it says who is to be looked
 * at, and the levels say who can be heard beside. */
export class Speakers {
  private readonly meId: string
  private readonly onChange: (speaking: Speaking) => void
  private readonly watch = new SpeakerWatch()
  private speaking: Speaking = { ids: [], main: null }
  private serverSpeaks = false
  private loudest: string | null = null

  constructor(meId: string, onChange: (speaking: Speaking) => void) {
    this.meId = meId
    this.onChange = onChange
  }

  /** Counts with the next levels. */
  serverSays(loudest: string | null): void {
    this.loudest = loudest
    this.serverSpeaks = true
  }

  /** Levels of 0 to 1 by person, at a time in ms. */
  heard(levels: ReadonlyMap<string, number>, now: number): void {
    const heard = this.watch.heard(levels, now)
    const { loudest } = this
    if (!this.serverSpeaks) return this.set(heard)
    const ids = loudest === null || heard.ids.includes(loudest) ? heard.ids : [...heard.ids, loudest]
    // Nobody looks at oneself; and when all are silent the last one stays.
    const main = loudest === null || loudest === this.meId ? this.speaking.main : loudest
    this.set({ ids, main })
  }

  private set(speaking: Speaking): void {
    if (sameSpeaking(speaking, this.speaking)) return
    this.speaking = speaking
    this.onChange(speaking)
  }
}
