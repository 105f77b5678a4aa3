import { describe, expect, it } from 'vitest'
import type { ServerEvent } from '../src/api/types'
import { emptyWorld, ongoingCall, othersIn, ringingCall, step, watchersOf, withCall } from '../src/call/model'
import { ana, bela, call, contact, member } from './support/fakes'

const hello = (calls = [call()]): ServerEvent => ({
  type: 'hello',
  me: { ...ana, status: 'available' },
  contacts: [contact(bela)],
  calls,
  server: { version: '1' },
})

const after = (...events: ServerEvent[]) =>
  events.reduce((world, event) => step(world, event).world, emptyWorld)

describe('what is known', () => {
  it('is what hello says, all of it', () => {
    const world = after(hello(), hello([]))
    expect(world.ready).toBe(true)
    expect(world.calls).toEqual({})
    expect(Object.keys(world.contacts)).toEqual([bela.id])
  })

  it('drops older versions of a call, from wherever', () => {
    const newer = call({ version: 5, state: 'active' })
    const world = after(hello([newer]))
    expect(withCall(world, call({ version: 4 })).calls.c1?.state).toBe('active')
    const late: ServerEvent = { type: 'call.updated', call_id: 'c1', version: 3, call: call({ version: 3 }) }
    expect(step(world, late).world.calls.c1?.version).toBe(5)
    expect(after(hello([newer]), hello([call({ version: 2 })])).calls.c1?.version).toBe(5)
  })

  it('does not bring an ended call back', () => {
    const ended = call({ version: 4, state: 'ended', end_reason: 'hangup' })
    const world = after(
      hello(),
      { type: 'call.ended', call_id: 'c1', version: 4, call: ended },
      { type: 'call.ringing', call_id: 'c1', version: 1, call: call() },
    )
    expect(world.calls.c1?.state).toBe('ended')
    expect(ongoingCall(world)).toBeNull()
  })

  it('puts a member in place, and notices what it missed', () => {
    const joined: ServerEvent = {
      type: 'member.joined',
      call_id: 'c1',
      version: 2,
      member: member(bela, 'joined'),
    }
    const first = step(after(hello()), joined)
    expect(first.world.calls.c1?.members[1]?.state).toBe('joined')
    expect(first.stale).toBeUndefined()
    expect(step(first.world, { ...joined, version: 9 }).stale).toBe('c1')
    expect(step(emptyWorld, joined).stale).toBe('c1')
    const old = step(first.world, { ...joined, version: 1, member: member(bela, 'left') })
    expect(old.world.calls.c1?.members[1]?.state).toBe('joined')
  })

  it('follows presence and contacts', () => {
    const busy = after(hello(), { type: 'presence', user_id: bela.id, presence: 'busy' })
    expect(busy.contacts[bela.id]?.presence).toBe('busy')
    expect(after(hello(), { type: 'contact', user_id: bela.id, contact: null }).contacts).toEqual({})
    const asked = after(hello(), { type: 'contact', contact: contact(bela, { state: 'incoming' }) })
    expect(asked.contacts[bela.id]?.state).toBe('incoming')
  })

  it('ignores events that it does not know', () => {
    const world = after(hello())
    expect(step(world, { type: 'tomorrow' } as unknown as ServerEvent).world).toBe(world)
  })
})

describe('which call rings here', () => {
  const incoming = (mine: Parameters<typeof member>[1], more = {}) =>
    call({ started_by: bela.id, members: [member(bela, 'joined'), member(ana, mine)], ...more })

  it('is one that somebody else started and that waits for me', () => {
    expect(ringingCall(after(hello([incoming('ringing')])))?.id).toBe('c1')
    expect(ringingCall(after(hello([call()])))).toBeNull()
  })

  it('stops when it was answered, declined, or cancelled, on whichever device', () => {
    for (const state of ['joined', 'declined', 'missed', 'busy'] as const)
      expect(ringingCall(after(hello([incoming(state)])))).toBeNull()
    expect(ringingCall(after(hello([incoming('ringing', { state: 'ended' })])))).toBeNull()
  })

  it('is not the one to return to', () => {
    expect(ongoingCall(after(hello([incoming('ringing')])))).toBeNull()
    expect(ongoingCall(after(hello([incoming('reconnecting', { state: 'active' })])))?.id).toBe('c1')
    expect(ongoingCall(after(hello([call()])))?.id).toBe('c1')
    expect(ongoingCall(after(hello([incoming('left', { state: 'active' })])))).toBeNull()
  })
})

describe('streams', () => {
  const stream = (id: string, kind: 'publish' | 'watch', state: Parameters<typeof member>[1]) => ({
    ...member({ ...bela, id }, state),
    stream: { kind, made_by: ana.id },
  })
  const with_ = call({
    members: [
      member(ana, 'joined'),
      member(bela, 'left'),
      stream('sends', 'publish', 'joined'),
      stream('sent', 'publish', 'left'),
      stream('watches', 'watch', 'joined'),
      stream('watched', 'watch', 'left'),
    ],
  })

  it('are others while they send, and watchers while they watch', () => {
    expect(othersIn(with_, ana.id).map(({ user }) => user.id)).toEqual([bela.id, 'sends'])
    expect(watchersOf(with_).map(({ user }) => user.id)).toEqual(['watches'])
  })
})
