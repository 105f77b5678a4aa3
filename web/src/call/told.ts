/* What the server was told of this person, and what it says of them itself.
 *
 * One request at a time, of what has changed only; what changes meanwhile follows. Where the server says something
 * that it was not told (whoever started the call has muted this person, another device has paused), the page obeys. */
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import type { Call, Member } from '../api/types'
import type { DeviceKind } from './devices'

/** As the others should see this person; audio and video are true when they are muted. */
export interface Own {
  audio: boolean
  video: boolean
  paused: boolean
  hand: boolean
  sharing: boolean
}

export type OwnChange = Parameters<Api['updateMember']>[1]

export interface ToldHandlers {
  /** This person as the server knows them; null while it would not listen. */
  mine(): Member | null
  own(): Own
  send(change: OwnChange): Promise<Call>
  onCall(call: Call): void
  /** Somebody else has switched it off. */
  onMuted(kind: DeviceKind): void
  onPaused(paused: boolean): void
  onHand(hand: boolean): void
}

const AGAIN_AFTER_MS = 2_000

export class Told {
  private readonly handlers: ToldHandlers
  private told: Own | null = null
  private telling = false

  constructor(handlers: ToldHandlers) {
    this.handlers = handlers
  }

  /** Something may have changed here. */
  tell(): void {
    const mine = this.handlers.mine()
    if (this.telling || !mine) return
    const told = (this.told ??= {
      ...mine.muted,
      paused: mine.state === 'paused',
      hand: mine.hand,
      sharing: mine.sharing,
    })
    const own = this.handlers.own()
    const change: OwnChange = {}
    if (told.audio !== own.audio || told.video !== own.video)
      change.muted = { audio: own.audio, video: own.video }
    for (const field of ['paused', 'hand', 'sharing'] as const)
      if (told[field] !== own[field]) change[field] = own[field]
    if (Object.keys(change).length === 0) return
    this.telling = true
    this.handlers
      .send(change)
      .then(
        (call) => {
          this.told = own
          this.telling = false
          this.handlers.onCall(call)
        },
        (error: unknown) => {
          this.telling = false
          if (error instanceof ApiError && error.passing) setTimeout(() => this.tell(), AGAIN_AFTER_MS)
          else this.told = own
        },
      )
      .catch(() => undefined)
  }

  /** The server says this of this person. */
  obey(mine: Member): void {
    const { told } = this
    if (told === null || this.telling) return
    if (mine.muted.audio && !told.audio && !this.handlers.own().audio) {
      told.audio = true
      this.handlers.onMuted('microphone')
    }
    if (mine.muted.video && !told.video && !this.handlers.own().video) {
      told.video = true
      this.handlers.onMuted('camera')
    }
    const paused = mine.state === 'paused'
    if (paused !== told.paused && (paused || mine.state === 'joined')) {
      told.paused = paused
      this.handlers.onPaused(paused)
    }
    if (mine.hand !== told.hand) {
      told.hand = mine.hand
      this.handlers.onHand(mine.hand)
    }
  }
}
