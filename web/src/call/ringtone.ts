/* Sounds made on the spot: a ring for those called, a soft tone for those who wait. Silent where the browser
 * does not allow sound yet (no click on the page so far). */

type Pattern = { notes: readonly (readonly [frequency: number, at: number, length: number])[]; every: number }

const RING: Pattern = {
  notes: [
    [659.3, 0, 0.22],
    [784, 0.2, 0.22],
    [987.8, 0.4, 0.42],
    [784, 0.95, 0.22],
    [987.8, 1.15, 0.5],
  ],
  every: 3,
}

const WAITING: Pattern = { notes: [[440, 0, 0.9]], every: 3.6 }

let context: AudioContext | null = null

/** Newer than the type library; the rest of the browsers play on the default speaker. */
type Directed = AudioContext & { setSinkId?(id: string): Promise<void> }

function play(pattern: Pattern, volume: number, speaker = ''): () => void {
  if (typeof AudioContext === 'undefined') return () => undefined
  try {
    context ??= new AudioContext()
  } catch {
    return () => undefined
  }
  const audio: Directed = context
  audio.setSinkId?.(speaker === 'default' ? '' : speaker).catch(() => undefined)
  const out = audio.createGain()
  out.gain.value = volume
  out.connect(audio.destination)
  const once = () => {
    if (audio.state !== 'running') {
      void audio.resume().catch(() => undefined)
      return
    }
    for (const [frequency, at, length] of pattern.notes) {
      const start = audio.currentTime + 0.02 + at
      const tone = audio.createOscillator()
      const shape = audio.createGain()
      tone.type = 'sine'
      tone.frequency.value = frequency
      shape.gain.setValueAtTime(0, start)
      shape.gain.linearRampToValueAtTime(1, start + 0.03)
      shape.gain.exponentialRampToValueAtTime(0.001, start + length)
      tone.connect(shape).connect(out)
      tone.start(start)
      tone.stop(start + length + 0.05)
    }
  }
  void audio.resume().then(once, () => undefined)
  const timer = setInterval(once, pattern.every * 1000)
  return () => {
    clearInterval(timer)
    out.gain.setTargetAtTime(0, audio.currentTime, 0.03)
    setTimeout(() => out.disconnect(), 300)
  }
}

/** On the speaker of that id, or on the default one. */
export const ring = (speaker?: string): (() => void) => play(RING, 0.22, speaker)
/** In a call already: heard, and out of the way. */
export const ringOnce = (): (() => void) => play({ ...RING, every: 12 }, 0.05)
export const ringBack = (): (() => void) => play(WAITING, 0.06)
