/* How the media flow, person by person: what the browser counts on the m-lines, sorted by who sits on them. */
import type { Member, Seat } from '../api/types'
import type { SentKind } from './peer'
import type { Bars, LineFlow, Sample } from './stats'
import { barsOf, flowBetween, SteadyBars } from './stats'

export interface PersonFlow {
  bars: Bars
  audio: LineFlow | null
  video: LineFlow | null
  screen: LineFlow | null
}

/** For the marks and the details. */
export interface CallFlow {
  rtt: number | null
  available: number | null
  own: PersonFlow
  people: Record<string, PersonFlow>
}

/** Who is on which m-line now. */
export interface Lines {
  meId: string
  present: readonly Member[]
  sentOn(kind: SentKind): string | null
  midOf(id: string, kind: Seat['kind']): string | undefined
}

export class FlowWatch {
  private last: Sample | null = null
  private readonly bars = new Map<string, SteadyBars>()

  /** A second has passed; null when there is nothing to compare the sample with. */
  next(sample: Sample | null, lines: Lines): CallFlow | null {
    const flow = sample && flowBetween(this.last, sample)
    this.last = sample
    if (!flow) return null
    const line = (mid: string | null | undefined, way: LineFlow['way']) =>
      flow.lines.find((one) => one.mid === mid && one.way === way) ?? null
    // What is off is not there, so the order says nothing.
    const sent = (kind: SentKind) => line(lines.sentOn(kind), 'out')
    const person = (id: string, audio: LineFlow | null, video: LineFlow | null, screen: LineFlow | null) => {
      const steady = this.bars.get(id) ?? new SteadyBars()
      this.bars.set(id, steady)
      const loss = Math.max(audio?.loss ?? 0, video?.loss ?? 0, screen?.loss ?? 0)
      return { bars: steady.next(barsOf(loss, flow.rtt)), audio, video, screen }
    }
    const people: CallFlow['people'] = {}
    for (const { user } of lines.present) {
      const seat = (kind: Seat['kind']) => line(lines.midOf(user.id, kind), 'in')
      people[user.id] = person(user.id, seat('microphone'), seat('camera'), seat('screen'))
    }
    return {
      rtt: flow.rtt,
      available: flow.available,
      own: person(lines.meId, sent('microphone'), sent('camera'), sent('screen')),
      people,
    }
  }
}
