import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/api/client'
import type { Message } from '../src/api/types'
import type { ChatView } from '../src/call/chat'
import { Chat, onlyEmoji, pieces } from '../src/call/chat'

/** A server that keeps messages by id, and can lose an answer. */
function setUp(kept: string | null = null) {
  const server: Message[] = []
  const views: ChatView[] = []
  let lost = 0
  let ids = 0
  const say = (userId: string, text: string, id = `s${server.length + 1}`): Message => {
    const known = server.find((one) => one.id === id)
    if (known) return known
    const message = {
      id,
      call_id: 'c1',
      seq: server.length + 1,
      user_id: userId,
      text,
      created_at: '2026-03-01T10:00:00Z',
    }
    server.push(message)
    return message
  }
  const keep = { text: kept, read: () => keep.text, write: (text: string | null) => void (keep.text = text) }
  const sendMessage = vi.fn((_call: string, id: string, text: string) => {
    const message = say('1', text, id)
    return lost-- > 0 ? Promise.reject(new ApiError('network', '')) : Promise.resolve(message)
  })
  const listMessages = vi.fn((_call: string, after: number) => {
    const items = server.filter(({ seq }) => seq > after).slice(0, 2)
    const more = server.length > after + 2
    return Promise.resolve({ items, next: more ? String(items.at(-1)?.seq) : null })
  })
  const sayTyping = vi.fn()
  const make = () =>
    new Chat('c1', '1', {
      api: { sendMessage, listMessages },
      newId: () => `n${++ids}`,
      sayTyping,
      onView: (view) => views.push(view),
      keep,
    })
  const texts = () => views.at(-1)?.items.map((item) => `${item.text}${item.state === 'sent' ? '' : '*'}`)
  return {
    server,
    say,
    make,
    texts,
    views,
    keep,
    sendMessage,
    listMessages,
    sayTyping,
    lose: (n: number) => (lost = n),
  }
}

const settle = () => vi.advanceTimersByTimeAsync(1)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('messages', () => {
  it('does not wait for what is not for this person', async () => {
    const { server, say, make, texts } = setUp()
    say('2', 'one')
    say('2', 'hidden')
    say('2', 'three')
    server.splice(1, 1)
    const chat = make()
    await vi.advanceTimersByTimeAsync(0)
    expect(texts()).toEqual(['one', 'three'])
    chat.onMessage({ ...say('2', 'four', 's4'), seq: 4 })
    expect(texts()).toEqual(['one', 'three', 'four'])
  })

  it('that were there before come page by page, and are not news', async () => {
    const { say, make, texts, views } = setUp()
    for (const text of ['a', 'b', 'c', 'd', 'e']) say('2', text)
    make()
    await settle()
    expect(texts()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(views.at(-1)?.unread).toBe(0)
  })

  it('are shown at once, and are there once when the answer is lost', async () => {
    const { make, texts, server, sendMessage, lose, keep } = setUp()
    const chat = make()
    await settle()
    lose(2)
    chat.send(' one ')
    chat.send('two')
    expect(texts()).toEqual(['one*', 'two*'])
    expect(keep.text).toContain('two')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(texts()).toEqual(['one', 'two'])
    expect(server.map(({ text }) => text)).toEqual(['one', 'two'])
    expect(sendMessage.mock.calls.map(([, id]) => id)).toEqual(['n1', 'n1', 'n1', 'n2'])
    expect(keep.text).toBeNull()
  })

  it('of one’s own that come as an event before the answer are not doubled', async () => {
    const { make, texts, say, sendMessage } = setUp()
    const chat = make()
    await settle()
    let answer: (message: Message) => void = () => undefined
    sendMessage.mockImplementationOnce(() => new Promise((done) => (answer = done)))
    chat.send('one')
    const said = say('1', 'one', 'n1')
    chat.onMessage(said)
    expect(texts()).toEqual(['one'])
    answer(said)
    await settle()
    expect(texts()).toEqual(['one'])
  })

  it('that were missed are asked for, whatever the order of events', async () => {
    const { make, texts, say, listMessages } = setUp()
    const chat = make()
    await settle()
    say('2', 'a')
    say('2', 'b')
    const third = say('2', 'c')
    chat.onMessage(third)
    await settle()
    expect(texts()).toEqual(['a', 'b', 'c'])
    chat.onMessage(third)
    expect(texts()).toEqual(['a', 'b', 'c'])
    say('2', 'd')
    await chat.sync()
    expect(listMessages).toHaveBeenLastCalledWith('c1', 3)
    expect(texts()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('not said before a reload are said after it', async () => {
    const { make, texts } = setUp(JSON.stringify([{ id: 'old', text: 'unsaid', at: '2026-03-01T10:00:00Z' }]))
    make()
    await settle()
    expect(texts()).toEqual(['unsaid'])
  })

  it('that the server refuses wait for the person', async () => {
    const { make, views, sendMessage } = setUp()
    const chat = make()
    await settle()
    sendMessage.mockRejectedValueOnce(new ApiError('wrong_state', '', { status: 409 }))
    chat.send('no')
    await settle()
    expect(views.at(-1)?.items[0]).toMatchObject({ state: 'failed' })
    chat.send('after')
    await settle()
    chat.tryAgain('n1')
    await settle()
    expect(views.at(-1)?.items.map(({ text }) => text)).toEqual(['after', 'no'])
    sendMessage.mockRejectedValueOnce(new ApiError('forbidden', '', { status: 403 }))
    chat.send('never')
    await settle()
    chat.discard('n3')
    expect(views.at(-1)?.items).toHaveLength(2)
  })

  it('are counted while nobody looks', async () => {
    const { make, views, say } = setUp()
    const chat = make()
    await settle()
    chat.onMessage(say('2', 'a'))
    chat.onMessage(say('1', 'mine, elsewhere'))
    expect(views.at(-1)?.unread).toBe(1)
    chat.setOpen(true)
    expect(views.at(-1)?.unread).toBe(0)
    chat.onMessage(say('2', 'b'))
    expect(views.at(-1)?.unread).toBe(0)
    chat.setOpen(false)
    expect(views.at(-1)?.unread).toBe(0)
  })

  it('tell who writes, not too often, and for not too long', async () => {
    const { make, views, say, sayTyping } = setUp()
    const chat = make()
    await settle()
    chat.writes()
    chat.writes()
    expect(sayTyping).toHaveBeenCalledOnce()
    chat.onTyping('2')
    chat.onTyping('1')
    expect(views.at(-1)?.typing).toEqual(['2'])
    chat.onMessage(say('2', 'done'))
    expect(views.at(-1)?.typing).toEqual([])
    chat.onTyping('2')
    await vi.advanceTimersByTimeAsync(6_000)
    expect(views.at(-1)?.typing).toEqual([])
  })
})

describe('text', () => {
  it('has its links made out, and nothing else', () => {
    expect(pieces('see (https://a.example/b_(c)), or http://x.example.')).toEqual([
      { text: 'see (' },
      { text: 'https://a.example/b_(c)', href: 'https://a.example/b_(c)' },
      { text: '), or ' },
      { text: 'http://x.example', href: 'http://x.example' },
      { text: '.' },
    ])
    expect(pieces('javascript:alert(1) <b>https://</b>')).toEqual([
      { text: 'javascript:alert(1) <b>https://</b>' },
    ])
  })

  it('of emoji alone is known', () => {
    expect([onlyEmoji('🎉👏'), onlyEmoji('👩‍💻'), onlyEmoji('ok 👍'), onlyEmoji('12')]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
})
