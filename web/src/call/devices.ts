/* Own microphone and camera. Each is in one state, and a failure of one never takes the other away.
 *
 *   off ──want──▶ asking ──▶ on ──▶ unplugged · interrupted
 *                   └──▶ refused · in_use · none · failed
 *
 * Interrupted: the system has taken it away for something else (a phone call), and another question did not bring it
 * back. The track is kept: it may come back by itself. */

import { t } from '@lingui/core/macro'

export type DeviceState =
  'off' | 'asking' | 'on' | 'refused' | 'in_use' | 'none' | 'failed' | 'unplugged' | 'interrupted'

export type DeviceKind = 'microphone' | 'camera'

export interface Taken {
  microphone: { state: DeviceState; track: MediaStreamTrack | null }
  camera: { state: DeviceState; track: MediaStreamTrack | null }
}

export type GetUserMedia = (constraints: MediaStreamConstraints) => Promise<MediaStream>

/** Which one is to be used of each kind; '' leaves it to the browser. */
export interface Chosen {
  microphone: string
  camera: string
  speaker: string
}

export interface Device {
  id: string
  name: string
}

export interface Devices {
  microphones: Device[]
  cameras: Device[]
  speakers: Device[]
}

export const noDevices: Devices = { microphones: [], cameras: [], speakers: [] }

const MICROPHONE: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
}

const CAMERA: MediaTrackConstraints = {
  width: { ideal: 1280, max: 1280 },
  height: { ideal: 720, max: 720 },
  frameRate: { ideal: 30, max: 30 },
}

// `exact`: with `ideal`, a camera whose sizes fit better would win over the chosen one.
const microphoneOf = (id: string): MediaTrackConstraints =>
  id ? { ...MICROPHONE, deviceId: { exact: id } } : MICROPHONE
const cameraOf = (id: string): MediaTrackConstraints =>
  id ? { ...CAMERA, deviceId: { exact: id } } : { ...CAMERA, facingMode: 'user' }

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

async function takeOne(kind: DeviceKind, get: GetUserMedia, id: string): Promise<Taken[DeviceKind]> {
  try {
    const stream = await get(kind === 'microphone' ? { audio: microphoneOf(id) } : { video: cameraOf(id) })
    const track = (kind === 'microphone' ? stream.getAudioTracks() : stream.getVideoTracks())[0] ?? null
    return { state: track ? 'on' : 'none', track }
  } catch (error) {
    const state = failureOf(error)
    // When the chosen one is not there, another will do.
    return id && state === 'none' ? takeOne(kind, get, '') : { state, track: null }
  }
}

/** Asks for what is wanted: both in one question first, then, when that fails (refused, in use, not there), each by
 * itself. */
export async function takeDevices(
  want: { microphone: boolean; camera: boolean },
  get: GetUserMedia = browserGetUserMedia,
  chosen: Pick<Chosen, 'microphone' | 'camera'> = { microphone: '', camera: '' },
): Promise<Taken> {
  const off = { state: 'off' as const, track: null }
  if (want.microphone && want.camera) {
    try {
      const stream = await get({ audio: microphoneOf(chosen.microphone), video: cameraOf(chosen.camera) })
      const [audio, video] = [stream.getAudioTracks()[0] ?? null, stream.getVideoTracks()[0] ?? null]
      return {
        microphone: { state: audio ? 'on' : 'none', track: audio },
        camera: { state: video ? 'on' : 'none', track: video },
      }
    } catch {
      const microphone = await takeOne('microphone', get, chosen.microphone)
      return { microphone, camera: await takeOne('camera', get, chosen.camera) }
    }
  }
  return {
    microphone: want.microphone ? await takeOne('microphone', get, chosen.microphone) : off,
    camera: want.camera ? await takeOne('camera', get, chosen.camera) : off,
  }
}

export const troubled = (state: DeviceState): boolean =>
  state !== 'off' && state !== 'asking' && state !== 'on'

/** What is plugged in. Names are there once the person has allowed one of a kind. */
export async function listDevices(): Promise<Devices> {
  if (!navigator.mediaDevices?.enumerateDevices) return noDevices
  const all = await navigator.mediaDevices.enumerateDevices()
  const of = (kind: MediaDeviceKind, word: (n: number) => string): Device[] =>
    all
      .filter((device) => device.kind === kind && device.deviceId !== '')
      .map((device, n) => ({ id: device.deviceId, name: device.label || word(n + 1) }))
  return {
    microphones: of('audioinput', (n) => t`Microphone ${n}`),
    cameras: of('videoinput', (n) => t`Camera ${n}`),
    speakers: of('audiooutput', (n) => t`Speaker ${n}`),
  }
}

/** Those of one kind that were not there before; nothing when nothing was known before. */
export const newDevices = (before: readonly Device[], now: readonly Device[]): Device[] =>
  before.length === 0
    ? []
    : now.filter(({ id }) => id !== 'default' && !before.some((device) => device.id === id))

const KEY = 'parley.devices'

export function storedChoice(): Chosen {
  const none: Chosen = { microphone: '', camera: '', speaker: '' }
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? 'null')
    if (typeof stored !== 'object' || stored === null) return none
    const read = (field: keyof Chosen) => {
      const value = (stored as Record<string, unknown>)[field]
      return typeof value === 'string' ? value : ''
    }
    return { microphone: read('microphone'), camera: read('camera'), speaker: read('speaker') }
  } catch {
    return none
  }
}

export function storeChoice(chosen: Chosen): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(chosen))
  } catch {
    // Then it holds until the page is closed.
  }
}
