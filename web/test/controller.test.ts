import { describe, expect, it, vi } from 'vitest'
import type { Api } from '../src/api/client'
import { ApiError } from '../src/api/client'
import type { ServerEvent } from '../src/api/types'
import type { TabMessage } from '../src/call/controller'
import { Controller } from '../src/call/controller'
import type { LinkHandlers } from '../src/call/socket'
import { ana, bela, call, contact, fakePeers, member } from './support/fakes'

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
    startCall: vi.fn(() => Promise.resolve(call())),
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
