import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { happenings } from '../src/call/happenings'
import { emptyWorld } from '../src/call/model'
import type { SessionView } from '../src/call/view'
import { PeoplePanel } from '../src/features/people/PeoplePanel'
import { ChatPanel } from '../src/features/chat/ChatPanel'
import { arrange } from '../src/features/stage/layout'
import { parley } from '../src/state/parley'
import { ana, bela, call, contact, member, user } from './support/fakes'

const keys = (n: number) => Array.from({ length: n }, (_, i) => `p${i}`)
const wide = { width: 1256, height: 654, page: 0 }
const phone = { width: 374, height: 680, page: 0 }

describe('the stage', () => {
  const overlap = (boxes: Map<string, { x: number; y: number; width: number; height: number }>) => {
    const list = [...boxes.values()]
    return list.some((a, i) =>
      list
        .slice(i + 1)
        .some(
          (b) =>
            a.x < b.x + b.width - 0.5 &&
            b.x < a.x + a.width - 0.5 &&
            a.y < b.y + b.height - 0.5 &&
            b.y < a.y + a.height - 0.5,
        ),
    )
  }

  it('lays out any number of people without overlap, inside the window', () => {
    for (const box of [wide, phone, { width: 820, height: 300, page: 0 }])
      for (let n = 1; n <= 20; n++)
        for (const main of [null, 'p0']) {
          const { boxes } = arrange({ keys: keys(n), main, ...box })
          expect(boxes.size).toBeGreaterThan(0)
          expect(overlap(boxes)).toBe(false)
          for (const { x, y, width, height } of boxes.values()) {
            expect(Math.min(x, y)).toBeGreaterThanOrEqual(-0.5)
            expect(x + width).toBeLessThanOrEqual(box.width + 0.5)
            expect(y + height).toBeLessThanOrEqual(box.height + 0.5)
          }
        }
  })

  it('keeps 16 to 9 where there is room, and cuts sides only a little where there is not', () => {
    const ratios = (n: number, box: typeof wide) =>
      [...arrange({ keys: keys(n), main: null, ...box }).boxes.values()].map((b) => b.width / b.height)
    for (const n of [2, 3, 4, 6, 9]) for (const ratio of ratios(n, wide)) expect(ratio).toBeCloseTo(16 / 9, 2)
    for (const ratio of ratios(3, phone)) {
      expect(ratio).toBeGreaterThan(1.32)
      expect(ratio).toBeLessThan(1.78)
    }
  })

  it('has pages of nine, all of one look', () => {
    const first = arrange({ keys: keys(12), main: null, ...wide })
    expect([first.boxes.size, first.pages, first.page]).toEqual([9, 2, 0])
    const last = arrange({ keys: keys(12), main: null, ...wide, page: 7 })
    expect([last.boxes.size, last.page]).toEqual([3, 1])
    expect(last.boxes.get('p9')?.width).toBe(first.boxes.get('p0')?.width)
  })

  it('has the own picture on every page, over nobody', () => {
    for (const box of [wide, phone, { width: 820, height: 300, page: 0 }])
      for (const main of [null, 'p0'])
        for (let n = 3; n <= 20; n++) {
          const wish = { keys: [...keys(n), 'me'], main, always: 'me', ...box }
          const { pages } = arrange(wish)
          const seen = new Set<string>()
          for (let page = 0; page < pages; page++) {
            const { boxes } = arrange({ ...wish, page })
            expect(boxes.has('me')).toBe(true)
            expect(overlap(boxes)).toBe(false)
            for (const key of boxes.keys()) seen.add(key)
          }
          expect(seen.size).toBe(n + 1)
        }
  })

  it('gives the stage to one, and the others a strip', () => {
    const { boxes } = arrange({ keys: keys(5), main: 'p2', ...wide })
    const main = boxes.get('p2')
    expect(main?.width).toBeGreaterThan(900)
    for (const key of ['p0', 'p1', 'p3', 'p4'])
      expect(boxes.get(key)?.x).toBeGreaterThanOrEqual(main?.width ?? 0)
    const below = arrange({ keys: keys(3), main: 'p0', ...phone }).boxes
    expect(below.get('p1')?.y).toBeGreaterThan(below.get('p0')?.height ?? Infinity)
  })
})

describe('what happened', () => {
  const cleo = user('3', 'Cleo')
  const before = call({
    version: 3,
    state: 'active',
    members: [member(ana, 'joined'), member(bela, 'joined'), member(cleo, 'ringing')],
  })
  const say = (members: typeof before.members) =>
    happenings(before, { ...before, version: 4, members }, ana.id, ({ user: who }) => who.display_name).map(
      ({ text }) => text,
    )

  it('is said once, of others only', () => {
    expect(say([member(ana, 'paused'), member(bela, 'left'), member(cleo, 'joined')])).toEqual([
      'Bela left',
      'Cleo joined',
    ])
    expect(
      say([member(ana, 'joined'), { ...member(bela, 'paused'), hand: true }, member(cleo, 'declined')]),
    ).toEqual(['Bela paused', 'Bela raised a hand', 'Cleo declined'])
    expect(happenings(before, before, ana.id, () => '')).toEqual([])
  })
})

describe('panels', () => {
  const dan = user('4', 'Dan')
  const active = call({
    version: 3,
    state: 'active',
    members: [member(ana, 'joined'), member(bela, 'joined')],
  })
  beforeEach(() =>
    parley.store.setState({
      session: { call: active, tiles: [], screens: [] } as unknown as SessionView,
      world: { ...emptyWorld, me: ana, ready: true, contacts: { '4': contact(dan), '2': contact(bela) } },
      chat: null,
    }),
  )

  it('add contacts who are not here, and let who started the call mute and remove', async () => {
    const invite = vi.spyOn(parley, 'invite').mockResolvedValue()
    const mute = vi.spyOn(parley, 'muteMember').mockResolvedValue()
    const remove = vi.spyOn(parley, 'removeMember').mockResolvedValue()
    render(<PeoplePanel />)
    expect(screen.queryByRole('button', { name: 'Add Bela' })).toBeNull()
    await userEvent.click(screen.getByRole('button', { name: 'Add Dan' }))
    expect(invite).toHaveBeenCalledWith(['4'])
    await userEvent.click(screen.getByRole('button', { name: 'Mute Bela' }))
    expect(mute).toHaveBeenCalledWith('2')
    await userEvent.click(screen.getByRole('button', { name: 'Remove Bela' }))
    expect(remove).not.toHaveBeenCalled()
    await userEvent.click(screen.getByRole('button', { name: 'Really remove' }))
    expect(remove).toHaveBeenCalledWith('2')
  })

  it('show no such thing to others', () => {
    const theirs = { ...active, started_by: bela.id, locked: true }
    parley.store.setState({ session: { call: theirs } as unknown as SessionView })
    render(<PeoplePanel />)
    expect(screen.queryByRole('button')).toBeNull()
    expect(screen.getByText(/only who started it can add people/)).toBeTruthy()
  })

  it('send what is written, with Enter or the button', async () => {
    const send = vi.spyOn(parley, 'sendMessage').mockReturnValue()
    parley.store.setState({
      chat: {
        callId: 'c1',
        items: [
          {
            id: 'm',
            userId: '2',
            text: 'see https://example.org/a).',
            at: '2026-03-01T10:00:00Z',
            state: 'sent',
          },
        ],
        typing: ['2'],
        unread: 0,
        ready: true,
      },
    })
    render(<ChatPanel />)
    expect(screen.getByRole('link').getAttribute('href')).toBe('https://example.org/a')
    expect(screen.getByText('Bela is writing…')).toBeTruthy()
    const box = screen.getByRole('textbox', { name: 'Message' })
    await userEvent.type(box, 'hello{Enter}')
    await userEvent.type(box, 'two{Shift>}{Enter}{/Shift}lines')
    await userEvent.click(screen.getByRole('button', { name: 'Send' }))
    expect(send.mock.calls).toEqual([['hello'], ['two\nlines']])
  })
})
