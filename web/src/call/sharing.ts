/* The own screen in a call: off, asked for, or on, until it is stopped here or by the browser's own button. */
import type { Screen } from './screen'
import type { SharingState } from './view'

export interface SharingHandlers {
  /** The browser is asked: only how it looks has changed. */
  onAsking(): void
  /** There is a screen, or none any more. */
  onTrack(): void
  onFailed(): void
}

export class Sharing {
  private readonly take: (() => Promise<Screen | null>) | undefined
  private readonly handlers: SharingHandlers
  private closed = false
  private screen: Screen | null = null
  private shown: MediaStream | null = null
  private now: SharingState = 'off'

  /** `take` gives null when the person chose nothing; it is absent where screens cannot be shared. */
  constructor(take: (() => Promise<Screen | null>) | undefined, handlers: SharingHandlers) {
    this.take = take
    this.handlers = handlers
  }

  get state(): SharingState {
    return this.now
  }

  /** For the own tile. */
  get stream(): MediaStream | null {
    return this.shown
  }

  get video(): MediaStreamTrack | null {
    return this.screen?.video ?? null
  }

  get audio(): MediaStreamTrack | null {
    return this.screen?.audio ?? null
  }

  async toggle(): Promise<void> {
    if (this.now === 'on') return this.stop()
    if (this.closed || this.now === 'asking' || !this.take) return
    this.now = 'asking'
    this.handlers.onAsking()
    let screen: Screen | null = null
    try {
      screen = await this.take()
    } catch {
      if (!this.closed) this.handlers.onFailed()
    }
    if (this.closed) {
      screen?.video.stop()
      screen?.audio?.stop()
      return
    }
    this.screen = screen
    this.now = screen ? 'on' : 'off'
    this.shown = screen ? new MediaStream([screen.video]) : null
    // The browser has a stop button of its own.
    screen?.video.addEventListener('ended', () => {
      if (this.screen === screen) this.stop()
    })
    this.handlers.onTrack()
  }

  close(): void {
    this.closed = true
    this.screen?.video.stop()
    this.screen?.audio?.stop()
  }

  private stop(): void {
    const { screen } = this
    this.screen = null
    this.shown = null
    this.now = 'off'
    screen?.video.stop()
    screen?.audio?.stop()
    if (!this.closed) this.handlers.onTrack()
  }
}
