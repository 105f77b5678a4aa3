import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/api/client'
import type { Call, Seat } from '../src/api/types'
import type { Taken } from '../src/call/devices'
import type { SessionDeps, SessionStart, SessionView } from '../src/call/session'
import { CallSession } from '../src/call/session'
import { ana, bela, call, fakePeers, FakeTrack, member } from './support/fakes'

const active = (version = 3, more: Partial<Call> = {}) =>
  call({ version, state: 'active', members: [member(ana, 'joined'), member(bela, 'joined')], ...more })

const outgoing: SessionStart = { origin: 'outgoing', id: 'c1', invite: [bela], video: true }

function setUp(start: SessionStart = outgoing, change: Partial<SessionDeps['api']> = {}, devices?: Taken) {
  const { peers, make } = fakePeers()
  const tracks = { microphone: new FakeTrack('audio'), camera: new FakeTrack('video') }
  let medias = 0
  const api = {
    startCall: vi.fn(() => Promise.resolve(call())),
    answerCall: vi.fn(() => Promise.resolve(active())),
    leaveCall: vi.fn(() => Promise.resolve(call({ version: 9, state: 'ended', end_reason: 'hangup' }))),
    getCall: vi.fn(() => Promise.resolve(active())),
    updateMember: vi.fn((_id: string, _body: { muted?: object }) => Promise.resolve(active(4))),
    openMedia: vi.fn(() => Promise.resolve({ location: `/media/${++medias}`, answer: `answer ${medias}` })),
    updateMedia: vi.fn(() => Promise.resolve('restarted')),
  }
  Object.assign(api, change)
  const views: SessionView[] = []
  const onEnd = vi.fn()
  const takeDevices = vi.fn((want: { microphone: boolean; camera: boolean }) =>
    Promise.resolve<Taken>(
      devices ?? {
        microphone: want.microphone
          ? { state: 'on', track: tracks.microphone.real }
          : { state: 'off', track: null },
        camera: want.camera ? { state: 'on', track: tracks.camera.real } : { state: 'off', track: null },
      },
    ),
  )
  const session = new CallSession(
    ana.id,
    start,
    {
      api: api as unknown as SessionDeps['api'],
      makePeer: make,
      takeDevices,
      iceServers: () => Promise.resolve([]),
    },
    { onView: (view) => views.push(view), onCall: () => undefined, onEnd },
  )
  const view = () => views.at(-1) as SessionView
  const peer = () => peers.at(-1) as (typeof peers)[number]
  const settle = () => vi.advanceTimersByTimeAsync(1)
  const connect = async () => {
    await settle()
    peer().handlers.onState('connected')
  }
  return { session, api, peers, peer, tracks, view, views, onEnd, takeDevices, settle, connect }
}

const seats = (state: Seat['state']): Seat[] => [
  { mid: '0', member: bela.id, kind: 'microphone', state },
  { mid: '1', member: bela.id, kind: 'camera', state },
]

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a call that I start', () => {
  it('opens media while it still rings', async () => {
    const { api, peer, view, connect, tracks } = setUp()
    await connect()
    expect(api.startCall).toHaveBeenCalledWith('c1', [bela.id], true)
    expect(api.openMedia).toHaveBeenCalledWith('c1', 'offer 1')
    expect(peer().answers).toEqual(['answer 1'])
    expect(peer().sent.camera).toBe(tracks.camera.real)
    expect(view()).toMatchObject({ media: 'connected', microphoneOn: true, cameraOn: true, since: null })
  })

  it('shows who answered, covered until the picture is live', async () => {
    const { session, view, connect, peer } = setUp()
    await connect()
    session.seatsChanged(seats('waiting'))
    session.update(active())
    expect(view().tiles[0]).toMatchObject({ picture: 'waiting' })
    session.seatsChanged(seats('live'))
    const [tile] = view().tiles
    expect(tile?.member.user).toEqual(bela)
    expect(tile?.picture).toBe('live')
    expect(tile?.stream.getTracks()).toEqual([peer().received.audio, peer().received.video])
    expect(view().since).not.toBeNull()
  })

  it('does with one other person even without a word about seats', async () => {
    const { session, view, connect, peer } = setUp()
    peer()
    await connect()
    peer().received.video.muted = true
    session.update(active())
    expect(view().tiles[0]?.picture).toBe('waiting')
    peer().received.video.muted = false
    peer().handlers.onTracks()
    expect(view().tiles[0]?.picture).toBe('live')
    expect(view().tiles[0]?.stream.getTracks()).toHaveLength(2)
  })

  it('ends once, and lets go of everything', async () => {
    const { session, connect, peer, tracks, onEnd, views } = setUp()
    await connect()
    const over = call({ version: 4, state: 'ended', end_reason: 'declined' })
    session.update(over)
    session.update({ ...over, version: 5 })
    session.leave()
    expect(onEnd).toHaveBeenCalledExactlyOnceWith('over', over, undefined)
    expect(peer().closed).toBe(true)
    expect([tracks.microphone.stopped, tracks.camera.stopped]).toEqual([true, true])
    const shown = views.length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(views).toHaveLength(shown)
  })

  it('ends at once when the other is busy', async () => {
    const busy = call({ version: 2, state: 'ended', end_reason: 'busy' })
    const { onEnd, api, settle } = setUp(outgoing, { startCall: () => Promise.resolve(busy) })
    await settle()
    expect(onEnd).toHaveBeenCalledWith('over', busy, undefined)
    expect(api.openMedia).not.toHaveBeenCalled()
  })

  it('is cancelled even when the server has not said its id yet', async () => {
    const { session, api, onEnd, settle } = setUp()
    session.leave()
    await settle()
    expect(onEnd).toHaveBeenCalledWith('left', null, undefined)
    expect(api.leaveCall).toHaveBeenCalledWith('c1')
  })

  it('says why when it is not allowed', async () => {
    const problem = new ApiError('not_a_contact', 'Not a contact.', { status: 403 })
    const { onEnd, settle } = setUp(outgoing, { startCall: () => Promise.reject(problem) })
    await settle()
    expect(onEnd).toHaveBeenCalledWith('lost', null, problem)
  })
})

describe('a call that I answer', () => {
  const ringing = call({ started_by: bela.id, members: [member(bela, 'joined'), member(ana, 'ringing')] })
  const incoming: SessionStart = { origin: 'incoming', call: ringing, video: true }

  it('does not wait for the camera', async () => {
    const { api, peer, tracks, takeDevices, settle, session } = setUp(incoming)
    let give: (taken: Taken) => void = () => undefined
    takeDevices.mockImplementation(() => new Promise((done) => (give = done)))
    session.retry(['camera'])
    await settle()
    expect(api.answerCall).toHaveBeenCalledOnce()
    expect(api.openMedia).toHaveBeenCalledOnce()
    const late = new FakeTrack('video')
    give({
      microphone: { state: 'on', track: tracks.microphone.real },
      camera: { state: 'on', track: late.real },
    })
    await settle()
    expect(peer().sent.camera).toBe(late.real)
  })

  it('ends when another device was faster', async () => {
    const { onEnd, settle } = setUp(incoming, {
      answerCall: () =>
        Promise.reject(new ApiError('answered_elsewhere', '', { status: 409, call: active(4) })),
    })
    await settle()
    expect(onEnd.mock.calls[0]?.[0]).toBe('answered_elsewhere')
  })

  it('ends with the reason when it was cancelled at the same moment', async () => {
    const gone = { ...ringing, version: 4, state: 'ended' as const, end_reason: 'cancelled' as const }
    const { onEnd, settle } = setUp(incoming, {
      answerCall: () => Promise.reject(new ApiError('wrong_state', '', { status: 409, call: gone })),
    })
    await settle()
    expect(onEnd).toHaveBeenCalledExactlyOnceWith('over', gone, undefined)
  })

  it('takes no camera for an audio-only answer, and says so', async () => {
    const { takeDevices, api, view, connect } = setUp({ ...incoming, video: false })
    await connect()
    expect(takeDevices).toHaveBeenCalledWith({ microphone: true, camera: false })
    expect(view().cameraOn).toBe(false)
    expect(api.updateMember).toHaveBeenCalledWith('c1', { muted: { audio: false, video: true } })
  })
})

describe('muting', () => {
  it('silences the microphone, and tells', async () => {
    const { session, tracks, api, view, connect } = setUp()
    await connect()
    session.toggleMicrophone()
    expect(tracks.microphone.enabled).toBe(false)
    expect(view().microphoneOn).toBe(false)
    expect(api.updateMember).toHaveBeenCalledWith('c1', { muted: { audio: true, video: false } })
    await vi.advanceTimersByTimeAsync(10)
    session.toggleMicrophone()
    expect(tracks.microphone.enabled).toBe(true)
    expect(api.updateMember).toHaveBeenLastCalledWith('c1', { muted: { audio: false, video: false } })
  })

  it('switches the camera off for good, and on again', async () => {
    const { session, tracks, peer, view, takeDevices, connect, settle } = setUp()
    await connect()
    session.toggleCamera()
    expect(tracks.camera.stopped).toBe(true)
    expect(peer().sent.camera).toBeNull()
    expect(view()).toMatchObject({ cameraOn: false, self: null })
    session.toggleCamera()
    await settle()
    expect(takeDevices).toHaveBeenLastCalledWith({ microphone: false, camera: true })
    expect(peer().sent.camera).not.toBeNull()
    expect(view().cameraOn).toBe(true)
  })

  it('tells the last state when the states change faster than the network', async () => {
    const { session, api, connect } = setUp()
    await connect()
    session.toggleMicrophone()
    session.toggleCamera()
    await vi.advanceTimersByTimeAsync(10)
    expect(api.updateMember).toHaveBeenLastCalledWith('c1', { muted: { audio: true, video: true } })
  })

  it('shows a refused camera as off, and tries again when asked', async () => {
    const microphone = new FakeTrack('audio').real
    const camera = new FakeTrack('video')
    const refused: Taken = {
      microphone: { state: 'on', track: microphone },
      camera: { state: 'refused', track: null },
    }
    const { session, view, connect, takeDevices, settle, api } = setUp(outgoing, {}, refused)
    await connect()
    expect(view()).toMatchObject({ camera: 'refused', cameraOn: false, microphoneOn: true })
    expect(api.updateMember).toHaveBeenCalledWith('c1', { muted: { audio: false, video: true } })
    takeDevices.mockResolvedValueOnce({ ...refused, camera: { state: 'on', track: camera.real } })
    session.retry(['camera'])
    await settle()
    expect(view()).toMatchObject({ camera: 'on', cameraOn: true })
    session.without(['camera'])
    expect(view()).toMatchObject({ camera: 'off', cameraOn: false })
    expect(camera.stopped).toBe(true)
  })
})

describe('coming back', () => {
  it('builds a new transport when the media process died', async () => {
    const { session, peers, peer, api, view, connect, settle, tracks } = setUp()
    await connect()
    session.update(active())
    session.seatsChanged(seats('live'))
    session.mediaLost('rejoin')
    expect(view().media).toBe('reconnecting')
    expect(view().tiles[0]?.picture).toBe('waiting')
    await settle()
    expect(peers).toHaveLength(2)
    expect(peers[0]?.closed).toBe(true)
    expect(peer().sent.microphone).toBe(tracks.microphone.real)
    expect(api.openMedia).toHaveBeenCalledTimes(2)
    peer().handlers.onState('connected')
    session.seatsChanged(seats('live'))
    expect(view()).toMatchObject({ media: 'connected' })
    expect(view().tiles[0]?.stream.getTracks()).toEqual([peer().received.audio, peer().received.video])
  })

  it('keeps trying while the server has no room, within 5 s', async () => {
    const { session, api, connect, peer, view } = setUp()
    await connect()
    api.openMedia
      .mockRejectedValueOnce(new ApiError('overloaded', '', { status: 503 }))
      .mockRejectedValueOnce(new ApiError('network', ''))
    session.mediaLost('rejoin')
    await vi.advanceTimersByTimeAsync(2_000)
    expect(api.openMedia).toHaveBeenCalledTimes(4)
    peer().handlers.onState('connected')
    expect(view().media).toBe('connected')
  })

  it('restarts ICE when told so, and keeps the peer', async () => {
    const { session, peers, peer, api, connect, settle, view } = setUp()
    await connect()
    session.mediaLost('ice_restart')
    await settle()
    expect(peer().offers).toEqual([false, true])
    expect(api.updateMedia).toHaveBeenCalledWith('/media/1', 'offer 2')
    peer().handlers.onState('connected')
    expect(view().media).toBe('connected')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(peers).toHaveLength(1)
  })

  it('builds a new transport when the restart is refused or leads nowhere', async () => {
    const refused = setUp()
    await refused.connect()
    refused.api.updateMedia.mockRejectedValueOnce(new ApiError('not_found', '', { status: 404 }))
    refused.session.mediaLost('ice_restart')
    await refused.settle()
    expect(refused.peers).toHaveLength(2)

    const nowhere = setUp()
    await nowhere.connect()
    nowhere.session.mediaLost('ice_restart')
    nowhere.peer().handlers.onState('disconnected')
    await vi.advanceTimersByTimeAsync(2_600)
    expect(nowhere.peers).toHaveLength(2)
  })

  it('waits 3 s when ICE is disconnected, in case it was a blink', async () => {
    const { peer, api, connect } = setUp()
    await connect()
    peer().handlers.onState('disconnected')
    await vi.advanceTimersByTimeAsync(2_000)
    peer().handlers.onState('connected')
    await vi.advanceTimersByTimeAsync(500)
    expect(api.updateMedia).not.toHaveBeenCalled()
    peer().handlers.onState('disconnected')
    await vi.advanceTimersByTimeAsync(3_100)
    expect(api.updateMedia).toHaveBeenCalledOnce()
  })

  it('notices by itself that nothing comes any more', async () => {
    const { api, peer, connect } = setUp()
    await connect()
    const flow = setInterval(() => peer().packets++, 900)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(api.updateMedia).not.toHaveBeenCalled()
    clearInterval(flow)
    await vi.advanceTimersByTimeAsync(7_000)
    expect(api.updateMedia).toHaveBeenCalled()
  })

  it('goes on at once when the connection failed', async () => {
    const { peers, peer, connect, settle } = setUp()
    await connect()
    peer().handlers.onState('failed')
    await settle()
    expect(peers).toHaveLength(2)
  })

  it('drops the answer to an attempt that was overtaken', async () => {
    const { session, api, peers, connect, settle } = setUp()
    await connect()
    let late: (opened: { location: string; answer: string }) => void = () => undefined
    api.openMedia.mockImplementationOnce(() => new Promise((done) => (late = done)))
    session.mediaLost('rejoin')
    await settle()
    session.mediaLost('rejoin')
    await vi.advanceTimersByTimeAsync(2_600)
    expect(peers).toHaveLength(3)
    late({ location: '/media/late', answer: 'late' })
    await settle()
    expect(peers[1]?.answers).toEqual([])
    expect(peers[2]?.answers).toHaveLength(1)
  })

  it('ends when the call has gone on without us', async () => {
    const { session, onEnd, connect } = setUp()
    await connect()
    session.update(active(7, { members: [member(ana, 'left'), member(bela, 'joined')] }))
    expect(onEnd.mock.calls[0]?.[0]).toBe('lost')
  })

  it('takes up the mute state that the others see after a reload', async () => {
    const before = active(6, {
      members: [member(ana, 'reconnecting', { audio: true, video: false }), member(bela, 'joined')],
    })
    const { view, connect, takeDevices, api } = setUp({ origin: 'return', call: before })
    await connect()
    expect(takeDevices).toHaveBeenCalledWith({ microphone: false, camera: true })
    expect(view()).toMatchObject({ microphoneOn: false, cameraOn: true })
    expect(api.answerCall).not.toHaveBeenCalled()
    expect(api.openMedia).toHaveBeenCalledOnce()
  })
})
