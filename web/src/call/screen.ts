/* A screen, window or tab to be shared, with its sound where the browser gives it. */

export interface Screen {
  video: MediaStreamTrack
  audio: MediaStreamTrack | null
}

/** Newer than the type library. */
interface ScreenAudio extends MediaTrackConstraints {
  /** The call's own voices are left out, or everybody would hear themselves. */
  restrictOwnAudio: boolean
  /** What is shared is not played here a second time. */
  suppressLocalAudioPlayback: boolean
}

interface ScreenOptions extends DisplayMediaStreamOptions {
  systemAudio: 'include' | 'exclude'
  surfaceSwitching: 'include' | 'exclude'
}

const AUDIO: ScreenAudio = {
  restrictOwnAudio: true,
  suppressLocalAudioPlayback: true,
  echoCancellation: false,
  noiseSuppression: false,
  autoGainControl: false,
}

const OPTIONS: ScreenOptions = {
  video: { frameRate: { ideal: 15, max: 30 } },
  audio: AUDIO,
  systemAudio: 'include',
  surfaceSwitching: 'include',
}

/** Phones cannot. */
export const screensCanBeShared = (): boolean =>
  typeof navigator !== 'undefined' && typeof navigator.mediaDevices?.getDisplayMedia === 'function'

/** Null when the person chose nothing. */
export async function takeScreen(): Promise<Screen | null> {
  let stream: MediaStream
  try {
    stream = await navigator.mediaDevices.getDisplayMedia(OPTIONS)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotAllowedError') return null
    throw error
  }
  const video = stream.getVideoTracks()[0]
  if (!video) return null
  // Letters before motion.
  video.contentHint = 'detail'
  return { video, audio: stream.getAudioTracks()[0] ?? null }
}
