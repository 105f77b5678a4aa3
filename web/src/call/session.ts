/* One call as this page takes part in it: devices, the transport to the server, who is seen and heard.
 *
 *   start ──▶ opening ──▶ connected ◀──▶ reconnecting ──▶ over
 *
 * Whoever makes a session feeds it with every newer state of its call (`update`), the `seats`, `layers` and
 * `media.lost` events, and shows what `onView` hands out. It ends exactly once, with `onEnd`.
 *
 * Three things run side by side from the click on: the permission question, the request that starts or
 * answers the call, and then the offer. None waits for another without need.
 *
 * Coming back (`recover`): a new way to the same transport (ICE restart) when the network moved, a new
 * transport (`open`) when the old one is gone. An attempt whose number is no longer `this.generation` is stale
 * and drops what it got. */
import { t } from '@lingui/core/macro'
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import type { Call, Member, Seat, User } from '../api/types'
import type { DeviceKind, DeviceState, Taken } from './devices'
import { troubled } from './devices'
import { isGone, isHere, memberOf, othersIn } from './model'
import type { MakePeer, PeerLike, PeerState, SentKind, SentTracks } from './peer'
import type { Screen } from './screen'
import type { Ending } from './sentences'
import type { SoundsLike } from './sounds'
import type { Speaking } from './speaking'
import { sameSpeaking, SpeakerWatch } from './speaking'
import type { Bars, Flow, LineFlow, Sample } from './stats'
import { barsOf, flowBetween, SteadyBars } from './stats'

export type MediaState = 'opening' | 'connected' | 'reconnecting'

export interface RemoteTile {
  member: Member
  /** Camera and microphone of this person; the same object as long as the person is here. */
  stream: MediaStream
  /** What the camera's seat says; `none` when there is none. */
  picture: 'none' | 'waiting' | 'live' | 'weak' | 'paused'
}

export interface ScreenTile {
  member: Member
  stream: MediaStream
  picture: RemoteTile['picture']
}

export interface SessionView {
  origin: 'outgoing' | 'incoming' | 'return'
  call: Call | null
  /** Who is, or will be, at the other end. */
  people: User[]
  video: boolean
  /** On how many devices it rings at the other end; 0 when nobody has a page open. */
  ringsOn: number
  media: MediaState
  /** When the conversation began, by this machine's clock. */
  since: number | null
  microphone: DeviceState
  camera: DeviceState
  microphoneOn: boolean
  cameraOn: boolean
  self: MediaStream | null
  /** For a level meter. */
  voice: MediaStreamTrack | null
  tiles: RemoteTile[]
  /** Screens of others, in the order in which they came. */
  screens: ScreenTile[]
  sharing: 'off' | 'asking' | 'on'
  /** What is shared from here. */
  shared: MediaStream | null
  /** This page neither sends nor receives for now. */
  paused: boolean
  hand: boolean
  /** The browser wants a click before anything may be heard. */
  soundBlocked: boolean
}

export interface PersonFlow {
  bars: Bars
  audio: LineFlow | null
  video: LineFlow | null
  screen: LineFlow | null
}

/** How the media flow, for the marks and the details. */
export interface CallFlow {
  rtt: number | null
  available: number | null
  own: PersonFlow
  people: Record<string, PersonFlow>
}

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

const DISCONNECTED_FOR_MS = 3_000
const CONNECT_WITHIN_MS = 6_000
const RESTART_WITHIN_MS = 2_500
const LISTEN_EVERY_MS = 1_000
const LEVELS_EVERY_MS = 250
/** A device is silent for a moment when another program begins or ends; a phone call is longer. */
const MUTED_FOR_MS = 2_000
/** Consent checks are answered every 2.5 s at the latest, so this many silent rounds mean that nothing comes. */
const SILENT_ROUNDS = 4

const DEVICES: readonly DeviceKind[] = ['microphone', 'camera']
const SENT: readonly SentKind[] = ['microphone', 'camera', 'screen', 'screen_audio']

/** What the server was told of this person. */
interface Told {
  audio: boolean
  video: boolean
  paused: boolean
  hand: boolean
  sharing: boolean
}

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

  private want = { microphone: true, camera: true }
  private devices: Taken = {
    microphone: { state: 'off', track: null },
    camera: { state: 'off', track: null },
  }
  private self: MediaStream | null = null

  private peer: PeerLike | null = null
  private peerState: PeerState = 'connecting'
  private location = ''
  private media: MediaState = 'opening'
  private generation = 0
  private failures = 0
  private reconnectTimer: ReturnType<typeof setTimeout> | undefined
  private disconnectTimer: ReturnType<typeof setTimeout> | undefined
  private readonly listenTimer: ReturnType<typeof setInterval>
  private lastHeard: number | null = null
  private silentRounds = 0

  private seats: Seat[] | null = null
  /** Who said that the sharing is over and still has a seat: the server waits for silence, nobody here does. */
  private readonly stopped = new Set<string>()
  private readonly mutedTimers: Partial<Record<DeviceKind, ReturnType<typeof setTimeout>>> = {}
  private readonly streams = new Map<string, MediaStream>()
  private since: number | null = null

  private readonly sounds: SoundsLike | null
  private soundBlocked = false
  private readonly levelTimer: ReturnType<typeof setInterval>
  private readonly speakers = new SpeakerWatch()
  private speaking: Speaking = { ids: [], main: null }
  /** As the server says, once it says anything. */
  private serverSpeaks = false
  private loudest: string | null = null
  private lastSample: Sample | null = null
  private readonly bars = new Map<string, SteadyBars>()

  private screen: Screen | null = null
  private shared: MediaStream | null = null
  private sharing: SessionView['sharing'] = 'off'
  private paused = false
  private hand = false
  private talkKey = false

  private told: Told | null = null
  private telling = false

  constructor(meId: string, start: SessionStart, deps: SessionDeps, handlers: SessionHandlers) {
    this.meId = meId
    this.deps = deps
    this.handlers = handlers
    this.origin = start.origin
    this.video = start.origin === 'return' ? start.call.video : start.video
    this.want.camera = this.video
    this.people =
      start.origin === 'outgoing' ? start.invite : othersIn(start.call, meId).map((member) => member.user)
    if (start.origin === 'return') {
      const mine = memberOf(start.call, meId)
      if (mine) {
        this.want = { microphone: !mine.muted.audio, camera: !mine.muted.video }
        this.paused = mine.state === 'paused'
        this.hand = mine.hand
      }
    }
    this.sounds =
      deps.makeSounds?.((blocked) => {
        this.soundBlocked = blocked
        this.publish()
      }) ?? null
    this.levelTimer = setInterval(() => this.watchLevels(), LEVELS_EVERY_MS)
    this.listenTimer = setInterval(() => void this.listen(), LISTEN_EVERY_MS)
    void this.acquire('microphone', 'camera')
    void this.begin(start)
  }

  get callId(): string | null {
    return this.call?.id ?? null
  }

  // ---- from outside

  update(call: Call): void {
    if (this.over || (this.call && (call.id !== this.call.id || call.version < this.call.version))) return
    this.noteSharing(this.call, call)
    this.call = call
    const mine = memberOf(call, this.meId)
    if (call.state === 'ended') return this.finish('over')
    if (mine && (mine.state === 'left' || mine.state === 'missed'))
      return this.finish(this.removed ? 'removed' : 'lost')
    if (mine) this.obey(mine)
    if (call.state === 'active' && this.since === null)
      this.since =
        this.origin === 'return'
          ? Math.min(Date.now(), Date.parse(call.answered_at ?? call.created_at))
          : Date.now()
    this.tell()
    this.publish()
  }

  seatsChanged(seats: Seat[]): void {
    if (this.over) return
    this.seats = seats
    for (const id of this.stopped) if (!this.screenSeat(id)) this.stopped.delete(id)
    this.publish()
  }

  /** The server hears everybody, also those without a seat here: it says who is to be looked at. */
  speakerIs(id: string | null): void {
    this.loudest = id
    this.serverSpeaks = true
    this.watchLevels()
  }

  /** Whoever started the call has removed this person. */
  wasRemoved(): void {
    this.removed = true
  }

  /** What somebody watches of what is sent on that m-line. */
  layersChanged(mid: string, layers: readonly { rid: string; active: boolean }[]): void {
    const active = layers.filter((layer) => layer.active).map(({ rid }) => rid)
    this.peer?.setLayers(mid, new Set(active))
  }

  /** Events were missed, perhaps: nothing stays off that somebody has begun to watch. */
  eventsResumed(): void {
    this.peer?.allLayers()
  }

  mediaLost(action: 'ice_restart' | 'rejoin'): void {
    if (this.over || !this.call) return
    if (this.media === 'connected') return void this.recover(action)
    // Already on the way back. Perhaps it was the old transport, perhaps the new one: do not wait for long.
    if (this.peer) this.arm(RESTART_WITHIN_MS, () => this.open())
  }

  /** The network changed or came back. */
  networkChanged(): void {
    if (!this.over && this.media === 'connected' && this.peerState !== 'connected')
      void this.recover('ice_restart')
  }

  /** The page is looked at again, perhaps after a phone call. */
  looked(): void {
    for (const kind of DEVICES) if (this.devices[kind].track?.muted) void this.takeAgain(kind)
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

  leave(): void {
    const call = this.call
    this.finish('left')
    if (call) void this.sayLeave(call.id)
  }

  /** The call goes on in another tab; nothing is said to the server. */
  moved(): void {
    this.finish('moved')
  }

  toggleMicrophone(): void {
    this.talkKey = false
    this.toggle('microphone')
  }

  /** Push to talk: heard while the key is down, if the microphone is muted. */
  holdToTalk(down: boolean): void {
    if (down === this.talkKey || (down && this.isOn('microphone'))) return
    this.talkKey = down
    this.toggle('microphone')
  }

  togglePause(): void {
    if (this.over || !this.call) return
    this.setPaused(!this.paused)
    this.tell()
    this.publish()
  }

  toggleHand(): void {
    if (this.over || !this.call) return
    this.hand = !this.hand
    this.tell()
    this.publish()
  }

  hear(): void {
    this.sounds?.resume()
  }

  setSpeaker(id: string): void {
    this.sounds?.setSpeaker(id)
  }

  async toggleScreen(): Promise<void> {
    if (this.sharing === 'on') return this.stopScreen()
    if (this.over || this.sharing === 'asking' || !this.deps.takeScreen) return
    this.sharing = 'asking'
    this.publish()
    let screen: Screen | null = null
    try {
      screen = await this.deps.takeScreen()
    } catch {
      if (!this.over) this.handlers.onNews?.('screen_failed')
    }
    if (this.over) {
      screen?.video.stop()
      screen?.audio?.stop()
      return
    }
    this.screen = screen
    this.sharing = screen ? 'on' : 'off'
    this.shared = screen ? new MediaStream([screen.video]) : null
    // The browser has a stop button of its own.
    screen?.video.addEventListener('ended', () => {
      if (this.screen === screen) this.stopScreen()
    })
    this.carryScreen()
  }

  /** Another microphone or camera was chosen: from now on that one. */
  deviceChosen(kind: DeviceKind): void {
    if (this.over) return
    const { state, track } = this.devices[kind]
    if (state === 'asking') return
    if (this.want[kind]) return void this.acquire(kind)
    // It is off: the one chosen is taken when it is switched on.
    this.devices[kind] = { state: 'off', track: null }
    track?.stop()
    this.carry(kind)
  }

  toggleCamera(): void {
    this.toggle('camera')
  }

  /** Asks again for what was refused, in use or missing. */
  retry(kinds: DeviceKind[]): void {
    for (const kind of kinds) this.want[kind] = true
    void this.acquire(...kinds)
  }

  /** "Join without video": stop asking. */
  without(kinds: DeviceKind[]): void {
    for (const kind of kinds) {
      this.want[kind] = false
      this.devices[kind].track?.stop()
      this.devices[kind] = { state: 'off', track: null }
      this.carry(kind)
    }
  }

  private stopScreen(): void {
    const { screen } = this
    this.screen = null
    this.shared = null
    this.sharing = 'off'
    screen?.video.stop()
    screen?.audio?.stop()
    if (!this.over) this.carryScreen()
  }

  private carryScreen(): void {
    this.put('screen')
    this.put('screen_audio')
    this.tell()
    this.publish()
  }

  private setPaused(paused: boolean): void {
    if (this.paused === paused) return
    this.paused = paused
    // At once, and not only when the server has heard of it.
    for (const kind of SENT) this.put(kind)
  }

  /** What the server says of this person, where others may decide: muted, paused on another device. */
  private obey(mine: Member): void {
    const { told } = this
    if (told === null || this.telling) return
    const off = (kind: DeviceKind, news: SessionNews) => {
      this.handlers.onNews?.(news)
      this.talkKey = false
      this.toggle(kind)
    }
    if (mine.muted.audio && !told.audio && this.isOn('microphone')) {
      told.audio = true
      off('microphone', 'muted_by_other')
    }
    if (mine.muted.video && !told.video && this.isOn('camera')) {
      told.video = true
      off('camera', 'camera_off_by_other')
    }
    const paused = mine.state === 'paused'
    if (paused !== told.paused && (paused || mine.state === 'joined')) {
      told.paused = paused
      this.setPaused(paused)
    }
    if (mine.hand !== told.hand) this.hand = told.hand = mine.hand
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
    if (!this.over) await this.open()
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
    this.generation++
    clearInterval(this.listenTimer)
    clearInterval(this.levelTimer)
    clearTimeout(this.reconnectTimer)
    clearTimeout(this.disconnectTimer)
    for (const kind of DEVICES) clearTimeout(this.mutedTimers[kind])
    this.peer?.close()
    this.peer = null
    this.sounds?.close()
    for (const kind of ['microphone', 'camera'] as const) this.devices[kind].track?.stop()
    this.screen?.video.stop()
    this.screen?.audio?.stop()
    this.handlers.onEnd(ending, this.call, problem)
  }

  // ---- own devices

  private async acquire(...kinds: DeviceKind[]): Promise<void> {
    const want = {
      microphone: kinds.includes('microphone') && this.want.microphone,
      camera: kinds.includes('camera') && this.want.camera,
    }
    const asked = kinds.filter((kind) => want[kind])
    // What is there goes on until another takes its place.
    for (const kind of asked) this.devices[kind] = { state: 'asking', track: this.devices[kind].track }
    this.publish()
    if (asked.length === 0) return
    const taken = await this.deps.takeDevices(want)
    for (const kind of asked) {
      if (this.over) taken[kind].track?.stop()
      else this.hold(kind, taken[kind])
    }
  }

  /** What the browser gave, or why it gave nothing. */
  private hold(kind: DeviceKind, { state, track }: Taken[DeviceKind]): void {
    const before = this.devices[kind].track
    if (before !== track) before?.stop()
    if (track && !this.want[kind]) {
      // Switched off while the browser asked.
      if (kind === 'microphone') track.enabled = false
      else track.stop()
    }
    const keep = this.want[kind] || kind === 'microphone'
    this.devices[kind] = keep ? { state, track } : { state: 'off', track: null }
    track?.addEventListener('ended', () => {
      if (this.over || this.devices[kind].track !== track) return
      this.devices[kind] = { state: 'unplugged', track: null }
      this.carry(kind)
      void this.replace(kind)
    })
    track?.addEventListener('mute', () => this.fellSilent(kind))
    track?.addEventListener('unmute', () => {
      if (this.over || this.devices[kind].track !== track || this.devices[kind].state !== 'interrupted')
        return
      this.devices[kind] = { state: 'on', track }
      this.carry(kind)
    })
    if (state === 'on') this.fellSilent(kind)
    this.carry(kind)
  }

  /** The system gives nothing any more, as iOS does during a phone call and sometimes after it. */
  private fellSilent(kind: DeviceKind): void {
    clearTimeout(this.mutedTimers[kind])
    if (this.over || !this.devices[kind].track?.muted) return
    this.mutedTimers[kind] = setTimeout(() => void this.takeAgain(kind), MUTED_FOR_MS)
  }

  /** What stays silent is asked for anew; when that does not help, it wants a tap, or the end of the phone call. */
  private async takeAgain(kind: DeviceKind): Promise<void> {
    const { track, state } = this.devices[kind]
    if (this.over || !this.want[kind] || !track?.muted || state === 'asking') return
    const { [kind]: taken } = await this.deps.takeDevices({
      microphone: kind === 'microphone',
      camera: kind === 'camera',
    })
    if (this.over || !this.want[kind] || this.devices[kind].track !== track) {
      taken.track?.stop()
      return
    }
    if (taken.track && taken.track !== track && !taken.track.muted) return this.hold(kind, taken)
    if (taken.track !== track) taken.track?.stop()
    // A new question may have woken the old one.
    this.devices[kind] = { state: track.muted ? 'interrupted' : 'on', track }
    this.carry(kind)
  }

  /** One was pulled out: another will do, if there is one. */
  private async replace(kind: DeviceKind): Promise<void> {
    if (!this.want[kind]) return
    const { [kind]: taken } = await this.deps.takeDevices({
      microphone: kind === 'microphone',
      camera: kind === 'camera',
    })
    if (this.over || this.devices[kind].state !== 'unplugged' || !taken.track) {
      taken.track?.stop()
      return
    }
    this.hold(kind, taken)
    this.handlers.onNews?.('device_replaced')
  }

  private sentTrack(kind: SentKind): MediaStreamTrack | null {
    if (this.paused) return null
    switch (kind) {
      case 'screen':
        return this.screen?.video ?? null
      case 'screen_audio':
        return this.screen?.audio ?? null
      default:
        return this.devices[kind].track
    }
  }

  private put(kind: SentKind): void {
    void this.peer?.setTrack(kind, this.sentTrack(kind)).catch(() => undefined)
  }

  /** Puts what there is of a device onto its m-line and tells everybody. */
  private carry(kind: DeviceKind): void {
    const { track } = this.devices[kind]
    if (kind === 'camera') this.self = track ? new MediaStream([track]) : null
    this.put(kind)
    this.tell()
    this.publish()
  }

  private toggle(kind: DeviceKind): void {
    if (this.over) return
    const { state, track } = this.devices[kind]
    this.want[kind] = !this.isOn(kind)
    if (kind === 'microphone' && track && state !== 'interrupted') {
      track.enabled = this.want[kind]
      if (this.want[kind]) this.fellSilent(kind)
    } else if (this.want[kind]) {
      if (state !== 'asking') void this.acquire(kind)
    } else if (track) {
      // A camera that is off is off: its light goes out.
      this.devices[kind] = { state: 'off', track: null }
      track.stop()
      this.carry(kind)
    }
    this.tell()
    this.publish()
  }

  private isOn(kind: DeviceKind): boolean {
    return this.want[kind] && !troubled(this.devices[kind].state)
  }

  /** Tells the server what the others should see, once it lets us, and only what has changed. */
  private tell(): void {
    const mine = this.call && memberOf(this.call, this.meId)
    if (this.over || this.telling || !this.call || !mine) return
    if (!isHere(mine) && this.call.started_by !== this.meId) return
    const told = (this.told ??= {
      ...mine.muted,
      paused: mine.state === 'paused',
      hand: mine.hand,
      sharing: mine.sharing,
    })
    const want: Told = {
      audio: !this.isOn('microphone'),
      video: !this.isOn('camera'),
      paused: this.paused,
      hand: this.hand,
      sharing: this.sharing === 'on',
    }
    const body: Parameters<Api['updateMember']>[1] = {}
    if (told.audio !== want.audio || told.video !== want.video)
      body.muted = { audio: want.audio, video: want.video }
    for (const field of ['paused', 'hand', 'sharing'] as const)
      if (told[field] !== want[field]) body[field] = want[field]
    if (Object.keys(body).length === 0) return
    this.telling = true
    this.deps.api
      .updateMember(this.call.id, body)
      .then(
        (call) => {
          this.told = want
          this.telling = false
          this.learn(call)
        },
        (error: unknown) => {
          this.telling = false
          if (error instanceof ApiError && error.passing) setTimeout(() => this.tell(), 2_000)
          else this.told = want
        },
      )
      .catch(() => undefined)
  }

  // ---- the transport

  private arm(ms: number, then: () => unknown): void {
    clearTimeout(this.reconnectTimer)
    this.reconnectTimer = setTimeout(() => void then(), ms)
  }

  /** Builds a transport from nothing; whatever was there before is given up. */
  private async open(): Promise<void> {
    const callId = this.call?.id
    if (this.over || !callId) return
    const generation = ++this.generation
    clearTimeout(this.reconnectTimer)
    clearTimeout(this.disconnectTimer)
    for (const kind of DEVICES) clearTimeout(this.mutedTimers[kind])
    this.peer?.close()
    this.peer = null
    this.seats = this.seats && this.seats.map((seat) => ({ ...seat, state: 'waiting' }))
    this.media = this.media === 'opening' ? 'opening' : 'reconnecting'
    this.publish()
    try {
      const iceServers = await this.deps.iceServers()
      if (generation !== this.generation) return
      const peer = this.deps.makePeer(
        iceServers,
        Object.fromEntries(SENT.map((kind) => [kind, this.sentTrack(kind)])) as SentTracks,
        {
          onState: (state) => this.peer === peer && this.peerChanged(state),
          onTracks: () => this.peer === peer && this.publish(),
        },
      )
      this.peer = peer
      this.peerState = 'connecting'
      const offer = await peer.offer()
      if (generation !== this.generation) return
      const { location, answer } = await this.deps.api.openMedia(callId, offer)
      if (generation !== this.generation) return
      this.location = location
      await peer.accept(answer)
      if (generation !== this.generation) return
      if (!this.connected()) this.arm(CONNECT_WITHIN_MS, () => this.again())
      this.publish()
    } catch (error) {
      if (generation !== this.generation) return
      await this.openFailed(error)
    }
  }

  private async openFailed(error: unknown): Promise<void> {
    if (!(error instanceof ApiError)) return this.finish('lost', unexpected(error))
    switch (error.code) {
      case 'answered_elsewhere':
        return this.finish('answered_elsewhere')
      case 'not_found':
      case 'wrong_state':
      case 'not_joined': {
        const generation = this.generation
        if (error.call) this.learn(error.call)
        else await this.check()
        if (this.over || generation !== this.generation) return
        const mine = this.call && memberOf(this.call, this.meId)
        if (mine && (isHere(mine) || this.call?.started_by === this.meId)) this.again()
        else this.finish('lost')
        return
      }
      default:
        if (error.passing || error.code === 'too_many_requests') this.again(error.retryAfterMs)
        else this.finish('lost', error)
    }
  }

  private connected(): boolean {
    return this.media === 'connected'
  }

  private again(wait = 0): void {
    const backoff = Math.min(3_000, 200 * 1.8 ** this.failures++) * (0.75 + Math.random() / 2)
    this.arm(Math.min(5_000, Math.max(wait, backoff)), () => this.open())
  }

  private peerChanged(state: PeerState): void {
    this.peerState = state
    if (state === 'connected') {
      clearTimeout(this.reconnectTimer)
      clearTimeout(this.disconnectTimer)
      this.disconnectTimer = undefined
      this.failures = 0
      this.silentRounds = 0
      this.media = 'connected'
    } else if (state === 'failed') {
      void this.open()
      return
    } else if (state === 'disconnected' && this.media === 'connected') {
      clearTimeout(this.disconnectTimer)
      this.disconnectTimer = setTimeout(() => void this.recover('ice_restart'), DISCONNECTED_FOR_MS)
    }
    this.publish()
  }

  private async recover(how: 'ice_restart' | 'rejoin'): Promise<void> {
    const { peer, location } = this
    if (this.over || !peer) return
    this.media = 'reconnecting'
    this.silentRounds = 0
    this.handlers.onDoubt?.()
    if (how === 'rejoin' || location === '') return this.open()
    const generation = ++this.generation
    clearTimeout(this.disconnectTimer)
    this.publish()
    try {
      const before = (await peer.heard()) ?? 0
      const offer = await peer.offer(true)
      if (generation !== this.generation) return
      const answer = await this.deps.api.updateMedia(location, offer)
      if (generation !== this.generation) return
      await peer.accept(answer)
      if (generation !== this.generation) return
      this.arm(RESTART_WITHIN_MS, async () => {
        const after = (await peer.heard().catch(() => null)) ?? 0
        if (generation !== this.generation) return
        if (this.peerState === 'connected' && after !== before) this.peerChanged('connected')
        else void this.open()
      })
    } catch {
      if (generation === this.generation) void this.open()
    }
  }

  private async listen(): Promise<void> {
    const { peer } = this
    if (!peer || this.media !== 'connected') return
    const sample = await peer.sample().catch(() => null)
    if (this.peer !== peer || this.media !== 'connected') return
    const heard = sample?.heard ?? null
    const flow = sample && flowBetween(this.lastSample, sample)
    this.lastSample = sample
    if (flow) this.handlers.onFlow?.(this.callFlow(flow))
    this.silentRounds = heard !== null && heard === this.lastHeard ? this.silentRounds + 1 : 0
    this.lastHeard = heard
    if (this.silentRounds >= SILENT_ROUNDS) void this.recover('ice_restart')
  }

  // ---- what is seen and heard

  private watchLevels(): void {
    if (this.over || !this.peer || this.media !== 'connected') return
    const taken = (this.seats ?? []).filter((seat) => seat.member !== null && seat.kind === 'microphone')
    const byMid = this.peer.levels(new Set(taken.map(({ mid }) => mid)))
    const levels = new Map<string, number>()
    for (const { mid, member } of taken) {
      const level = byMid.get(mid)
      if (member !== null && level !== undefined) levels.set(member, level)
    }
    const heard = this.speakers.heard(levels, Date.now())
    if (!this.serverSpeaks) return this.setSpeaking(heard)
    const { loudest } = this
    const ids = loudest === null || heard.ids.includes(loudest) ? heard.ids : [...heard.ids, loudest]
    // Nobody looks at oneself; and when all are silent the last one stays.
    const main = loudest === null || loudest === this.meId ? this.speaking.main : loudest
    this.setSpeaking({ ids, main })
  }

  private setSpeaking(speaking: Speaking): void {
    if (sameSpeaking(speaking, this.speaking)) return
    this.speaking = speaking
    this.handlers.onSpeaking?.(speaking)
  }

  private callFlow(flow: Flow): CallFlow {
    const line = (mid: string | null | undefined, way: LineFlow['way']) =>
      flow.lines.find((one) => one.mid === mid && one.way === way) ?? null
    // What is off is not there, so the order says nothing.
    const sent = (kind: SentKind) => line(this.peer?.sentOn(kind), 'out')
    const person = (id: string, audio: LineFlow | null, video: LineFlow | null, screen: LineFlow | null) => {
      const steady = this.bars.get(id) ?? new SteadyBars()
      this.bars.set(id, steady)
      const loss = Math.max(audio?.loss ?? 0, video?.loss ?? 0, screen?.loss ?? 0)
      return { bars: steady.next(barsOf(loss, flow.rtt)), audio, video, screen }
    }
    const seatOf = (id: string, kind: Seat['kind']) =>
      this.seats?.find((seat) => seat.member === id && seat.kind === kind)?.mid
    const people: CallFlow['people'] = {}
    for (const member of this.present()) {
      const { id } = member.user
      people[id] = person(
        id,
        line(seatOf(id, 'microphone'), 'in'),
        line(seatOf(id, 'camera'), 'in'),
        line(seatOf(id, 'screen'), 'in'),
      )
    }
    return {
      rtt: flow.rtt,
      available: flow.available,
      own: person(this.meId, sent('microphone'), sent('camera'), sent('screen')),
      people,
    }
  }

  private noteSharing(before: Call | null, now: Call): void {
    for (const { user, sharing } of now.members) {
      if (sharing) this.stopped.delete(user.id)
      else if (before && memberOf(before, user.id)?.sharing && this.screenSeat(user.id))
        this.stopped.add(user.id)
    }
  }

  private screenSeat(id: string): Seat | undefined {
    return this.seats?.find((seat) => seat.member === id && seat.kind === 'screen')
  }

  private present(): Member[] {
    return this.call ? othersIn(this.call, this.meId).filter(isHere) : []
  }

  /** The stream of a picture; the same object as long as it is there, with exactly these tracks. */
  private streamOf(key: string, tracks: readonly MediaStreamTrack[]): MediaStream {
    const stream = this.streams.get(key) ?? new MediaStream()
    this.streams.set(key, stream)
    for (const old of stream.getTracks()) if (!tracks.includes(old)) stream.removeTrack(old)
    for (const track of tracks) if (!stream.getTracks().includes(track)) stream.addTrack(track)
    return stream
  }

  private look(): { tiles: RemoteTile[]; screens: ScreenTile[] } {
    const present = this.present()
    const receivers = this.peer?.receivers() ?? []
    const heard: MediaStreamTrack[] = []
    const keys = new Set<string>()
    const screens: ScreenTile[] = []
    const tiles = present.map((member): RemoteTile => {
      const id = member.user.id
      const seats = this.seats?.filter((seat) => seat.member === id) ?? []
      const find = (kind: Seat['kind']) => seats.find((seat) => seat.kind === kind)
      const trackOf = (seat: Seat | undefined) =>
        seat && receivers.find((receiver) => receiver.mid === seat.mid)?.track
      let [audio, video] = [trackOf(find('microphone')), trackOf(find('camera'))]
      let picture: RemoteTile['picture'] = find('camera')?.state ?? 'none'
      if (this.seats === null && present.length === 1) {
        // No word yet about seats (the WebSocket is away): with one other person there is no doubt.
        audio = receivers.find((receiver) => receiver.kind === 'audio')?.track
        video = receivers.find((receiver) => receiver.kind === 'video')?.track
        picture = video && !video.muted ? 'live' : 'waiting'
      }
      const [screen, screenAudio] = [trackOf(find('screen')), trackOf(find('screen_audio'))]
      if (audio) heard.push(audio)
      if (screenAudio) heard.push(screenAudio)
      if (screen && !this.stopped.has(id)) {
        const key = `screen ${id}`
        keys.add(key)
        screens.push({
          member,
          stream: this.streamOf(key, [screen]),
          picture: find('screen')?.state ?? 'waiting',
        })
      }
      keys.add(id)
      const stream = this.streamOf(
        id,
        [audio, video].filter((track) => track !== undefined),
      )
      return { member, stream, picture }
    })
    for (const key of this.streams.keys()) if (!keys.has(key)) this.streams.delete(key)
    const order = [...this.streams.keys()]
    screens.sort(
      (a, b) => order.indexOf(`screen ${a.member.user.id}`) - order.indexOf(`screen ${b.member.user.id}`),
    )
    // Paused is paused, also for what is still on its way.
    this.sounds?.play(this.paused ? [] : heard)
    return { tiles, screens }
  }

  private publish(): void {
    if (this.over) return
    this.handlers.onView({
      origin: this.origin,
      call: this.call,
      people: this.call ? othersIn(this.call, this.meId).map((member) => member.user) : this.people,
      video: this.video,
      ringsOn: this.ringsOn,
      media: this.media,
      since: this.since,
      microphone: this.devices.microphone.state,
      camera: this.devices.camera.state,
      microphoneOn: this.isOn('microphone'),
      cameraOn: this.isOn('camera'),
      self: this.self,
      voice: this.devices.microphone.track,
      ...this.look(),
      sharing: this.sharing,
      shared: this.shared,
      paused: this.paused,
      hand: this.hand,
      soundBlocked: this.soundBlocked,
    })
  }
}
