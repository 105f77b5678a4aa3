import type { Call, Contact, Member, User } from '../../src/api/types'
import type { Thrift } from '../../src/call/narrow'
import type { MakePeer, PeerHandlers, PeerLike, SentKind, SentTracks } from '../../src/call/peer'
import type { Sample } from '../../src/call/stats'

export const user = (id: string, name: string): User => ({
  id,
  username: name.toLowerCase(),
  display_name: name,
  avatar_url: null,
})

export const ana = user('1', 'Ana')
export const bela = user('2', 'Bela')

export const member = (
  who: User,
  state: Member['state'],
  muted = { audio: false, video: false },
): Member => ({
  user: who,
  state,
  muted,
  sharing: false,
  hand: false,
})

export const call = (more: Partial<Call> = {}): Call => ({
  id: 'c1',
  version: 1,
  state: 'ringing',
  video: true,
  locked: false,
  started_by: ana.id,
  created_at: '2026-03-01T10:00:00Z',
  answered_at: null,
  ended_at: null,
  end_reason: null,
  messages: 0,
  members: [member(ana, 'joined'), member(bela, 'ringing')],
  ...more,
})

export const contact = (who: User, more: Partial<Contact> = {}): Contact => ({
  user: who,
  state: 'accepted',
  presence: 'online',
  favourite: false,
  nickname: null,
  last_call_at: null,
  ...more,
})

export class FakeTrack extends EventTarget {
  enabled = true
  muted = false
  stopped = false
  readonly kind: 'audio' | 'video'
  readonly id = Math.random().toString(36)

  constructor(kind: 'audio' | 'video') {
    super()
    this.kind = kind
  }

  stop(): void {
    this.stopped = true
  }

  get real(): MediaStreamTrack {
    return this as unknown as MediaStreamTrack
  }
}

export class FakeStream {
  private readonly tracks: unknown[]

  constructor(tracks: unknown[] = []) {
    this.tracks = [...tracks]
  }

  getTracks(): unknown[] {
    return [...this.tracks]
  }

  getAudioTracks(): unknown[] {
    return this.tracks.filter((track) => (track as FakeTrack).kind === 'audio')
  }

  getVideoTracks(): unknown[] {
    return this.tracks.filter((track) => (track as FakeTrack).kind === 'video')
  }

  addTrack(track: unknown): void {
    this.tracks.push(track)
  }

  removeTrack(track: unknown): void {
    this.tracks.splice(this.tracks.indexOf(track), 1)
  }
}

export class FakePeer implements PeerLike {
  readonly handlers: PeerHandlers
  readonly sent: SentTracks
  readonly received = { audio: new FakeTrack('audio'), video: new FakeTrack('video') }
  readonly more = [0, 1].map(() => ({ audio: new FakeTrack('audio'), video: new FakeTrack('video') }))
  loud = new Map<string, number>()
  offers: boolean[] = []
  answers: string[] = []
  closed = false
  packets = 1
  lines: Sample['lines'] = []

  constructor(tracks: SentTracks, handlers: PeerHandlers) {
    this.sent = { ...tracks }
    this.handlers = handlers
  }

  offer(iceRestart = false): Promise<string> {
    this.offers.push(iceRestart)
    return Promise.resolve(`offer ${this.offers.length}`)
  }

  accept(answer: string): Promise<void> {
    this.answers.push(answer)
    return Promise.resolve()
  }

  setTrack(kind: SentKind, track: MediaStreamTrack | null): Promise<void> {
    this.sent[kind] = track
    return Promise.resolve()
  }

  layers: [string, string[]][] = []
  sounds: [string, number | null][] = []
  thrift: Thrift = 'all'

  setLayers(mid: string, active: ReadonlySet<string>): void {
    this.layers.push([mid, [...active]])
  }

  setSound(mid: string, bitrate: number | null): void {
    this.sounds.push([mid, bitrate])
  }

  setThrift(thrift: Thrift): void {
    this.thrift = thrift
  }

  allLayers(): void {
    this.layers.push(['all', []])
  }

  sentOn(kind: SentKind): string {
    return String(['microphone', 'camera', 'screen', 'screen_audio'].indexOf(kind))
  }

  receivers() {
    return [
      { mid: '0', kind: 'audio' as const, track: this.received.audio.real },
      { mid: '1', kind: 'video' as const, track: this.received.video.real },
      ...this.more.flatMap(({ audio, video }, n) => [
        { mid: String(4 + 2 * n), kind: 'audio' as const, track: audio.real },
        { mid: String(5 + 2 * n), kind: 'video' as const, track: video.real },
      ]),
    ]
  }

  heard(): Promise<number> {
    return Promise.resolve(this.packets)
  }

  sample(): Promise<Sample> {
    return Promise.resolve({
      at: Date.now(),
      heard: this.packets,
      rtt: 0.02,
      available: null,
      lines: this.lines,
    })
  }

  levels(): Map<string, number> {
    return this.loud
  }

  close(): void {
    this.closed = true
  }
}

export function fakePeers(): { peers: FakePeer[]; make: MakePeer } {
  const peers: FakePeer[] = []
  return {
    peers,
    make: (_servers, tracks, handlers) => {
      const peer = new FakePeer(tracks, handlers)
      peers.push(peer)
      return peer
    },
  }
}
