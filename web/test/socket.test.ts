import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ServerEvent } from '../src/api/types'
import { EventLink, helloWithin, parseEvent, retryDelay } from '../src/call/socket'

class FakeSocket extends EventTarget {
  readyState = 1
  sent: string[] = []
  closed = false

  send(text: string): void {
    this.sent.push(text)
  }

  close(): void {
    this.closed = true
  }

  say(event: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(event) }))
  }

  die(): void {
    this.dispatchEvent(new Event('close'))
  }
}

const HELLO = { type: 'hello', me: {}, contacts: [], calls: [], server: { version: '1' } }

function setUp() {
  const sockets: FakeSocket[] = []
  const events: ServerEvent[] = []
  const states: string[] = []
  const onRefused = vi.fn()
  const link = new EventLink(
    { onEvent: (event) => events.push(event), onState: (state) => states.push(state), onRefused },
    {
      url: 'wss://x/api/v1/events',
      make: () => {
        const socket = new FakeSocket()
        sockets.push(socket)
        return socket as unknown as WebSocket
      },
      random: () => 0.5,
    },
  )
  const last = () => sockets.at(-1) as FakeSocket
  return { link, sockets, last, events, states, onRefused }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the event link', () => {
  it('is open with the first hello, and hands events on', () => {
    const { link, last, events, states } = setUp()
    link.start()
    expect(states).toEqual(['connecting'])
    last().say(HELLO)
    last().say({ type: 'presence', user_id: '2', presence: 'online' })
    expect(states).toEqual(['connecting', 'open'])
    expect(events.map((event) => event.type)).toEqual(['hello', 'presence'])
  })

  it('is back within a second when a worker dies', () => {
    const { link, sockets, last, states } = setUp()
    link.start()
    last().say(HELLO)
    last().die()
    expect(states.at(-1)).toBe('lost')
    vi.advanceTimersByTime(299)
    expect(sockets).toHaveLength(1)
    vi.advanceTimersByTime(600)
    expect(sockets).toHaveLength(2)
    last().say(HELLO)
    expect(states.at(-1)).toBe('open')
  })

  it('tries a second time within 3 s when the first attempt meets silence', () => {
    const { link, sockets, last } = setUp()
    link.start()
    last().say(HELLO)
    last().die()
    vi.advanceTimersByTime(600)
    last().die()
    vi.advanceTimersByTime(900)
    expect(sockets).toHaveLength(3)
  })

  it('waits longer and longer, within bounds', () => {
    expect(retryDelay(0, () => 0)).toBe(300)
    expect(retryDelay(0, () => 1)).toBeLessThanOrEqual(1000)
    expect(retryDelay(1, () => 1)).toBeLessThanOrEqual(1000)
    expect(retryDelay(50, () => 1)).toBeLessThanOrEqual(21_000)
  })

  it('is more patient with each attempt: all of a server may be coming back', () => {
    expect([0, 1, 2, 3, 4, 50].map(helloWithin)).toEqual([2_500, 2_500, 5_000, 10_000, 15_000, 15_000])
    const { link, sockets, last } = setUp()
    link.start()
    for (const [attempt, wait] of [2_500, 2_500, 5_000].entries()) {
      vi.advanceTimersByTime(wait - 1)
      expect(last().closed).toBe(false)
      vi.advanceTimersByTime(1)
      expect(last().closed).toBe(true)
      vi.advanceTimersByTime(retryDelay(attempt, () => 0.5))
      expect(sockets).toHaveLength(attempt + 2)
    }
  })

  it('asks whether the sign-in still holds when it is refused', () => {
    const { link, last, onRefused } = setUp()
    link.start()
    last().die()
    expect(onRefused).toHaveBeenCalledOnce()
  })

  it('pings a silent server and gives up on one that does not answer', () => {
    const { link, last, states } = setUp()
    link.start()
    const first = last()
    first.say(HELLO)
    vi.advanceTimersByTime(15_000)
    expect(first.sent).toEqual(['{"type":"ping"}'])
    first.say({ type: 'pong' })
    vi.advanceTimersByTime(15_000)
    expect(first.sent).toHaveLength(2)
    vi.advanceTimersByTime(5_000)
    expect(first.closed).toBe(true)
    expect(states.at(-1)).toBe('lost')
  })

  it('does not ping together with all others that heard the same', () => {
    const sent = [0, 1].map((random) => {
      const sockets: FakeSocket[] = []
      const make = () => (sockets.push(new FakeSocket()), sockets.at(-1) as unknown as WebSocket)
      const handlers = { onEvent: () => {}, onState: () => {}, onRefused: () => {} }
      new EventLink(handlers, { url: 'wss://x/', make, random: () => random }).start()
      sockets[0]!.say(HELLO)
      return sockets[0]!.sent
    })
    vi.advanceTimersByTime(12_000)
    expect(sent.map((frames) => frames.length)).toEqual([1, 0])
    vi.advanceTimersByTime(6_000)
    expect(sent[1]).toHaveLength(1)
  })

  it('goes to another worker when told to', () => {
    const { link, sockets, last } = setUp()
    link.start()
    last().say(HELLO)
    last().say({ type: 'server.moving' })
    vi.advanceTimersByTime(1_000)
    expect(sockets).toHaveLength(2)
  })

  it('stays closed after stop', () => {
    const { link, sockets, last } = setUp()
    link.start()
    last().say(HELLO)
    link.stop()
    last().die()
    vi.advanceTimersByTime(60_000)
    expect(sockets).toHaveLength(1)
  })

  it('reads only events', () => {
    expect(parseEvent('nonsense')).toBeNull()
    expect(parseEvent('[]')).toBeNull()
    expect(parseEvent('{"type":1}')).toBeNull()
    expect(parseEvent(new ArrayBuffer(1))).toBeNull()
    expect(parseEvent('{"type":"pong"}')).toEqual({ type: 'pong' })
  })
})
