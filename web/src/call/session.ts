/* One call as this page takes part in it, from the click to its end. The parts know nothing of each other; here they
 * are put together:
 *
 *   capture, sharing   own microphone, camera and screen      transport        the way to the server
 *   sent               what of them goes over it              seats            who is seen and heard
 *   told               what the others should see             speaking, flow   who speaks, how well it flows
 *
 * Whoever makes a session feeds it with every newer state of its call (`update`), the `seats`, `layers` and
 * `media.lost` events, and shows what `onView` hands out. It ends exactly once, with `onEnd`.
 *
 * Three things run side by side from the click on: the permission question, the request that starts or
 * answers the call, and then the offer. None waits for another without need. */
import { t } from '@lingui/core/macro'
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import type { Call, Member, Seat, User } from '../api/types'
import { Capture } from './capture'
import type { DeviceKind, Taken } from './devices'
import type { CallFlow } from './flow'
import { FlowWatch } from './flow'
import { isGone, isHere, memberOf, othersIn } from './model'
import type { MakePeer, SentKind } from './peer'
import type { Screen } from './screen'
import { Seats } from './seats'
import type { Ending } from './sentences'
import { Sent } from './sent'
import { Sharing } from './sharing'
import type { SoundsLike } from './sounds'
import type { Speaking } from './speaking'
import { Speakers } from './speaking'
import type { Sample } from './stats'
import type { OwnChange } from './told'
import { Told } from './told'
import { Transport } from './transport'
import type { SessionView } from './view'

export interface SessionDeps {
  api: Pick<
    Api,
    'startCall' | 'answerCall' | 'leaveCall' | 'getCall' | 'updateMember' | 'openMedia' | 'updateMedia'
  >
  makePeer: MakePeer
  takeDevices(want: { microphone: boolean; camera: boolean }): Promise<Taken>
  /** Null when the person chose nothing. */
  takeScreen?(): Promise<Screen | null>
  makeSounds?(onBlocked: (blocked: boolean) => void): SoundsLike
  iceServers(): Promise<RTCIceServer[]>
}

export interface SessionHandlers {
  onView(view: SessionView): void
  /** A request brought a state of the call; gives the newest one that is known, if that is another. */
  onCall(call: Call): Call | void
  onEnd(ending: Ending, call: Call | null, problem?: ApiError): void
  onSpeaking?(speaking: Speaking): void
  onFlow?(flow: CallFlow): void
  /** Something that a person should be told and has not done. */
  onNews?(news: SessionNews): void
  /** The media are silent: perhaps the whole network is away. */
  onDoubt?(): void
}

export type SessionNews = 'muted_by_other' | 'camera_off_by_other' | 'screen_failed' | 'device_replaced'

export type SessionStart =
  | { origin: 'outgoing'; id: string; invite: User[]; video: boolean }
  | { origin: 'incoming'; call: Call; video: boolean }
  | { origin: 'return'; call: Call }

const LEVELS_EVERY_MS = 250

/** A fault of this page or its browser: the details are for the console, not for the person. */
function unexpected(error: unknown): ApiError {
  console.error(error)
  return new ApiError('unknown', t`This browser could not set up the call. Reload the page and call again.`)
}

export class CallSession {
  private readonly meId: string
  private readonly deps: SessionDeps
  private readonly handlers: SessionHandlers
  private readonly origin: SessionView['origin']
  private readonly people: User[]
  private readonly video: boolean

  private call: Call | null = null
  private over = false
  private removed = false
  private ringsOn = 0
  private since: number | null = null
  private hand = false
  private talkKey = false
  private soundBlocked = false
  private noRoom = false

  private readonly capture: Capture
  private readonly sharing: Sharing
  private readonly sent: Sent
  private readonly told: Told
  private readonly transport: Transport
  private readonly seats = new Seats()
  private readonly speakers: Speakers
  private readonly flow = new FlowWatch()
  private readonly sounds: SoundsLike | null
  private readonly levelTimer: ReturnType<typeof setInterval>

  constructor(meId: string, start: SessionStart, deps: SessionDeps, handlers: SessionHandlers) {
    this.meId = meId
    this.deps = deps
    this.handlers = handlers
    this.origin = start.origin
    this.video = start.origin === 'return' ? start.call.video : start.video
    this.people =
      start.origin === 'outgoing' ? start.invite : othersIn(start.call, meId).map((member) => member.user)
    const mine = start.origin === 'return' ? memberOf(start.call, meId) : undefined
    this.hand = mine?.hand ?? false
    this.capture = this.makeCapture({
      microphone: !mine?.muted.audio,
      camera: mine ? !mine.muted.video : this.video,
    })
    this.sharing = this.makeSharing()
    this.sent = new Sent(this.capture, this.sharing, mine?.state === 'paused', (kind, track) =>
      this.transport.put(kind, track),
    )
    this.told = this.makeTold()
    this.transport = this.makeTransport()
    this.speakers = new Speakers(meId, (speaking) => handlers.onSpeaking?.(speaking))
    this.sounds =
      deps.makeSounds?.((blocked) => {
        this.soundBlocked = blocked
        this.publish()
      }) ?? null
    this.levelTimer = setInterval(() => this.watchLevels(), LEVELS_EVERY_MS)
    void this.capture.acquire('microphone', 'camera')
    void this.begin(start)
  }

  get callId(): string | null {
    return this.call?.id ?? null
  }

  // ---- what the server says

  update(call: Call): void {
    if (this.over || (this.call && (call.id !== this.call.id || call.version < this.call.version))) return
    this.seats.noteSharing(this.call, call)
    this.call = call
    const mine = memberOf(call, this.meId)
    if (call.state === 'ended') return this.finish('over')
    if (mine && (mine.state === 'left' || mine.state === 'missed'))
      return this.finish(this.removed ? 'removed' : 'lost')
    if (mine) this.told.obey(mine)
    if (call.state === 'active' && this.since === null)
      this.since =
        this.origin === 'return'
          ? Math.min(Date.now(), Date.parse(call.answered_at ?? call.created_at))
          : Date.now()
    this.told.tell()
    this.publish()
  }

  seatsChanged(seats: Seat[]): void {
    if (this.over) return
    this.seats.changed(seats)
    this.publish()
  }

  /** Who is to be looked at. */
  speakerIs(id: string | null): void {
    this.speakers.serverSays(id)
    this.watchLevels()
  }

  /** Whoever started the call has removed this person. */
  wasRemoved(): void {
    this.removed = true
  }

  /** What somebody watches of what is sent on that m-line. */
  layersChanged(mid: string, layers: readonly { rid: string; active: boolean }[]): void {
    const active = layers.filter((layer) => layer.active).map(({ rid }) => rid)
    this.transport.setLayers(mid, new Set(active))
  }

  /** How many bits a second what is heard on that m-line should take at most; null: as it likes. */
  soundChanged(mid: string, bitrate: number | null): void {
    this.transport.setSound(mid, bitrate)
  }

  /** Events were missed, perhaps: nothing stays off that somebody has begun to watch. */
  eventsResumed(): void {
    this.transport.allLayers()
  }

  mediaLost(action: 'ice_restart' | 'rejoin'): void {
    this.transport.lost(action)
  }

  // ---- what happens around the page

  /** The network changed or came back. */
  networkChanged(): void {
    this.transport.networkChanged()
  }

  /** The page is looked at again, perhaps after a phone call. */
  looked(): void {
    this.capture.looked()
  }

  /** Asks the server how the call is; for when events may have been missed. */
  async check(): Promise<void> {
    if (!this.call) return
    try {
      this.learn(await this.deps.api.getCall(this.call.id))
    } catch (error) {
      if (error instanceof ApiError && error.code === 'not_found') this.finish('lost')
    }
  }

  /** The call goes on in another tab; nothing is said to the server. */
  moved(): void {
    this.finish('moved')
  }

  // ---- what the person does

  leave(): void {
    const call = this.call
    this.finish('left')
    if (call) void this.sayLeave(call.id)
  }

  toggleMicrophone(): void {
    this.talkKey = false
    this.toggle('microphone')
  }

  toggleCamera(): void {
    this.toggle('camera')
  }

  /** Push to talk: heard while the key is down, if the microphone is muted. */
  holdToTalk(down: boolean): void {
    if (down === this.talkKey || (down && this.capture.isOn('microphone'))) return
    this.talkKey = down
    this.toggle('microphone')
  }

  togglePause(): void {
    if (this.over || !this.call) return
    this.sent.pause(!this.sent.paused)
    this.told.tell()
    this.publish()
  }

  toggleHand(): void {
    if (this.over || !this.call) return
    this.hand = !this.hand
    this.told.tell()
    this.publish()
  }

  toggleScreen(): Promise<void> {
    return this.sharing.toggle()
  }

  hear(): void {
    this.sounds?.resume()
  }

  setSpeaker(id: string): void {
    this.sounds?.setSpeaker(id)
  }

  /** Another microphone or camera was chosen: from now on that one. */
  deviceChosen(kind: DeviceKind): void {
    this.capture.chosen(kind)
  }

  /** Asks again for what was refused, in use or missing. */
  retry(kinds: DeviceKind[]): void {
    this.capture.retry(kinds)
  }

  /** "Join without video": stop asking. */
  without(kinds: DeviceKind[]): void {
    this.capture.without(kinds)
  }

  // ---- the call

  private async begin(start: SessionStart): Promise<void> {
    this.publish()
    try {
      if (start.origin === 'outgoing') {
        const { call, ringing } = await this.deps.api.startCall(
          start.id,
          start.invite.map((user) => user.id),
          start.video,
        )
        if (this.over) return void this.sayLeave(call.id)
        this.ringsOn = ringing.reduce((sum, { devices }) => sum + devices, 0)
        this.learn(call)
      } else if (start.origin === 'incoming') {
        this.call = start.call
        this.publish()
        const call = await this.deps.api.answerCall(start.call.id)
        if (this.over) return void this.sayLeave(call.id)
        this.learn(call)
      } else {
        this.learn(start.call)
      }
    } catch (error) {
      return this.refused(error)
    }
    if (!this.over && this.call) await this.transport.start(this.call.id)
  }

  /** A request about the call as such failed for good. */
  private refused(error: unknown): void {
    if (this.over) return
    const problem = error instanceof ApiError ? error : unexpected(error)
    const { call } = problem
    const mine = call && call.id === this.call?.id && memberOf(call, this.meId)
    if (call?.state === 'active' && mine && isGone(mine)) {
      this.call = call
      // Before anybody else hears of it: for a call that one was in, this would be a loss.
      this.finish('kept_out')
    }
    if (call) this.handlers.onCall(call)
    if (mine) this.update(call)
    if (problem.code === 'answered_elsewhere') this.finish('answered_elsewhere')
    else if (problem.code === 'not_found') this.finish('over')
    else this.finish('lost', problem)
  }

  /** The server wants no transport. In how many ms to try again; null: that is no use, and the call is over here. */
  private async mediaRefused(error: unknown): Promise<number | null> {
    const end = (ending: Ending, problem?: ApiError) => {
      this.finish(ending, problem)
      return null
    }
    if (!(error instanceof ApiError)) return end('lost', unexpected(error))
    this.noRoom = error.code === 'at_capacity'
    this.publish()
    switch (error.code) {
      case 'answered_elsewhere':
        return end('answered_elsewhere')
      case 'not_found':
      case 'wrong_state':
      case 'not_joined':
        if (error.call) this.learn(error.call)
        else await this.check()
        return this.mine() ? 0 : end('lost')
      default:
        if (error.passing || error.code === 'too_many_requests') return error.retryAfterMs ?? 0
        return end('lost', error)
    }
  }

  private learn(call: Call): void {
    // An event may have been faster than this answer: then what is known already is newer.
    this.update(this.handlers.onCall(call) ?? call)
  }

  private async sayLeave(callId: string): Promise<void> {
    try {
      this.handlers.onCall(await this.deps.api.leaveCall(callId))
    } catch {
      // The server notices by itself that nobody is there.
    }
  }

  private finish(ending: Ending, problem?: ApiError): void {
    if (this.over) return
    this.over = true
    clearInterval(this.levelTimer)
    this.transport.close()
    this.sounds?.close()
    this.capture.close()
    this.sharing.close()
    this.handlers.onEnd(ending, this.call, problem)
  }

  /** This person as the server knows them; null where it would not listen to them. */
  private mine(): Member | null {
    const mine = this.call && memberOf(this.call, this.meId)
    if (this.over || !mine) return null
    return isHere(mine) || this.call?.started_by === this.meId ? mine : null
  }

  // ---- the parts

  private makeCapture(want: Record<DeviceKind, boolean>): Capture {
    return new Capture((what) => this.deps.takeDevices(what), want, {
      onAsking: () => this.publish(),
      onTrack: (kind) => this.carry(kind),
      onReplaced: () => this.handlers.onNews?.('device_replaced'),
    })
  }

  private makeSharing(): Sharing {
    return new Sharing(this.deps.takeScreen, {
      onAsking: () => this.publish(),
      onTrack: () => this.carry('screen', 'screen_audio'),
      onFailed: () => this.handlers.onNews?.('screen_failed'),
    })
  }

  private makeTold(): Told {
    return new Told({
      mine: () => this.mine(),
      own: () => ({
        audio: !this.capture.isOn('microphone'),
        video: !this.capture.isOn('camera'),
        paused: this.sent.paused,
        hand: this.hand,
        sharing: this.sharing.state === 'on',
      }),
      send: (change: OwnChange) => this.deps.api.updateMember(this.call?.id ?? '', change),
      onCall: (call) => this.learn(call),
      onMuted: (kind) => {
        this.handlers.onNews?.(kind === 'microphone' ? 'muted_by_other' : 'camera_off_by_other')
        this.talkKey = false
        this.toggle(kind)
      },
      onPaused: (paused) => this.sent.pause(paused),
      onHand: (hand) => (this.hand = hand),
    })
  }

  private makeTransport(): Transport {
    return new Transport(this.deps, {
      tracks: () => this.sent.tracks(),
      onOpening: () => this.seats.begin(),
      onChange: () => this.publish(),
      onRefused: (error) => this.mediaRefused(error),
      onSample: (sample) => this.watchFlow(sample),
      onDoubt: () => this.handlers.onDoubt?.(),
    })
  }

  // ---- what is sent

  /** Puts what there is onto its m-lines and tells everybody. */
  private carry(...kinds: SentKind[]): void {
    this.sent.carry(...kinds)
    this.told.tell()
    this.publish()
  }

  private toggle(kind: DeviceKind): void {
    if (this.over) return
    this.capture.toggle(kind)
    this.told.tell()
    this.publish()
  }

  // ---- what is seen and heard

  private present(): Member[] {
    return this.call ? othersIn(this.call, this.meId).filter(isHere) : []
  }

  private watchLevels(): void {
    if (this.over) return
    const voices = this.seats.voices()
    const byMid = this.transport.levels(new Set(voices.keys()))
    if (!byMid) return
    const levels = new Map<string, number>()
    for (const [mid, member] of voices) {
      const level = byMid.get(mid)
      if (level !== undefined) levels.set(member, level)
    }
    this.speakers.heard(levels, Date.now())
  }

  private watchFlow(sample: Sample | null): void {
    const flow = this.flow.next(sample, {
      meId: this.meId,
      present: this.present(),
      sentOn: (kind) => this.transport.sentOn(kind),
      midOf: (id, kind) => this.seats.midOf(id, kind),
    })
    if (flow) this.handlers.onFlow?.(flow)
  }

  private publish(): void {
    if (this.over) return
    const { tiles, screens, heard } = this.seats.look(this.present(), this.transport.receivers())
    // Paused is paused, also for what is still on its way.
    this.sounds?.play(this.sent.paused ? [] : heard)
    this.handlers.onView({
      origin: this.origin,
      call: this.call,
      people: this.call ? othersIn(this.call, this.meId).map((member) => member.user) : this.people,
      video: this.video,
      ringsOn: this.ringsOn,
      media: this.transport.state,
      noRoom: this.noRoom && this.transport.state !== 'connected',
      since: this.since,
      microphone: this.capture.state('microphone'),
      camera: this.capture.state('camera'),
      microphoneOn: this.capture.isOn('microphone'),
      cameraOn: this.capture.isOn('camera'),
      self: this.capture.self,
      voice: this.capture.track('microphone'),
      tiles,
      screens,
      sharing: this.sharing.state,
      shared: this.sharing.stream,
      paused: this.sent.paused,
      hand: this.hand,
      soundBlocked: this.soundBlocked,
    })
  }
}
