/* Who is seen and heard on which m-line, as the server says, and the pictures that a page makes of it.
 *
 * The list of seats is always the whole one. Before its first word (null), one other person is taken for who comes on
 * the first m-lines. */
import type { Call, Member, Seat } from '../api/types'
import { memberOf } from './model'
import type { PeerLike } from './peer'
import type { RemoteTile, ScreenTile } from './view'

export interface Look {
  tiles: RemoteTile[]
  screens: ScreenTile[]
  /** Everything that is to be heard. */
  heard: MediaStreamTrack[]
}

export class Seats {
  private seats: Seat[] | null = null
  /** Who said that the sharing is over and still has a seat: the server waits for silence, nobody here does. */
  private readonly stopped = new Set<string>()
  private readonly streams = new Map<string, MediaStream>()

  changed(seats: Seat[]): void {
    this.seats = seats
    for (const id of this.stopped) if (!this.screenOf(id)) this.stopped.delete(id)
  }

  /** A new transport: nothing flows on any seat yet. */
  begin(): void {
    this.seats = this.seats && this.seats.map((seat) => ({ ...seat, state: 'waiting' }))
  }

  /** The call has changed. */
  noteSharing(before: Call | null, now: Call): void {
    for (const { user, sharing } of now.members) {
      if (sharing) this.stopped.delete(user.id)
      else if (before && memberOf(before, user.id)?.sharing && this.screenOf(user.id))
        this.stopped.add(user.id)
    }
  }

  midOf(id: string, kind: Seat['kind']): string | undefined {
    return this.seats?.find((seat) => seat.member === id && seat.kind === kind)?.mid
  }

  /** Who is heard on which m-line. */
  voices(): Map<string, string> {
    const voices = new Map<string, string>()
    for (const { mid, member, kind } of this.seats ?? [])
      if (member !== null && kind === 'microphone') voices.set(mid, member)
    return voices
  }

  look(present: readonly Member[], receivers: ReturnType<PeerLike['receivers']>): Look {
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
    return { tiles, screens, heard }
  }

  private screenOf(id: string): Seat | undefined {
    return this.seats?.find((seat) => seat.member === id && seat.kind === 'screen')
  }

  /** The stream of a picture; the same object as long as it is there, with exactly these tracks. */
  private streamOf(key: string, tracks: readonly MediaStreamTrack[]): MediaStream {
    const stream = this.streams.get(key) ?? new MediaStream()
    this.streams.set(key, stream)
    for (const old of stream.getTracks()) if (!tracks.includes(old)) stream.removeTrack(old)
    for (const track of tracks) if (!stream.getTracks().includes(track)) stream.addTrack(track)
    return stream
  }
}
