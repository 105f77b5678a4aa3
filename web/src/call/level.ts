/* How loud a microphone is, for a meter that a person looks at: 0 to 1, as an ear would say. */

const EVERY_MS = 60

/** Calls back until it is stopped. */
export function watchLevel(track: MediaStreamTrack, onLevel: (level: number) => void): () => void {
  if (typeof AudioContext === 'undefined') return () => undefined
  const context = new AudioContext()
  const source = context.createMediaStreamSource(new MediaStream([track]))
  const meter = context.createAnalyser()
  meter.fftSize = 512
  source.connect(meter)
  const samples = new Float32Array(meter.fftSize)
  const timer = setInterval(() => {
    meter.getFloatTimeDomainData(samples)
    let sum = 0
    for (const sample of samples) sum += sample * sample
    onLevel(levelOf(Math.sqrt(sum / samples.length)))
  }, EVERY_MS)
  void context.resume().catch(() => undefined)
  return () => {
    clearInterval(timer)
    source.disconnect()
    void context.close().catch(() => undefined)
  }
}

/** From an amplitude; 60 dB are the whole way. */
export function levelOf(amplitude: number): number {
  if (!(amplitude > 0)) return 0
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(amplitude)) / 60))
}
