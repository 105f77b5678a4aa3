import { describe, expect, it, vi } from 'vitest'
import type { GetUserMedia } from '../src/call/devices'
import { failureOf, takeDevices } from '../src/call/devices'
import { FakeStream, FakeTrack } from './support/fakes'

const fail = (name: string) => Promise.reject(new DOMException(name, name))
const stream = (...kinds: ('audio' | 'video')[]) =>
  Promise.resolve(new FakeStream(kinds.map((kind) => new FakeTrack(kind))) as unknown as MediaStream)
const both = { microphone: true, camera: true }

describe('own devices', () => {
  it('are asked for in one question', async () => {
    const get = vi.fn<GetUserMedia>(() => stream('audio', 'video'))
    const taken = await takeDevices(both, get)
    expect(get).toHaveBeenCalledOnce()
    expect([taken.microphone.state, taken.camera.state]).toEqual(['on', 'on'])
  })

  it('keep the microphone when the camera is refused, in use or missing', async () => {
    const states = { NotAllowedError: 'refused', NotReadableError: 'in_use', NotFoundError: 'none' } as const
    for (const [name, state] of Object.entries(states)) {
      const taken = await takeDevices(both, ({ video }) => (video ? fail(name) : stream('audio')))
      expect(taken.microphone.state).toBe('on')
      expect(taken.camera).toEqual({ state, track: null })
    }
  })

  it('keep the camera when there is no microphone', async () => {
    const taken = await takeDevices(both, ({ audio }) => (audio ? fail('NotFoundError') : stream('video')))
    expect([taken.microphone.state, taken.camera.state]).toEqual(['none', 'on'])
  })

  it('leave the camera alone for an audio call', async () => {
    const get = vi.fn<GetUserMedia>(() => stream('audio'))
    const taken = await takeDevices({ microphone: true, camera: false }, get)
    expect(get.mock.calls[0]?.[0].video).toBeUndefined()
    expect(taken.camera.state).toBe('off')
  })

  it('are exactly those chosen, and others only when those are not there', async () => {
    const chosen = { microphone: 'm2', camera: 'c2' }
    const id = ({ audio, video }: MediaStreamConstraints) => {
      const wanted = video ?? audio
      return typeof wanted === 'object' ? wanted.deviceId : undefined
    }
    const get = vi.fn<GetUserMedia>(() => stream('audio', 'video'))
    await takeDevices(both, get, chosen)
    expect(get.mock.calls[0]?.[0]).toMatchObject({
      audio: { deviceId: { exact: 'm2' } },
      video: { deviceId: { exact: 'c2' } },
    })
    const gone = vi.fn<GetUserMedia>((wanted) =>
      wanted.video && id(wanted) ? fail('OverconstrainedError') : stream(wanted.video ? 'video' : 'audio'),
    )
    const taken = await takeDevices(both, gone, chosen)
    expect([taken.microphone.state, taken.camera.state]).toEqual(['on', 'on'])
  })

  it('name what else can go wrong', () => {
    expect(failureOf(new DOMException('', 'NotSupportedError'))).toBe('failed')
    expect(failureOf('what')).toBe('failed')
  })
})
