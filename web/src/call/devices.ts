/* Own microphone and camera. Each is in one state, and a failure of one never takes the other away.
 *
 *   off ──want──▶ asking ──▶ on ──▶ unplugged
 *                   └──▶ refused · in_use · none · failed */

export type DeviceState = 'off' | 'asking' | 'on' | 'refused' | 'in_use' | 'none' | 'failed' | 'unplugged'

export type DeviceKind = 'microphone' | 'camera'

export interface Taken {
  microphone: { state: DeviceState; track: MediaStreamTrack | null }
  camera: { state: DeviceState; track: MediaStreamTrack | null }
}

export type GetUserMedia = (constraints: MediaStreamConstraints) => Promise<MediaStream>

const MICROPHONE: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
}

const CAMERA: MediaTrackConstraints = {
  width: { ideal: 640, max: 1280 },
  height: { ideal: 360, max: 720 },
  frameRate: { ideal: 30, max: 30 },
  facingMode: 'user',
}

export const browserGetUserMedia: GetUserMedia = (constraints) => {
  // Absent where the page did not come over HTTPS.
  if (!navigator.mediaDevices)
    return Promise.reject(new DOMException('no media devices', 'NotSupportedError'))
  return navigator.mediaDevices.getUserMedia(constraints)
}

export function failureOf(error: unknown): DeviceState {
  const name = error instanceof Error || error instanceof DOMException ? error.name : ''
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'refused'
    case 'NotReadableError':
    case 'AbortError':
      return 'in_use'
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'none'
    default:
      return 'failed'
  }
}

async function takeOne(kind: DeviceKind, get: GetUserMedia): Promise<Taken[DeviceKind]> {
  try {
    const stream = await get(kind === 'microphone' ? { audio: MICROPHONE } : { video: CAMERA })
    const track = (kind === 'microphone' ? stream.getAudioTracks() : stream.getVideoTracks())[0] ?? null
    return { state: track ? 'on' : 'none', track }
  } catch (error) {
    return { state: failureOf(error), track: null }
  }
}

/** Asks for what is wanted: both in one question first, then, when that fails, each by itself. */
export async function takeDevices(
  want: { microphone: boolean; camera: boolean },
  get: GetUserMedia = browserGetUserMedia,
): Promise<Taken> {
  const off = { state: 'off' as const, track: null }
  if (want.microphone && want.camera) {
    try {
      const stream = await get({ audio: MICROPHONE, video: CAMERA })
      const [audio, video] = [stream.getAudioTracks()[0] ?? null, stream.getVideoTracks()[0] ?? null]
      return {
        microphone: { state: audio ? 'on' : 'none', track: audio },
        camera: { state: video ? 'on' : 'none', track: video },
      }
    } catch {
      const microphone = await takeOne('microphone', get)
      return { microphone, camera: await takeOne('camera', get) }
    }
  }
  return {
    microphone: want.microphone ? await takeOne('microphone', get) : off,
    camera: want.camera ? await takeOne('camera', get) : off,
  }
}

export const troubled = (state: DeviceState): boolean =>
  state === 'refused' || state === 'in_use' || state === 'none' || state === 'failed' || state === 'unplugged'
