import { describe, expect, it, vi } from 'vitest'
import type { Api } from '../src/api/client'
import { ApiError } from '../src/api/client'
import type { Call, Member, ServerEvent } from '../src/api/types'
import type { TabMessage } from '../src/call/tabs'
import { Controller } from '../src/call/controller'
import { ringingCall } from '../src/call/model'
import type { LinkHandlers } from '../src/call/socket'
import { ana, bela, call, contact, fakePeers, member, user } from './support/fakes'

function setUp(change: Partial<Api> = {}) {
  let handlers: LinkHandlers | undefined
  let heard: (message: TabMessage) => void = () => undefined
  const posted: TabMessage[] = []
  const link = { start: vi.fn(), stop: vi.fn(), nudge: vi.fn() }
  const api = {
    current: vi.fn(() => Promise.resolve<typeof ana | null>(ana)),
    signIn: vi.fn(() => Promise.resolve(ana)),
    signUp: vi.fn(() => Promise.resolve(ana)),
    signOut: vi.fn(() => Promise.resolve()),
    iceServers: vi.fn(() => Promise.resolve([])),
    startCall: vi.fn(() => Promise.resolve({ call: call(), ringing: [] })),
    leaveCall: vi.fn(() => Promise.resolve(call({ version: 9, state: 'ended', end_reason: 'cancelled' }))),
    declineCall: vi.fn(() => Promise.resolve(call({ version: 9, state: 'ended', end_reason: 'declined' }))),
    getCall: vi.fn(() => Promise.resolve(call({ version: 8, state: 'ended', end_reason: 'hangup' }))),
    openMedia: vi.fn(() => Promise.resolve({ location: '/m', answer: 'a' })),
  }
  Object.assign(api, change)
  const parley = new Controller({
    api: api as unknown as Api,
    makeLink: (given) => {
      handlers = given
      return link
    },
    makePeer: fakePeers().make,
    takeDevices: () =>
      Promise.resolve({ microphone: { state: 'off', track: null }, camera: { state: 'off', track: null } }),
    newId: () => 'c1',
    tabs: { post: (message) => posted.push(message), listen: (listener) => (heard = listener) },
  })
  const hear = (event: ServerEvent) => handlers?.onEvent(event)
  const hello = (calls = [] as ReturnType<typeof call>[]) =>
    hear({
      type: 'hello',
      me: { ...ana, status: 'available' },
      contacts: [contact(bela)],
      calls,
      server: { version: '1' },
    })
  const tab = (message: TabMessage) => heard(message)
  const state = () => parley.store.getState()
  return { parley, api, link, hear, hello, tab, posted, state, refuse: () => handlers?.onRefused() }
}

const settle = () => new Promise((done) => setTimeout(done, 0))

describe('sign-in', () => {
  it('comes from the cookie, and starts the events', async () => {
    const { parley, link, state } = setUp()
    await parley.boot()
    expect(state().auth).toBe('signed_in')
    expect(link.start).toHaveBeenCalledOnce()
  })

  it('is asked for when there is none, and not when the server is away', async () => {
    const gone = setUp({ current: () => Promise.resolve(null) })
    await gone.parley.boot()
    expect(gone.state().auth).toBe('signed_out')
    const away = setUp({ current: () => Promise.reject(new ApiError('network', '')) })
    await away.parley.boot()
    expect(away.state().auth).toBe('unreachable')
  })

  it('ends when another device revoked it', async () => {
    const { parley, api, refuse, link, state } = setUp()
    await parley.boot()
    api.current.mockResolvedValueOnce(null)
    refuse()
    await settle()
    expect(state().auth).toBe('signed_out')
    expect(link.stop).toHaveBeenCalled()
  })
})

describe('calls', () => {
  it('tell how they ended, and whom to call again', async () => {
    const { parley, hear, hello, state } = setUp()
    await parley.boot()
    hello()
    parley.startCall(bela, true)
    await settle()
    expect(state().session?.call?.id).toBe('c1')
    const over = call({ version: 3, state: 'ended', end_reason: 'declined' })
    hear({ type: 'call.ended', call_id: 'c1', version: 3, call: over })
    expect(state().session).toBeNull()
    expect(state().notice).toMatchObject({ text: 'Bela declined', again: { user: bela, video: true } })
  })

  const said = (userId: string, text: string, callId = 'c1'): ServerEvent => ({
    type: 'message',
    call_id: callId,
    message: { id: 'm1', call_id: callId, seq: 1, user_id: userId, text, created_at: '2026-03-01T10:00:00Z' },
  })

  it('end with the reply of who declined', async () => {
    const { parley, hear, hello, state } = setUp()
    await parley.boot()
    hello()
    parley.startCall(bela, true)
    await settle()
    hear(said(bela.id, 'In ten minutes'))
    expect(state().toasts.at(-1)?.text).toBe('Bela: In ten minutes')
    const over = call({ version: 3, state: 'ended', end_reason: 'declined' })
    hear({ type: 'call.ended', call_id: 'c1', version: 3, call: over })
    expect(state().notice?.text).toBe('Bela declined: “In ten minutes”')
  })

  it('that nobody answered can be left a message in, others cannot', async () => {
    for (const [reason, callId] of [
      ['timeout', 'c1'],
      ['busy', 'c1'],
      ['declined', null],
    ] as const) {
      const { parley, hear, hello, state } = setUp()
      await parley.boot()
      hello()
      parley.startCall(bela, true)
      await settle()
      const over = call({ version: 3, state: 'ended', end_reason: reason })
      hear({ type: 'call.ended', call_id: 'c1', version: 3, call: over })
      expect(state().notice?.unanswered).toBe(callId)
    }
  })

  it('tell what somebody has left, and whose it is; not what is said in a conversation elsewhere', async () => {
    const { parley, hear, hello, state } = setUp()
    await parley.boot()
    hello()
    const heard = vi.fn()
    parley.onWords(heard)
    hear(said(bela.id, 'Call me'))
    expect(state().notice).toMatchObject({ text: 'Bela: Call me', from: bela })
    expect(state().words).toMatchObject({ callId: 'c1', text: 'Call me' })
    hear(said(ana.id, 'From my phone'))
    expect(state().words?.text).toBe('Call me')
    hear({ type: 'messages.read', call_id: 'c1', seq: 1 })
    expect(heard.mock.calls).toEqual([['c1'], ['c1'], ['c1']])
    hello([call({ id: 'c2', state: 'active', members: [member(ana, 'joined'), member(bela, 'joined')] })])
    hear(said(bela.id, 'on the other device', 'c2'))
    expect(state().words?.text).toBe('Call me')
  })

  it('that ring show what the caller writes in the sheet only', async () => {
    const { parley, hear, hello, state } = setUp()
    await parley.boot()
    hello([call({ started_by: bela.id, members: [member(bela, 'joined'), member(ana, 'ringing')] })])
    hear(said(bela.id, 'It is urgent'))
    expect(state().words).toMatchObject({ callId: 'c1', text: 'It is urgent' })
    expect(state().notice).toBeNull()
  })

  it('are declined with a reply, and declined when the reply does not get through', async () => {
    const sendMessage = vi.fn<Api['sendMessage']>(() => Promise.resolve({} as never))
    const { parley, api, hello, state } = setUp({ sendMessage })
    await parley.boot()
    const ringing = call({ started_by: bela.id, members: [member(bela, 'joined'), member(ana, 'ringing')] })
    hello([ringing])
    await parley.replyAndReject(ringing, 'Later')
    expect(sendMessage.mock.calls[0]?.[2]).toBe('Later')
    expect(api.declineCall).toHaveBeenCalledWith('c1')
    expect(state().notice).toMatchObject({ text: 'Your reply was sent.', tone: 'plain' })
    sendMessage.mockRejectedValueOnce(new ApiError('network', ''))
    await parley.replyAndReject(ringing, 'Later')
    expect(api.declineCall).toHaveBeenCalledTimes(2)
    expect(state().notice?.tone).toBe('error')
  })

  it('are asked about when hello no longer knows them', async () => {
    const { parley, api, hello, state } = setUp()
    await parley.boot()
    hello()
    parley.startCall(bela, true)
    await settle()
    hello([])
    await settle()
    expect(api.getCall).toHaveBeenCalledWith('c1')
    expect(state().notice?.text).toBe('Bela left the call')
  })

  it('are offered for return when this page was lost and others are still there', async () => {
    const { parley, hello, hear, state } = setUp()
    await parley.boot()
    const others = [member(bela, 'joined'), member(user('3', 'Chidi'), 'joined')]
    const with_ = (version: number, mine: 'joined' | 'left') =>
      call({ version, state: 'active', members: [member(ana, mine), ...others] })
    hello([with_(2, 'joined')])
    parley.returnTo(with_(2, 'joined'))
    await settle()
    hear({ type: 'call.updated', call_id: 'c1', version: 3, call: with_(3, 'left') })
    expect(state().session).toBeNull()
    expect(state().notice).toMatchObject({ text: 'The connection was lost', tone: 'error', again: null })
    expect(state().notice?.back?.id).toBe('c1')
  })

  it('are shown as an event said it, when that was faster than the answer to the click', async () => {
    const active = call({
      version: 2,
      state: 'active',
      members: [member(ana, 'joined'), member(bela, 'joined')],
    })
    let answer: (started: { call: Call; ringing: [] }) => void = () => undefined
    const { parley, hear, hello, state } = setUp({
      startCall: () => new Promise((done) => (answer = done)),
    })
    await parley.boot()
    hello()
    parley.startCall(bela, true)
    await settle()
    hear({ type: 'call.updated', call_id: 'c1', version: 2, call: active })
    answer({ call: call(), ringing: [] })
    await settle()
    expect(state().session?.call?.version).toBe(2)
    expect(state().session?.tiles).toHaveLength(1)
  })

  it('that rang here say why they stopped', async () => {
    const ringing = (version: number, mine: Member['state'], more: Partial<Call> = {}) =>
      call({ version, started_by: bela.id, members: [member(bela, 'joined'), member(ana, mine)], ...more })
    const { parley, hear, hello, state } = setUp()
    await parley.boot()
    hello([ringing(1, 'ringing')])
    const answered = ringing(2, 'joined', { state: 'active' })
    hear({ type: 'call.answered_elsewhere', call_id: 'c1', version: 2, call: answered })
    expect(state().notice?.text).toBe('You answered on another device')
    expect(state().onOther).toBe('c1')
    expect(parley.resumable()).toBeNull()
    hello([ringing(1, 'ringing', { id: 'c2' })])
    const declined = ringing(2, 'declined', { id: 'c2', state: 'ended', end_reason: 'declined' })
    hear({ type: 'call.answered_elsewhere', call_id: 'c2', version: 2, call: declined })
    expect(state().notice?.text).toBe('You declined on another device')
    hello([ringing(1, 'ringing', { id: 'c3' })])
    const cancelled = ringing(2, 'missed', { id: 'c3', state: 'ended', end_reason: 'cancelled' })
    hear({ type: 'call.cancelled', call_id: 'c3', version: 2, call: cancelled })
    expect(state().notice).toMatchObject({ text: 'You missed a call from Bela', again: { user: bela } })
  })

  it('stop ringing without a word when their caller is blocked', async () => {
    const { parley, hear, hello, state } = setUp()
    await parley.boot()
    const rings = call({ started_by: bela.id, members: [member(bela, 'joined'), member(ana, 'ringing')] })
    hello([rings])
    const blocked = contact(bela, { state: 'blocked' })
    hear({ type: 'contact', user_id: bela.id, contact: blocked })
    const members = [member(bela, 'joined'), member(ana, 'missed')]
    // Of the same version: for the caller nothing has changed.
    const over = { ...rings, state: 'ended', end_reason: 'cancelled', members } as const
    hear({ type: 'call.cancelled', call_id: 'c1', version: rings.version, call: over })
    expect(ringingCall(state().world)).toBeNull()
    expect(state().notice).toBeNull()
  })

  it('stop ringing with the click on Decline, before the server has answered', async () => {
    const { parley, hello, state } = setUp({ declineCall: () => new Promise(() => undefined) })
    await parley.boot()
    const ringing = call({ started_by: bela.id, members: [member(bela, 'joined'), member(ana, 'ringing')] })
    hello([ringing])
    void parley.decline(ringing)
    expect(state().world.calls.c1?.members[1]?.state).toBe('declined')
  })

  it('can be left, and are not offered for return afterwards', async () => {
    const { parley, api, hello, state } = setUp({
      leaveCall: vi.fn(() => new Promise<never>(() => undefined)),
    })
    await parley.boot()
    hello()
    parley.startCall(bela, true)
    await settle()
    parley.leave()
    expect(api.leaveCall).toHaveBeenCalledWith('c1')
    expect(parley.resumable()).toBeNull()
    expect(state().notice?.text).toBe('You cancelled the call')
  })

  it('move to another tab without a word to the server', async () => {
    const { parley, api, hello, tab, posted, state } = setUp()
    await parley.boot()
    hello()
    parley.startCall(bela, true)
    await settle()
    expect(posted).toContainEqual({ type: 'taken', callId: 'c1' })
    tab({ type: 'taken', callId: 'c1' })
    expect(state().session).toBeNull()
    expect(state().elsewhere).toBe('c1')
    expect(api.leaveCall).not.toHaveBeenCalled()
    expect(parley.resumable()).toBeNull()
  })
})

describe('a second call', () => {
  const cleo = { ...bela, id: '3', username: 'cleo', display_name: 'Cleo' }
  const first = call({
    state: 'active',
    version: 5,
    members: [member(ana, 'joined'), member(bela, 'joined')],
  })
  const second = call({
    id: 'c2',
    started_by: cleo.id,
    members: [member(cleo, 'joined'), member(ana, 'ringing')],
  })
  const answered = {
    ...second,
    version: 2,
    state: 'active' as const,
    members: [member(cleo, 'joined'), member(ana, 'joined')],
  }
  const waiting = async () => {
    const now: Record<string, ReturnType<typeof call>> = { c1: first, c2: answered }
    const updateMember = vi.fn((id: string, { paused }: { paused?: boolean }) => {
      const known = now[id] ?? first
      const state = paused ? ('paused' as const) : ('joined' as const)
      const members = known.members.map((one) => (one.user.id === ana.id ? { ...one, state } : one))
      const changed = { ...known, version: known.version + 1, members }
      return Promise.resolve((now[id] = changed))
    })
    const all = setUp({ answerCall: () => Promise.resolve(answered), updateMember: updateMember as never })
    await all.parley.boot()
    all.hello([first, second])
    all.parley.returnTo(first)
    await settle()
    all.parley.answer(second, true)
    await settle()
    return { ...all, updateMember }
  }

  it('sets the first one aside, paused', async () => {
    const { state, updateMember } = await waiting()
    expect(state().session?.call?.id).toBe('c2')
    expect(state().held?.call?.id).toBe('c1')
    expect(state().held?.paused).toBe(true)
    expect(updateMember.mock.calls.find(([id]) => id === 'c1')?.[1].paused).toBe(true)
  })

  it('goes back to the first one when it is over', async () => {
    const { parley, hear, state } = await waiting()
    const over = { ...answered, version: 9, state: 'ended' as const, end_reason: 'hangup' as const }
    hear({ type: 'call.ended', call_id: 'c2', version: 9, call: over })
    await settle()
    expect(state().session?.call?.id).toBe('c1')
    expect(state().session?.paused).toBe(false)
    expect(state().held).toBeNull()
    parley.leave()
  })

  it('changes places with the first one', async () => {
    const { parley, state } = await waiting()
    parley.switchCalls()
    await settle()
    expect([state().session?.call?.id, state().held?.call?.id]).toEqual(['c1', 'c2'])
    expect([state().session?.paused, state().held?.paused]).toEqual([false, true])
  })

  it('stays when the one that was set aside ends', async () => {
    const { hear, state } = await waiting()
    const over = { ...first, version: 9, state: 'ended' as const, end_reason: 'hangup' as const }
    hear({ type: 'call.ended', call_id: 'c1', version: 9, call: over })
    await settle()
    expect(state().session?.call?.id).toBe('c2')
    expect(state().held).toBeNull()
    expect(state().notice?.text).toBe('Bela left the call')
  })
})

describe('a word instead of an answer', () => {
  it('is sent before the call is declined', async () => {
    const sendMessage = vi.fn(() => Promise.resolve({} as never))
    const { parley, api } = setUp({ sendMessage } as Partial<Api>)
    await parley.boot()
    await parley.replyAndReject(call({ started_by: bela.id }), 'Later.')
    expect(sendMessage).toHaveBeenCalledWith('c1', 'c1', 'Later.')
    expect(api.declineCall).toHaveBeenCalled()
  })
})
