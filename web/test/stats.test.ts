import { describe, expect, it } from 'vitest'
import { levelOf } from '../src/call/level'
import { usualCodecs } from '../src/call/peer'
import { SpeakerWatch } from '../src/call/speaking'
import { arrivedIn, barsOf, flowBetween, readSample, SteadyBars } from '../src/call/stats'

const report = (entries: Record<string, unknown>[]) =>
  new Map(entries.map((entry, n) => [String(n), { id: String(n), ...entry }])) as unknown as RTCStatsReport

const inbound = (bytes: number, packets: number, lost: number) => ({
  type: 'inbound-rtp',
  kind: 'video',
  mid: '1',
  bytesReceived: bytes,
  packetsReceived: packets,
  packetsLost: lost,
  frameWidth: 640,
  frameHeight: 360,
  framesPerSecond: 20,
})

describe('figures', () => {
  it('come from two samples', () => {
    const pair = {
      type: 'candidate-pair',
      nominated: true,
      state: 'succeeded',
      currentRoundTripTime: 0.03,
      availableOutgoingBitrate: 1e6,
      responsesReceived: 4,
      bytesReceived: 10,
    }
    const before = readSample(report([pair, inbound(1000, 10, 0)]), 1000)
    const now = readSample(report([pair, inbound(126_000, 109, 1)]), 2000)
    expect(before.heard).toBe(14)
    const flow = flowBetween(before, now)
    expect(flow).toMatchObject({ rtt: 0.03, available: 1e6 })
    expect(flow?.lines).toEqual([
      {
        mid: '1',
        kind: 'video',
        way: 'in',
        bitrate: 1e6,
        loss: 0.01,
        width: 640,
        height: 360,
        fps: 20,
        codec: null,
      },
    ])
    expect(flowBetween(null, now)).toBeNull()
    expect(flowBetween(now, before)).toBeNull()
    expect(readSample(report([]), 1).heard).toBeNull()
  })

  it('tell what has arrived, by the transport or, in Firefox, by its ways', () => {
    const pair = (bytesReceived?: number) => ({ type: 'candidate-pair', responsesReceived: 9, bytesReceived })
    const transport = { type: 'transport', packetsReceived: 7, bytesReceived: 700 }
    expect(arrivedIn(report([transport, pair(300), pair(400)]))).toBe(7)
    expect(arrivedIn(report([{ type: 'transport', bytesReceived: 700 }]))).toBe(700)
    expect(arrivedIn(report([pair(300), pair(), pair(400)]))).toBe(700)
    expect(arrivedIn(report([pair(0)]))).toBe(0)
    expect(arrivedIn(report([pair(), inbound(1000, 10, 0)]))).toBeNull()
  })

  it('of the layers of a camera are one line, as large as the largest', () => {
    const layer = (height: number, bytes: number) => ({
      type: 'outbound-rtp',
      kind: 'video',
      mid: '1',
      bytesSent: bytes,
      packetsSent: 1,
      frameHeight: height,
    })
    const { lines } = readSample(report([layer(180, 10), layer(720, 100), layer(360, 30)]), 1)
    expect(lines).toMatchObject([{ bytes: 140, packets: 3, height: 720 }])
  })

  it('become bars: down at once, up slowly', () => {
    expect([barsOf(0, 0.02), barsOf(0.03, null), barsOf(0, 0.5), barsOf(0.2, 0)]).toEqual([4, 3, 2, 1])
    const steady = new SteadyBars()
    expect(steady.next(1)).toBe(1)
    expect([4, 4, 4].map((n) => steady.next(n as 4))).toEqual([1, 1, 1])
    expect(steady.next(4)).toBe(2)
  })

  it('of a microphone look like what one hears', () => {
    expect(levelOf(0)).toBe(0)
    expect(levelOf(1)).toBe(1)
    expect(levelOf(0.001)).toBeCloseTo(0)
  })
})

describe('speaking', () => {
  const levels = (of: Record<string, number>) => new Map(Object.entries(of))

  it('is heard, and held through a pause for breath', () => {
    const watch = new SpeakerWatch()
    expect(watch.heard(levels({ a: 0.2, b: 0.001 }), 0)).toEqual({ ids: ['a'], main: 'a' })
    expect(watch.heard(levels({}), 500).ids).toEqual(['a'])
    expect(watch.heard(levels({}), 1000)).toEqual({ ids: [], main: 'a' })
  })

  it('takes the stage when it lasts', () => {
    const watch = new SpeakerWatch()
    watch.heard(levels({ a: 0.2 }), 0)
    expect(watch.heard(levels({ b: 0.2 }), 1000).main).toBe('a')
    for (let t = 1200; t < 1900; t += 200) watch.heard(levels({ b: 0.2 }), t)
    expect(watch.heard(levels({ b: 0.2 }), 2000).main).toBe('b')
    watch.forget('b')
    expect(watch.heard(levels({}), 2100)).toEqual({ ids: [], main: null })
  })
})

describe('an offer', () => {
  it('names each codec once', () => {
    const codec = (mimeType: string, sdpFmtpLine?: string) => ({ mimeType, sdpFmtpLine, clockRate: 90_000 })
    const kept = usualCodecs([
      codec('video/VP8'),
      codec('video/rtx'),
      codec('video/H264', 'packetization-mode=0;profile-level-id=42001f'),
      codec('video/H264', 'packetization-mode=1;profile-level-id=42e01f'),
      codec('video/H264', 'packetization-mode=1;profile-level-id=4d001f'),
      codec('video/VP9', 'profile-id=0'),
      codec('video/VP9', 'profile-id=2'),
      codec('video/AV1', 'level-idx=5;profile=0;tier=0'),
      codec('video/AV1', 'level-idx=5;profile=1;tier=0'),
      codec('video/ulpfec'),
    ])
    expect(kept.map(({ mimeType }) => mimeType)).toEqual([
      'video/VP8',
      'video/rtx',
      'video/H264',
      'video/VP9',
      'video/AV1',
    ])
  })

  it('has H.264 and VP8 of what Safari knows', () => {
    const codec = (mimeType: string, sdpFmtpLine?: string) => ({ mimeType, sdpFmtpLine, clockRate: 90_000 })
    const line = (profile: string, mode: 0 | 1) =>
      codec('video/H264', `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`)
    const kept = usualCodecs([
      line('640c1f', 1),
      codec('video/rtx'),
      line('42e01f', 1),
      line('640c1f', 0),
      line('42e01f', 0),
      codec('video/H265', 'level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST'),
      codec('video/VP8'),
      codec('video/VP9', 'profile-id=0'),
      codec('video/red'),
      codec('video/ulpfec'),
    ])
    expect(kept).toEqual([
      codec('video/rtx'),
      line('42e01f', 1),
      codec('video/VP8'),
      codec('video/VP9', 'profile-id=0'),
    ])
  })

  it("takes Firefox's VP9, which names no profile", () => {
    const codec = (mimeType: string, sdpFmtpLine: string) => ({ mimeType, sdpFmtpLine, clockRate: 90_000 })
    const all = [codec('video/VP8', 'max-fs=12288;max-fr=60'), codec('video/VP9', 'max-fs=12288;max-fr=60')]
    expect(usualCodecs(all)).toEqual(all)
  })
})
