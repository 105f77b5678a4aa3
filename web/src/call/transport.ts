/* The way between this page and the server: opened, watched, and found again when it is lost.
 *
 *   opening ──▶ connected ◀──▶ reconnecting          closed from each of them
 *
 * Coming back: a new way to the same transport (`recover`, ICE restart) when the network moved, a new transport
 * (`open`) when the old one is gone. An attempt whose number is no longer `this.generation` is stale and drops what
 * it got.
 *
 * Whoever makes it calls `start` once the server knows the call, and `close` at the end. Until then each change is
 * told by `onChange`. */
import type { Api } from '../api/client'
import { NarrowWatch } from './narrow'
import type { MakePeer, PeerLike, PeerState, SentKind, SentTracks } from './peer'
import type { Sample } from './stats'
import type { MediaState } from './view'

export interface TransportDeps {
  api: Pick<Api, 'openMedia' | 'updateMedia'>
  makePeer: MakePeer
  iceServers(): Promise<RTCIceServer[]>
}

export interface TransportHandlers {
  /** What a new transport sends from its beginning. */
  tracks(): SentTracks
  /** All that came by the old transport is over; a new one is on its way. */
  onOpening(): void
  /** State, or what is received. */
  onChange(): void
  /** The server wants no such transport. Gives in how many ms to try again, or null when that is no use. */
  onRefused(error: unknown): Promise<number | null>
  /** A second has passed on a connected transport. */
  onSample(sample: Sample | null): void
  /** The media are silent: perhaps the whole network is away. */
  onDoubt(): void
}

const DISCONNECTED_FOR_MS = 3_000
const CONNECT_WITHIN_MS = 6_000
const RESTART_WITHIN_MS = 2_500
const LISTEN_EVERY_MS = 1_000
/** Consent checks are answered every 2.5 s at the latest, so this many silent rounds mean that nothing comes. */
const SILENT_ROUNDS = 4

export class Transport {
  private readonly deps: TransportDeps
  private readonly handlers: TransportHandlers
  private callId: string | null = null
  private closed = false
  private media: MediaState = 'opening'
  private peer: PeerLike | null = null
  private peerState: PeerState = 'connecting'
  private location = ''
  private generation = 0
  private failures = 0
  private reconnectTimer: ReturnType<typeof setTimeout> | undefined
  private disconnectTimer: ReturnType<typeof setTimeout> | undefined
  private readonly listenTimer: ReturnType<typeof setInterval>
  private narrow = new NarrowWatch()
  private lastHeard: number | null = null
  private silentRounds = 0

  constructor(deps: TransportDeps, handlers: TransportHandlers) {
    this.deps = deps
    this.handlers = handlers
    this.listenTimer = setInterval(() => void this.listen(), LISTEN_EVERY_MS)
  }

  get state(): MediaState {
    return this.media
  }

  /** The server knows the call now. */
  start(callId: string): Promise<void> {
    this.callId = callId
    return this.open()
  }

  close(): void {
    this.closed = true
    this.generation++
    clearInterval(this.listenTimer)
    clearTimeout(this.reconnectTimer)
    clearTimeout(this.disconnectTimer)
    this.peer?.close()
    this.peer = null
  }

  // ---- what goes over it

  put(kind: SentKind, track: MediaStreamTrack | null): void {
    void this.peer?.setTrack(kind, track).catch(() => undefined)
  }

  /** What somebody watches of what is sent on that m-line. */
  setLayers(mid: string, active: ReadonlySet<string>): void {
    this.peer?.setLayers(mid, active)
  }

  /** How many bits a second what is heard on that m-line should take at most. */
  setSound(mid: string, bitrate: number | null): void {
    this.peer?.setSound(mid, bitrate)
  }

  allLayers(): void {
    this.peer?.allLayers()
  }

  sentOn(kind: SentKind): string | null {
    return this.peer?.sentOn(kind) ?? null
  }

  receivers(): ReturnType<PeerLike['receivers']> {
    return this.peer?.receivers() ?? []
  }

  /** How loud those m-lines are; nothing while it is not connected. */
  levels(mids: ReadonlySet<string>): Map<string, number> | null {
    return this.peer && this.media === 'connected' ? this.peer.levels(mids) : null
  }

  // ---- what others know of it

  /** The server has lost it. */
  lost(action: 'ice_restart' | 'rejoin'): void {
    if (this.closed || this.callId === null) return
    if (this.media === 'connected') return void this.recover(action)
    // Already on the way back. Perhaps it was the old transport, perhaps the new one: do not wait for long.
    if (this.peer) this.arm(RESTART_WITHIN_MS, () => this.open())
  }

  /** The network changed or came back. */
  networkChanged(): void {
    if (!this.closed && this.media === 'connected' && this.peerState !== 'connected')
      void this.recover('ice_restart')
  }

  // ---- opening

  private arm(ms: number, then: () => unknown): void {
    clearTimeout(this.reconnectTimer)
    this.reconnectTimer = setTimeout(() => void then(), ms)
  }

  /** Builds a transport from nothing; whatever was there before is given up. */
  private async open(): Promise<void> {
    const { callId } = this
    if (this.closed || callId === null) return
    const generation = ++this.generation
    clearTimeout(this.reconnectTimer)
    clearTimeout(this.disconnectTimer)
    this.peer?.close()
    this.peer = null
    this.media = this.media === 'opening' ? 'opening' : 'reconnecting'
    this.handlers.onOpening()
    this.handlers.onChange()
    try {
      const iceServers = await this.deps.iceServers()
      if (generation !== this.generation) return
      const peer = this.deps.makePeer(iceServers, this.handlers.tracks(), {
        onState: (state) => this.peer === peer && this.peerChanged(state),
        onTracks: () => this.peer === peer && this.handlers.onChange(),
      })
      this.peer = peer
      this.narrow = new NarrowWatch()
      this.peerState = 'connecting'
      const offer = await peer.offer()
      if (generation !== this.generation) return
      const { location, answer } = await this.deps.api.openMedia(callId, offer)
      if (generation !== this.generation) return
      this.location = location
      await peer.accept(answer)
      if (generation !== this.generation) return
      if (!this.connected()) this.arm(CONNECT_WITHIN_MS, () => this.again())
      this.handlers.onChange()
    } catch (error) {
      if (generation !== this.generation) return
      const wait = await this.handlers.onRefused(error)
      if (wait !== null && generation === this.generation) this.again(wait)
    }
  }

  private connected(): boolean {
    return this.media === 'connected'
  }

  private again(wait = 0): void {
    const backoff = Math.min(3_000, 200 * 1.8 ** this.failures++) * (0.75 + Math.random() / 2)
    this.arm(Math.min(5_000, Math.max(wait, backoff)), () => this.open())
  }

  // ---- watching and coming back

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
    this.handlers.onChange()
  }

  private async recover(how: 'ice_restart' | 'rejoin'): Promise<void> {
    const { peer, location } = this
    if (this.closed || !peer) return
    this.media = 'reconnecting'
    this.silentRounds = 0
    this.handlers.onDoubt()
    if (how === 'rejoin' || location === '') return this.open()
    const generation = ++this.generation
    clearTimeout(this.disconnectTimer)
    this.handlers.onChange()
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
    this.handlers.onSample(sample)
    if (sample) peer.setThrift(this.narrow.next(sample))
    this.silentRounds = heard !== null && heard === this.lastHeard ? this.silentRounds + 1 : 0
    this.lastHeard = heard
    if (this.silentRounds >= SILENT_ROUNDS) void this.recover('ice_restart')
  }
}
