/* Own microphone and camera in a call: wanted or not, asked for, held, and taken again when the system takes them
 * away. The states of each are in devices.ts.
 *
 * What is wanted and what there is are two things: a refused camera is wanted and not on. A microphone that is off is
 * kept and silent, so that it is heard at once; a camera that is off is let go, so that its light goes out. */
import type { DeviceKind, DeviceState, Taken } from './devices'
import { troubled } from './devices'

export interface CaptureHandlers {
  /** The browser is asked: only how it looks has changed. */
  onAsking(): void
  /** There is another track, or none, or its state has changed. */
  onTrack(kind: DeviceKind): void
  /** One was pulled out, and another has taken over. */
  onReplaced(): void
}

type Take = (want: Record<DeviceKind, boolean>) => Promise<Taken>

const DEVICES: readonly DeviceKind[] = ['microphone', 'camera']
/** A device is silent for a moment when another program begins or ends; a phone call is longer. */
const MUTED_FOR_MS = 2_000

export class Capture {
  private readonly take: Take
  private readonly want: Record<DeviceKind, boolean>
  private readonly handlers: CaptureHandlers
  private closed = false
  private picture: MediaStream | null = null
  private readonly devices: Taken = {
    microphone: { state: 'off', track: null },
    camera: { state: 'off', track: null },
  }
  private readonly mutedTimers: Partial<Record<DeviceKind, ReturnType<typeof setTimeout>>> = {}

  /** Nothing is asked for before `acquire`. */
  constructor(take: Take, want: Record<DeviceKind, boolean>, handlers: CaptureHandlers) {
    this.take = take
    this.want = { ...want }
    this.handlers = handlers
  }

  /** The camera's, for the own tile. */
  get self(): MediaStream | null {
    return this.picture
  }

  state(kind: DeviceKind): DeviceState {
    return this.devices[kind].state
  }

  track(kind: DeviceKind): MediaStreamTrack | null {
    return this.devices[kind].track
  }

  isOn(kind: DeviceKind): boolean {
    return this.want[kind] && !troubled(this.devices[kind].state)
  }

  close(): void {
    this.closed = true
    for (const kind of DEVICES) {
      clearTimeout(this.mutedTimers[kind])
      this.devices[kind].track?.stop()
    }
  }

  // ---- what the person wants

  /** Whoever calls this tells others of it. */
  toggle(kind: DeviceKind): void {
    const { state, track } = this.devices[kind]
    this.want[kind] = !this.isOn(kind)
    if (kind === 'microphone' && track && state !== 'interrupted') {
      track.enabled = this.want[kind]
      if (this.want[kind]) this.fellSilent(kind)
    } else if (this.want[kind]) {
      if (state !== 'asking') void this.acquire(kind)
    } else if (track) {
      this.devices[kind] = { state: 'off', track: null }
      track.stop()
      this.carry(kind)
    }
  }

  /** Another microphone or camera was chosen: from now on that one. */
  chosen(kind: DeviceKind): void {
    if (this.closed) return
    const { state, track } = this.devices[kind]
    if (state === 'asking') return
    if (this.want[kind]) return void this.acquire(kind)
    // It is off: the one chosen is taken when it is switched on.
    this.devices[kind] = { state: 'off', track: null }
    track?.stop()
    this.carry(kind)
  }

  /** Asks again for what was refused, in use or missing. */
  retry(kinds: readonly DeviceKind[]): void {
    for (const kind of kinds) this.want[kind] = true
    void this.acquire(...kinds)
  }

  /** "Join without video": stop asking. */
  without(kinds: readonly DeviceKind[]): void {
    for (const kind of kinds) {
      this.want[kind] = false
      this.devices[kind].track?.stop()
      this.devices[kind] = { state: 'off', track: null }
      this.carry(kind)
    }
  }

  /** The page is looked at again, perhaps after a phone call. */
  looked(): void {
    for (const kind of DEVICES) if (this.devices[kind].track?.muted) void this.takeAgain(kind)
  }

  // ---- what the browser gives

  async acquire(...kinds: DeviceKind[]): Promise<void> {
    const want = {
      microphone: kinds.includes('microphone') && this.want.microphone,
      camera: kinds.includes('camera') && this.want.camera,
    }
    const asked = kinds.filter((kind) => want[kind])
    // What is there goes on until another takes its place.
    for (const kind of asked) this.devices[kind] = { state: 'asking', track: this.devices[kind].track }
    this.handlers.onAsking()
    if (asked.length === 0) return
    const taken = await this.take(want)
    for (const kind of asked) {
      if (this.closed) taken[kind].track?.stop()
      else this.hold(kind, taken[kind])
    }
  }

  private carry(kind: DeviceKind): void {
    const { track } = this.devices[kind]
    if (kind === 'camera') this.picture = track ? new MediaStream([track]) : null
    this.handlers.onTrack(kind)
  }

  private takeOnly(kind: DeviceKind): Promise<Taken> {
    return this.take({ microphone: kind === 'microphone', camera: kind === 'camera' })
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
      if (this.closed || this.devices[kind].track !== track) return
      this.devices[kind] = { state: 'unplugged', track: null }
      this.carry(kind)
      void this.replace(kind)
    })
    track?.addEventListener('mute', () => this.fellSilent(kind))
    track?.addEventListener('unmute', () => {
      if (this.closed || this.devices[kind].track !== track || this.devices[kind].state !== 'interrupted')
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
    if (this.closed || !this.devices[kind].track?.muted) return
    this.mutedTimers[kind] = setTimeout(() => void this.takeAgain(kind), MUTED_FOR_MS)
  }

  /** What stays silent is asked for anew; when that does not help, it wants a tap, or the end of the phone call. */
  private async takeAgain(kind: DeviceKind): Promise<void> {
    const { track, state } = this.devices[kind]
    if (this.closed || !this.want[kind] || !track?.muted || state === 'asking') return
    const { [kind]: taken } = await this.takeOnly(kind)
    if (this.closed || !this.want[kind] || this.devices[kind].track !== track) {
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
    const { [kind]: taken } = await this.takeOnly(kind)
    if (this.closed || this.devices[kind].state !== 'unplugged' || !taken.track) {
      taken.track?.stop()
      return
    }
    this.hold(kind, taken)
    this.handlers.onReplaced()
  }
}
