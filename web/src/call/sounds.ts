/* Everything that is heard in a call, outside of the pictures: whoever is on another page of the grid, or on
 * another page of Parley, is still heard. */

export interface SoundsLike {
  /** From now on exactly these are heard. */
  play(tracks: readonly MediaStreamTrack[]): void
  /** The speaker to play on; '' is the default one. */
  setSpeaker(id: string): void
  /** After a click, where the browser did not allow sound before. */
  resume(): void
  close(): void
}

export class Sounds implements SoundsLike {
  private readonly elements = new Map<MediaStreamTrack, HTMLAudioElement>()
  private readonly box = document.createElement('div')
  private readonly onBlocked: (blocked: boolean) => void
  private speaker: string

  constructor(speaker: string, onBlocked: (blocked: boolean) => void) {
    this.speaker = speaker
    this.onBlocked = onBlocked
    this.box.hidden = true
    document.body.append(this.box)
  }

  play(tracks: readonly MediaStreamTrack[]): void {
    for (const [track, element] of this.elements) {
      if (tracks.includes(track)) continue
      element.srcObject = null
      element.remove()
      this.elements.delete(track)
    }
    for (const track of tracks) {
      if (this.elements.has(track)) continue
      const element = document.createElement('audio')
      element.autoplay = true
      element.srcObject = new MediaStream([track])
      this.elements.set(track, element)
      this.box.append(element)
      this.direct(element)
      this.start(element)
    }
  }

  setSpeaker(id: string): void {
    this.speaker = id
    for (const element of this.elements.values()) this.direct(element)
  }

  resume(): void {
    this.onBlocked(false)
    for (const element of this.elements.values()) this.start(element)
  }

  close(): void {
    this.play([])
    this.box.remove()
  }

  private start(element: HTMLAudioElement): void {
    element.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.onBlocked(true)
    })
  }

  private direct(element: HTMLAudioElement): void {
    if (!('setSinkId' in element) || element.sinkId === this.speaker) return
    // A speaker that is gone: the default one plays.
    element.setSinkId(this.speaker).catch(() => element.setSinkId('').catch(() => undefined))
  }
}

export const speakersCanBeChosen = (): boolean =>
  typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype
