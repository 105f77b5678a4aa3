import { describe, expect, it } from 'vitest'
import { answerAnew, LOOK_EVERY_MS, WayWatch } from '../src/call/ways'

/** A way on a clock that we move; `age` is the newest packet's, `packets` all that arrived. */
class FakeWay {
  now = 100_000
  restarts: number[] = []
  sending = true
  flowing = true
  /** How often the server lets something be heard; null: the way is dead. */
  signs: number | null = 150
  asked = 0
  private lastMedia = 100_000
  readonly watch = new WayWatch({
    newest: () => this.now - this.lastMedia,
    arrived: () => {
      this.asked++
      return Promise.resolve(this.signs === null ? -1 : Math.floor(this.now / this.signs))
    },
    sends: () => this.sending,
    restart: () => {
      this.restarts.push(this.now)
      return Promise.resolve()
    },
  })

  async run(ms: number): Promise<void> {
    for (const until = this.now + ms; this.now < until;) {
      this.now += LOOK_EVERY_MS
      if (this.flowing) this.lastMedia = this.now - 20
      await this.watch.look(this.now)
    }
  }

  breaks(): void {
    this.flowing = false
    this.signs = null
  }
}

describe('the watch on the way', () => {
  it('asks for no statistics while sound or pictures flow', async () => {
    const way = new FakeWay()
    await way.run(10_000)
    expect(way.asked).toBe(0)
    expect(way.restarts).toEqual([])
  })

  it('begins anew when nothing at all arrives any more, well within a second', async () => {
    const way = new FakeWay()
    await way.run(5_000)
    const at = way.now
    way.breaks()
    await way.run(1_000)
    expect(way.restarts.length).toBeGreaterThan(0)
    expect(way.restarts[0]! - at).toBeLessThanOrEqual(600)
  })

  it('leaves all as it is when the others fall silent and the server says so', async () => {
    const way = new FakeWay()
    await way.run(5_000)
    way.flowing = false
    await way.run(60_000)
    expect(way.restarts).toEqual([])
  })

  it('stops asking when nobody sends anything', async () => {
    const way = new FakeWay()
    way.sending = false
    await way.run(5_000)
    way.flowing = false
    await way.run(3_000)
    const { asked } = way
    // The server sends no signs any more then, and nobody misses anything.
    way.signs = null
    await way.run(60_000)
    expect(way.asked).toBe(asked)
    expect(way.restarts).toEqual([])
  })

  it('finds out, too, when only this person sends', async () => {
    const way = new FakeWay()
    await way.run(5_000)
    way.flowing = false
    await way.run(60_000)
    const at = way.now
    way.signs = null
    await way.run(2_000)
    expect(way.restarts[0]! - at).toBeLessThanOrEqual(1_000)
  })

  it('tries again, more and more slowly, until something comes', async () => {
    const way = new FakeWay()
    await way.run(5_000)
    way.breaks()
    await way.run(8_000)
    const waits = way.restarts.slice(1).map((at, n) => at - way.restarts[n]!)
    expect(waits.length).toBeGreaterThan(3)
    expect(waits.toSorted((a, b) => a - b)).toEqual(waits)
    const tries = way.restarts.length
    way.flowing = true
    way.signs = 150
    await way.run(20_000)
    expect(way.restarts).toHaveLength(tries)
    way.breaks()
    await way.run(1_000)
    expect(way.restarts.length, 'at once again').toBeGreaterThan(tries)
  })

  it('believes nothing of a machine that stood still', async () => {
    const way = new FakeWay()
    await way.run(5_000)
    way.flowing = false
    for (let n = 0; n < 10; n++) {
      way.now += 900
      await way.watch.look(way.now)
    }
    expect(way.restarts).toEqual([])
  })
})

describe('the answer to a restart that nobody was asked about', () => {
  const answer = [
    'a=ice-ufrag:ABCDefghijkl',
    'a=ice-pwd:secret',
    'a=candidate:1 1 udp 2130706431 192.0.2.1 20002 typ host',
    'a=candidate:2 1 udp 2130706175 2001:db8::1 20002 typ host',
    'a=candidate:3 1 tcp 1518279679 192.0.2.1 20002 typ host tcptype passive',
    '',
  ].join('\r\n')
  const priorities = (sdp: string) =>
    [...sdp.matchAll(/^a=candidate:\S+ 1 \S+ (\d+)/gm)].map(([, priority]) => Number(priority))

  it('is the old one under another name, each time another', () => {
    const names = [0, 1, 2, 40].map((n) => /^a=ice-ufrag:(\S+)/m.exec(answerAnew(answer, n, n))?.[1])
    expect(names[0]).toBe('ABCDefghijkl')
    expect(new Set(names).size).toBe(4)
    for (const name of names.slice(1)) expect(name).toMatch(/^ABCDefghijkl[0-9a-z]{3}$/)
    expect(answerAnew(answer, 3, 3)).toContain('a=ice-pwd:secret\r\n')
  })

  it('has candidates before those of any earlier one, below what a browser gives its own, TCP last', () => {
    const [first, second] = [priorities(answerAnew(answer, 0, 0)), priorities(answerAnew(answer, 1, 1))]
    const browsers = [(126 << 24) + 255, (100 << 24) + 255, (90 << 24) + 255]
    for (const [n, priority] of first.entries()) {
      expect(second[n]).toBe(priority + 1)
      expect(priority).toBeLessThan(Math.min(...browsers))
    }
    expect(first[0]).toBe(first[1])
    expect(Math.max(first[2]!, second[2]!)).toBeLessThan(first[0]!)
  })
})
