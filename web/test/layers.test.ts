import { describe, expect, it } from 'vitest'
import { bitrateFor, encodingsFor, heightOf } from '../src/call/layers'

describe('the layers of a camera', () => {
  const sizes = (height: number | null, wanted?: string[]) =>
    encodingsFor(height, wanted && new Set(wanted))
      .filter(({ active }) => active)
      .map(({ rid, scaleResolutionDownBy }) => [rid, (height ?? 720) / scaleResolutionDownBy])

  it('are three, each half of the next', () => {
    expect(sizes(720)).toEqual([
      ['q', 180],
      ['h', 360],
      ['f', 720],
    ])
    expect(sizes(null)).toEqual(sizes(720))
  })

  it('are fewer where the camera is small, the lowest first', () => {
    expect(sizes(480)).toEqual([
      ['q', 240],
      ['h', 480],
    ])
    expect(sizes(240)).toEqual([['q', 240]])
  })

  it('are those that somebody watches', () => {
    expect(sizes(720, ['q', 'f']).map(([rid]) => rid)).toEqual(['q', 'f'])
    expect(sizes(720, [])).toEqual([])
  })

  it('are the most that there is, for who wants more', () => {
    expect(sizes(360, ['f'])).toEqual([['h', 360]])
    expect(sizes(360, ['q'])).toEqual([['q', 180]])
  })

  it('cost what their size needs', () => {
    expect(encodingsFor(720).map(({ maxBitrate }) => maxBitrate)).toEqual([150_000, 505_000, 1_700_000])
    expect(bitrateFor(1080)).toBe(1_700_000)
    expect(bitrateFor(60)).toBe(100_000)
  })

  it('follow the shorter side: a phone is held upright', () => {
    const track = (settings: MediaTrackSettings) => ({ getSettings: () => settings }) as MediaStreamTrack
    expect(heightOf(track({ width: 720, height: 1280 }))).toBe(720)
    expect(heightOf(track({}))).toBe(null)
    expect(heightOf(null)).toBe(null)
  })
})
