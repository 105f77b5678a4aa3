/* What this page sends into a call: own microphone and camera (capture.ts), own screen with its sound (sharing.ts), and
 * nothing of them while it is paused. */
import type { Capture } from './capture'
import type { SentKind, SentTracks } from './peer'
import type { Sharing } from './sharing'

const SENT: readonly SentKind[] = ['microphone', 'camera', 'screen', 'screen_audio']

export class Sent {
  private readonly capture: Capture
  private readonly sharing: Sharing
  private readonly put: (kind: SentKind, track: MediaStreamTrack | null) => void
  private pausing: boolean

  /** `put` brings a track, or none, onto the m-line of its kind. */
  constructor(
    capture: Capture,
    sharing: Sharing,
    paused: boolean,
    put: (kind: SentKind, track: MediaStreamTrack | null) => void,
  ) {
    this.capture = capture
    this.sharing = sharing
    this.pausing = paused
    this.put = put
  }

  get paused(): boolean {
    return this.pausing
  }

  /** At once, and not only when the server has heard of it. */
  pause(paused: boolean): void {
    if (this.pausing === paused) return
    this.pausing = paused
    this.carry(...SENT)
  }

  /** What there is of these has changed. */
  carry(...kinds: SentKind[]): void {
    for (const kind of kinds) this.put(kind, this.track(kind))
  }

  /** For a new transport. */
  tracks(): SentTracks {
    return Object.fromEntries(SENT.map((kind) => [kind, this.track(kind)])) as SentTracks
  }

  private track(kind: SentKind): MediaStreamTrack | null {
    if (this.pausing) return null
    switch (kind) {
      case 'screen':
        return this.sharing.video
      case 'screen_audio':
        return this.sharing.audio
      default:
        return this.capture.track(kind)
    }
  }
}
