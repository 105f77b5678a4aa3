import { describe, expect, it } from 'vitest'
import { NarrowWatch, withLongPackets } from '../src/call/narrow'

describe('a way that hardly takes sound', () => {
  const none = { width: null, height: null, fps: null, codec: null, packets: 0, lost: 0 }
  const watch = () => {
    const narrow = new NarrowWatch()
    let at = 0
    let bytes = 0
    const next = (kbps: number, loss: number, rtt: number, kind: 'audio' | 'video' = 'audio') => {
      bytes += (kbps * 1000) / 8
      const about = { ...none, kind, bytes, remoteLoss: loss, remoteRtt: rtt }
      return narrow.next({
        at: (at += 1000),
        lines: [
          { ...about, mid: '0', way: 'out' },
          { ...about, mid: '0', way: 'in', bytes: 0, remoteLoss: null, remoteRtt: null },
        ],
      })
    }
    const pass = (seconds: number, kbps: number, loss = 0, rtt = 0.05) => {
      let thrift = next(kbps, loss, rtt)
      for (let n = 1; n < seconds; n++) thrift = next(kbps, loss, rtt)
      return thrift
    }
    return {
      next,
      /** So many seconds with that; what came of it. */
      pass,
      /** A call, and its way becomes narrow. */
      begin: () => {
        expect(pass(10, 800)).toBe('all')
        expect(pass(2, 60, 0.3, 0.4)).toBe('lean')
      },
      /** How many seconds it stays lean. */
      stays: () => {
        for (let seconds = 1; ; seconds++) if (next(20, 0, 0.05) !== 'lean' || seconds > 1000) return seconds
      },
    }
  }

  it('is believed after two seconds in which little was sent, and that late or lost', () => {
    const { pass } = watch()
    expect(pass(60, 800)).toBe('all')
    expect(pass(1, 60, 0, 0.4)).toBe('all')
    expect(pass(1, 60, 0)).toBe('all')
    expect(pass(2, 60, 0, 0.4)).toBe('lean')
  })

  it('may have no queue, and lose much', () => {
    const { pass } = watch()
    pass(10, 800)
    expect(pass(2, 60, 0.3)).toBe('lean')
  })

  it('is not one that loses some at random, or is long', () => {
    const { pass } = watch()
    expect(pass(60, 60, 0.15, 0.3)).toBe('all')
    expect(pass(60, 60, 0.2, 0.4)).toBe('all')
  })

  it('is not one on which pictures can give way', () => {
    const { pass } = watch()
    pass(10, 800)
    expect(pass(60, 200, 0.4, 0.6)).toBe('all')
  })

  it('is not one of somebody else, who hears this person', () => {
    const { next } = watch()
    for (let n = 0; n < 20; n++) expect(next(60, 0.1, 0.05, 'video')).toBe('all')
  })

  it('is tried less and less often, sound first', () => {
    const { begin, pass, stays } = watch()
    begin()
    for (const hold of [10, 20, 40, 80, 80]) {
      expect(stays()).toBe(hold)
      expect(pass(1, 40, 0.3)).toBe('sound')
      expect(pass(1, 40, 0.3)).toBe('lean')
    }
  })

  it('sends pictures when sound has shown that there is room', () => {
    const { begin, pass, stays } = watch()
    begin()
    stays()
    expect(pass(7, 30)).toBe('sound')
    expect(pass(1, 30)).toBe('all')
    expect(pass(20, 300)).toBe('all')
  })

  it('is held for longer when pictures were too much', () => {
    const { begin, pass, stays } = watch()
    begin()
    stays()
    pass(8, 30)
    expect(pass(2, 80, 0, 0.4)).toBe('lean')
    expect(stays()).toBe(20)
  })

  it('is not a longer one that was found in mid-call', () => {
    const { pass } = watch()
    pass(10, 60)
    expect(pass(2, 60, 0, 0.3)).toBe('lean')
    expect(pass(9, 20, 0, 0.3)).toBe('lean')
    expect(pass(60, 60, 0, 0.3)).toBe('all')
  })

  it('begins anew when it was over for long', () => {
    const { begin, pass, stays } = watch()
    begin()
    stays()
    pass(2, 40, 0.3)
    stays()
    pass(8, 30)
    pass(61, 500)
    pass(2, 40, 0.3)
    expect(stays()).toBe(10)
  })
})

describe('long packets', () => {
  const answer = [
    'v=0',
    'a=group:BUNDLE 0 1',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=mid:0',
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'a=mid:1',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=mid:10',
    '',
  ].join('\r\n')

  it('are asked for on one m-line', () => {
    expect(withLongPackets(answer, '0')).toBe(answer.replace('a=mid:0\r\n', 'a=mid:0\r\na=ptime:60\r\n'))
    expect(withLongPackets(answer, '10')).toBe(`${answer}a=ptime:60\r\n`)
  })

  it('are not asked for on none', () => {
    expect(withLongPackets(answer, null)).toBe(answer)
    expect(withLongPackets(answer, '7')).toBe(answer)
  })
})
