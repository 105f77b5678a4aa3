/* One RTCPeerConnection: what is sent on four m-lines (microphone, camera, screen, the screen's sound), what is
 * received on the first two and on further pairs. The page offers, the server answers.
 *
 * All m-lines are there from the start, with or without tracks: neither a slow permission question, nor a camera
 * or a screen that comes later, nor people who join need another offer. */
import { encodingsFor, heightOf, RIDS } from './layers'
import type { Thrift } from './narrow'
import { LEAN_BITRATE, withLongPackets } from './narrow'
import type { Sample } from './stats'
import { arrivedIn, readSample } from './stats'
import { answerAnew, LOOK_EVERY_MS, WayWatch } from './ways'

export type PeerState = 'connecting' | 'connected' | 'disconnected' | 'failed'

export type SentKind = 'microphone' | 'camera' | 'screen' | 'screen_audio'

export type SentTracks = Record<SentKind, MediaStreamTrack | null>

export interface PeerHandlers {
  onState(state: PeerState): void
  /** A receiving track began or stopped to carry something. */
  onTracks(): void
}

export interface PeerLike {
  offer(iceRestart?: boolean): Promise<string>
  accept(answer: string): Promise<void>
  setTrack(kind: SentKind, track: MediaStreamTrack | null): Promise<void>
  /** Which layers of an m-line somebody watches, by rid; the others are not sent. */
  setLayers(mid: string, active: ReadonlySet<string>): void
  /** Bits a second that the sound of an m-line should take at most, for the sake of who hears it; null: as it likes. */
  setSound(mid: string, bitrate: number | null): void
  /** All layers, and all of the sound: what the server said is not known any more. */
  allLayers(): void
  /** How little is to be sent, as the way from here takes no more. */
  setThrift(thrift: Thrift): void
  /** The m-line of each thing that is sent; null before the first offer. */
  sentOn(kind: SentKind): string | null
  /** The receiving halves, in the order of their m-lines. */
  receivers(): { mid: string; kind: 'audio' | 'video'; track: MediaStreamTrack }[]
  /** Rises while anything at all arrives from the server; null when that cannot be told. */
  heard(): Promise<number | null>
  sample(): Promise<Sample>
  /** How loud those m-lines are now, by mid: 0 to 1. Asking has a price: only for those that somebody sits on. */
  levels(mids: ReadonlySet<string>): Map<string, number>
  close(): void
}

export type MakePeer = (iceServers: RTCIceServer[], tracks: SentTracks, handlers: PeerHandlers) => PeerLike

/** Seats beyond the one of microphone and camera: nine people, or eight and a screen, without another offer. */
const MORE_SEATS = 8
const SCREEN_BITRATE = 2_500_000
const SCREEN_RATE = 15
/** A level is told only while its packets come. */
const LEVEL_FOR_MS = 500

/** Each codec once, in its common form: an offer of many m-lines stays small. */
export function usualCodecs(codecs: readonly RTCRtpCodec[]): RTCRtpCodec[] {
  const seen = new Set<string>()
  return codecs.filter(({ mimeType, sdpFmtpLine = '' }) => {
    const name = mimeType.toLowerCase()
    if (name === 'video/rtx' || name === 'audio/red') return true
    if (!/^(video\/(vp8|vp9|h264|av1)|audio\/opus)$/.test(name)) return false
    if (name === 'video/vp9' && /profile-id=[1-9]/.test(sdpFmtpLine)) return false
    if (name === 'video/av1' && /profile=[1-9]/.test(sdpFmtpLine)) return false
    if (name === 'video/h264' && !/profile-level-id=42[0-9a-f]{4}/i.test(sdpFmtpLine)) return false
    if (name === 'video/h264' && !sdpFmtpLine.includes('packetization-mode=1')) return false
    if (seen.has(name)) return false
    seen.add(name)
    return true
  })
}

function prefer(line: RTCRtpTransceiver, kind: 'audio' | 'video'): void {
  const all = typeof RTCRtpReceiver === 'undefined' ? null : RTCRtpReceiver.getCapabilities(kind)
  const codecs = usualCodecs(all?.codecs ?? [])
  if (codecs.length === 0) return
  try {
    line.setCodecPreferences(codecs)
  } catch {
    // Then all are offered.
  }
}

/** Temporal layers where the browser knows the word: to who has a thin path, the server sends fewer pictures rather than
 * smaller ones. With it, VP9 and AV1 send a stream for each layer, too. */
function withLayers(
  encodings: RTCRtpEncodingParameters[],
  make: (sendEncodings: RTCRtpEncodingParameters[]) => RTCRtpTransceiver,
): RTCRtpTransceiver {
  try {
    return make(encodings.map((encoding) => ({ ...encoding, scalabilityMode: 'L1T3' })))
  } catch {
    return make(encodings)
  }
}

export class Peer implements PeerLike {
  private readonly pc: RTCPeerConnection
  private readonly lines: Record<SentKind, RTCRtpTransceiver>
  private closed = false
  private wanted: ReadonlySet<string> = new Set(RIDS)
  private sound: number | null = null
  private thrift: Thrift = 'all'
  private turn: Promise<void> = Promise.resolve()
  private readonly ways: WayWatch
  private readonly waysTimer: ReturnType<typeof setInterval>
  /** The server's last answer; null while an offer waits for one. */
  private answer: string | null = null
  private restarts = 0
  /** Restarts since that answer. */
  private renamed = 0
  /** The line that was heard last is asked first. */
  private heardLast: RTCRtpReceiver | null = null

  constructor(iceServers: RTCIceServer[], tracks: SentTracks, handlers: PeerHandlers) {
    const pc = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' })
    this.pc = pc
    // One stream for both, so that receivers play them in step.
    const [person, screen] = [new MediaStream(), new MediaStream()]
    const add = (
      kind: 'audio' | 'video',
      direction: RTCRtpTransceiverDirection,
      track: MediaStreamTrack | null = null,
      init: RTCRtpTransceiverInit = {},
    ) => {
      const line = pc.addTransceiver(track ?? kind, { direction, ...init })
      prefer(line, kind)
      return line
    }
    this.lines = {
      microphone: add('audio', 'sendrecv', tracks.microphone, { streams: [person] }),
      camera: withLayers(encodingsFor(heightOf(tracks.camera)), (sendEncodings) =>
        add('video', 'sendrecv', tracks.camera, { streams: [person], sendEncodings }),
      ),
      screen: withLayers([{ maxBitrate: SCREEN_BITRATE, maxFramerate: SCREEN_RATE }], (sendEncodings) =>
        add('video', 'sendonly', tracks.screen, { streams: [screen], sendEncodings }),
      ),
      screen_audio: add('audio', 'sendonly', tracks.screen_audio, { streams: [screen] }),
    }
    for (let n = 0; n < MORE_SEATS; n++) {
      add('audio', 'recvonly')
      add('video', 'recvonly')
    }
    const report = () => {
      if (this.closed) return
      const ice = pc.iceConnectionState
      const all = pc.connectionState
      if (all === 'failed' || ice === 'failed') handlers.onState('failed')
      else if (ice === 'disconnected') handlers.onState('disconnected')
      else if (all === 'connected') handlers.onState('connected')
      else handlers.onState('connecting')
    }
    pc.addEventListener('connectionstatechange', report)
    pc.addEventListener('iceconnectionstatechange', report)
    pc.addEventListener('track', ({ track }) => {
      const changed = () => !this.closed && handlers.onTracks()
      track.addEventListener('unmute', changed)
      track.addEventListener('mute', changed)
      changed()
    })
    this.ways = new WayWatch({
      newest: () => this.newest(),
      arrived: () => this.arrived(),
      sends: () => Object.values(this.lines).some(({ sender }) => sender.track !== null),
      restart: () => this.restartAlone(),
    })
    this.waysTimer = setInterval(() => {
      if (this.answer === null || pc.connectionState === 'new') this.ways.forget()
      else void this.ways.look(performance.now()).catch(() => undefined)
    }, LOOK_EVERY_MS)
  }

  async offer(iceRestart = false): Promise<string> {
    this.answer = null
    const offer = await this.pc.createOffer({ iceRestart })
    await this.pc.setLocalDescription(offer)
    // Candidates are not waited for: the server learns addresses from our checks.
    return this.pc.localDescription?.sdp ?? offer.sdp ?? ''
  }

  async accept(answer: string): Promise<void> {
    this.renamed = 0
    await this.pc.setRemoteDescription({ type: 'answer', sdp: this.named(answer) })
    this.answer = answer
    await this.keepScreenSharp()
  }

  async setTrack(kind: SentKind, track: MediaStreamTrack | null): Promise<void> {
    if (this.closed) return
    const { sender } = this.lines[kind]
    await sender.replaceTrack(track)
    if (kind === 'camera') return this.adaptLayers()
    return kind === 'screen' ? this.adaptScreen() : this.adaptSound(kind)
  }

  setLayers(mid: string, active: ReadonlySet<string>): void {
    if (mid !== this.lines.camera.mid) return
    this.wanted = active
    void this.adaptLayers()
  }

  setSound(mid: string, bitrate: number | null): void {
    if (mid !== this.lines.microphone.mid || bitrate === this.sound) return
    this.sound = bitrate
    void this.adaptSound('microphone')
  }

  allLayers(): void {
    this.wanted = new Set(RIDS)
    this.sound = null
    void this.adaptLayers()
    void this.adaptSound('microphone')
  }

  setThrift(thrift: Thrift): void {
    if (thrift === this.thrift) return
    const lean = this.thrift === 'lean' || thrift === 'lean'
    this.thrift = thrift
    void this.adaptLayers()
    void this.adaptScreen()
    if (!lean) return
    void this.adaptSound('microphone')
    void this.adaptSound('screen_audio')
    void this.answerAgain()
  }

  sentOn(kind: SentKind): string | null {
    return this.lines[kind].mid
  }

  receivers(): { mid: string; kind: 'audio' | 'video'; track: MediaStreamTrack }[] {
    return this.pc
      .getTransceivers()
      .filter((line) => line.mid !== null && line.direction !== 'sendonly')
      .map((line) => ({
        mid: line.mid as string,
        kind: line.receiver.track.kind as 'audio' | 'video',
        track: line.receiver.track,
      }))
  }

  async heard(): Promise<number | null> {
    return (await this.sample()).heard
  }

  async sample(): Promise<Sample> {
    return readSample(await this.pc.getStats(), performance.now())
  }

  levels(mids: ReadonlySet<string>): Map<string, number> {
    const levels = new Map<string, number>()
    const now = performance.timeOrigin + performance.now()
    for (const { mid, receiver } of this.pc.getTransceivers()) {
      if (mid === null || !mids.has(mid)) continue
      const [source] = receiver.getSynchronizationSources()
      if (source?.audioLevel !== undefined && Math.abs(now - source.timestamp) < LEVEL_FOR_MS)
        levels.set(mid, source.audioLevel)
    }
    return levels
  }

  close(): void {
    this.closed = true
    clearInterval(this.waysTimer)
    this.pc.close()
  }

  /** Of all lines, in ms. */
  private newest(): number | null {
    const now = performance.timeOrigin + performance.now()
    let newest: number | null = null
    const receivers = this.pc.getReceivers()
    if (this.heardLast) receivers.unshift(this.heardLast)
    for (const receiver of receivers) {
      const [source] = receiver.getSynchronizationSources()
      if (!source || (newest !== null && now - source.timestamp >= newest)) continue
      newest = now - source.timestamp
      this.heardLast = receiver
      if (newest < LOOK_EVERY_MS) break
    }
    return newest
  }

  private async arrived(): Promise<number | null> {
    return arrivedIn(await this.pc.getStats())
  }

  /** ICE restarts; the answer is the last one under another name. What goes wrong is left to who asks the server. */
  private async restartAlone(): Promise<void> {
    if (this.answer === null || this.closed || this.pc.signalingState !== 'stable') return
    this.restarts++
    this.renamed++
    await this.answerAgain(true)
  }

  /** The last answer is the answer to a new offer, too, with what has changed here meanwhile. */
  private async answerAgain(iceRestart = false): Promise<void> {
    const { answer } = this
    const state = () => this.pc.signalingState
    if (answer === null || this.closed || state() !== 'stable') return
    try {
      await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart }))
      if (this.answer !== answer) return
      await this.pc.setRemoteDescription({ type: 'answer', sdp: this.named(answer) })
      // Chromium switches on all layers that an answer names.
      void this.adaptLayers()
    } catch {
      if (state() === 'have-local-offer')
        await this.pc.setLocalDescription({ type: 'rollback' }).catch(() => undefined)
    }
  }

  /** The last answer, as it is to be said now. */
  private named(answer: string): string {
    const named = answerAnew(answer, this.restarts, this.renamed)
    return this.thrift === 'lean' ? withLongPackets(named, this.lines.microphone.mid) : named
  }

  /** The layers fit the camera, nobody gets what nobody watches, and where there is no camera there is no picture. */
  private adaptLayers(): Promise<void> {
    const { sender } = this.lines.camera
    return this.change(sender, (parameters) => {
      const plan = encodingsFor(heightOf(sender.track), this.wanted)
      for (const encoding of parameters.encodings) {
        const next = plan.find(({ rid }) => rid === encoding.rid)
        if (next) Object.assign(encoding, next)
        if (!sender.track || this.thrift !== 'all') encoding.active = false
      }
    })
  }

  /** Firefox sends black pictures where a track was, and a screen that is sent is a screen that is shown. */
  private adaptScreen(): Promise<void> {
    const { sender } = this.lines.screen
    return this.change(sender, (parameters) => {
      for (const encoding of parameters.encodings)
        encoding.active = sender.track !== null && this.thrift === 'all'
    })
  }

  private adaptSound(kind: 'microphone' | 'screen_audio'): Promise<void> {
    const { sender } = this.lines[kind]
    return this.change(sender, (parameters) => {
      const wish = kind === 'microphone' ? this.sound : null
      const most = this.thrift === 'lean' ? Math.min(LEAN_BITRATE, wish ?? Infinity) : wish
      for (const encoding of parameters.encodings) {
        encoding.active = sender.track !== null
        if (most === null) delete encoding.maxBitrate
        else encoding.maxBitrate = most
      }
    })
  }

  /** Text stays readable: fewer pictures rather than smaller ones. Where that is unknown, `contentHint` says the same. */
  private keepScreenSharp(): Promise<void> {
    return this.change(this.lines.screen.sender, (parameters) => {
      parameters.degradationPreference = 'maintain-resolution'
    })
  }

  /** One after the other: each begins with what the last one left. What a browser does not know, it goes without. */
  private change(sender: RTCRtpSender, how: (parameters: RTCRtpSendParameters) => void): Promise<void> {
    this.turn = this.turn
      .then(async () => {
        if (this.closed) return
        const parameters = sender.getParameters()
        how(parameters)
        await sender.setParameters(parameters)
      })
      .catch(() => undefined)
    return this.turn
  }
}
