import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/api/client'
import type { Call, Seat } from '../src/api/types'
import type { DeviceState, Taken } from '../src/call/devices'
import type { CallFlow } from '../src/call/flow'
import type { SessionDeps, SessionStart } from '../src/call/session'
import { CallSession } from '../src/call/session'
import type { SessionView } from '../src/call/view'
import { ana, bela, call, fakePeers, FakeTrack, member, user } from './support/fakes'

const active = (version = 3, more: Partial<Call> = {}) =>
  call({ version, state: 'active', members: [member(ana, 'joined'), member(bela, 'joined')], ...more })

const LINE = {
  kind: 'video',
  way: 'out',
  packets: 100,
  lost: 0,
  remoteLoss: 0,
  remoteRtt: null,
  width: 1280,
  height: 720,
  fps: 15,
  codec: 'VP8',
} as const

const outgoing: SessionStart = { origin: 'outgoing', id: 'c1', invite: [bela], video: true }

function setUp(start: SessionStart = outgoing, change: Partial<SessionDeps['api']> = {}, devices?: Taken) {
  const { peers, make } = fakePeers()
  const tracks = { microphone: new FakeTrack('audio'), camera: new FakeTrack('video') }
  let medias = 0
  const api = {
    startCall: vi.fn(() => Promise.resolve({ call: call(), ringing: [] })),
    answerCall: vi.fn(() => Promise.resolve(active())),
    leaveCall: vi.fn(() => Promise.resolve(call({ version: 9, state: 'ended', end_reason: 'hangup' }))),
    getCall: vi.fn(() => Promise.resolve(active())),
    updateMember: vi.fn((_id: string, _body: { muted?: object }) => Promise.resolve(active(4))),
    openMedia: vi.fn(() => Promise.resolve({ location: `/media/${++medias}`, answer: `answer ${medias}` })),
    updateMedia: vi.fn(() => Promise.resolve('restarted')),
  }
  Object.assign(api, change)
  const views: SessionView[] = []
  const screen = { video: new FakeTrack('video'), audio: new FakeTrack('audio') }
  const takeScreen = vi.fn<NonNullable<SessionDeps['takeScreen']>>(() =>
    Promise.resolve({ video: screen.video.real, audio: screen.audio.real }),
  )
  const sounds = { play: vi.fn(), setSpeaker: vi.fn(), resume: vi.fn(), close: vi.fn() }
  const onSpeaking = vi.fn()
  const onNews = vi.fn()
  const onDoubt = vi.fn()
  const onFlow = vi.fn()
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
      takeScreen,
      makeSounds: () => sounds,
      iceServers: () => Promise.resolve([]),
    },
    {
      onView: (view) => views.push(view),
      onCall: () => undefined,
      onEnd,
      onSpeaking,
      onNews,
      onDoubt,
      onFlow,
    },
  )
  const view = () => views.at(-1) as SessionView
  const peer = () => peers.at(-1) as (typeof peers)[number]
  const settle = () => vi.advanceTimersByTimeAsync(1)
  const connect = async () => {
    await settle()
    peer().handlers.onState('connected')
  }
  return {
    session,
    api,
    peers,
    peer,
    tracks,
    view,
    views,
    onEnd,
    takeDevices,
    settle,
    connect,
    screen,
    takeScreen,
    sounds,
    onSpeaking,
    onNews,
    onDoubt,
    onFlow,
  }
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

  it('sends the layers that somebody watches, and all of them when events were missed', async () => {
    const { session, connect, peer } = setUp()
    session.layersChanged('1', [{ rid: 'q', active: true }])
    await connect()
    session.layersChanged('1', [
      { rid: 'q', active: true },
      { rid: 'h', active: false },
      { rid: 'f', active: true },
    ])
    session.eventsResumed()
    expect(peer().layers).toEqual([
      ['1', ['q', 'f']],
      ['all', []],
    ])
  })

  it('sends less sound when who hears it has a thin way', async () => {
    const { session, connect, peer } = setUp()
    await connect()
    session.soundChanged('0', 16_000)
    session.soundChanged('0', null)
    expect(peer().sounds).toEqual([
      ['0', 16_000],
      ['0', null],
    ])
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
    const { onEnd, api, settle } = setUp(outgoing, {
      startCall: () => Promise.resolve({ call: busy, ringing: [] }),
    })
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

  it('ends with what to do when the call goes on behind a door', async () => {
    for (const state of ['left', 'declined', 'missed'] as const) {
      const shut = active(4, { locked: true, members: [member(ana, state), member(bela, 'joined')] })
      const { onEnd, settle } = setUp(incoming, {
        answerCall: () => Promise.reject(new ApiError('wrong_state', '', { status: 409, call: shut })),
      })
      await settle()
      expect(onEnd).toHaveBeenCalledExactlyOnceWith('kept_out', shut, undefined)
    }
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

  it('says that the server is full until it is in', async () => {
    const { session, api, connect, peer, view } = setUp()
    await connect()
    expect(view().noRoom).toBe(false)
    api.openMedia
      .mockRejectedValueOnce(new ApiError('at_capacity', '', { status: 503, retryAfterMs: 10_000 }))
      .mockRejectedValueOnce(new ApiError('at_capacity', '', { status: 503, retryAfterMs: 10_000 }))
    session.mediaLost('rejoin')
    await vi.advanceTimersByTimeAsync(100)
    expect(view()).toMatchObject({ media: 'reconnecting', noRoom: true })
    await vi.advanceTimersByTimeAsync(5_100)
    expect(view().noRoom).toBe(true)
    await vi.advanceTimersByTimeAsync(5_100)
    expect(api.openMedia).toHaveBeenCalledTimes(4)
    peer().handlers.onState('connected')
    expect(view()).toMatchObject({ media: 'connected', noRoom: false })
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
    const { api, peer, connect, onDoubt } = setUp()
    await connect()
    const flow = setInterval(() => peer().packets++, 900)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(api.updateMedia).not.toHaveBeenCalled()
    expect(onDoubt).not.toHaveBeenCalled()
    clearInterval(flow)
    await vi.advanceTimersByTimeAsync(7_000)
    expect(api.updateMedia).toHaveBeenCalled()
    expect(onDoubt).toHaveBeenCalled()
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

describe('several people', () => {
  const cleo = user('3', 'Cleo')
  const three = (version: number, ...states: Call['members']) =>
    active(version, { members: [member(ana, 'joined'), ...states] })
  const all: Seat[] = [
    ...seats('live'),
    { mid: '4', member: cleo.id, kind: 'microphone', state: 'live' },
    { mid: '5', member: cleo.id, kind: 'camera', state: 'waiting' },
    { mid: '6', member: null, kind: 'microphone', state: 'waiting' },
  ]

  it('are seen and heard where the server seats them, without another offer', async () => {
    const { session, view, connect, peer, sounds } = setUp()
    await connect()
    session.update(three(3, member(bela, 'joined'), member(cleo, 'joined')))
    session.seatsChanged(all)
    const [first, second] = view().tiles
    const [more] = peer().more
    expect(first?.stream.getTracks()).toEqual([peer().received.audio, peer().received.video])
    expect(second).toMatchObject({ picture: 'waiting' })
    expect(second?.stream.getTracks()).toEqual([more?.audio, more?.video])
    expect(sounds.play).toHaveBeenLastCalledWith([peer().received.audio, more?.audio])
    session.update(three(4, member(bela, 'left'), member(cleo, 'joined')))
    expect(view().tiles).toHaveLength(1)
    expect(peer().offers).toHaveLength(1)
  })

  it('may share screens, which are tiles of their own', async () => {
    const { session, view, connect, peer, sounds } = setUp()
    await connect()
    session.update(three(3, member(bela, 'joined'), member(cleo, 'joined')))
    session.seatsChanged([
      ...seats('live'),
      { mid: '4', member: bela.id, kind: 'screen_audio', state: 'live' },
      { mid: '5', member: bela.id, kind: 'screen', state: 'live' },
    ])
    const [more] = peer().more
    expect(view().screens).toMatchObject([{ member: { user: bela }, picture: 'live' }])
    expect(view().screens[0]?.stream.getTracks()).toEqual([more?.video])
    expect(sounds.play).toHaveBeenLastCalledWith([peer().received.audio, more?.audio])
    session.seatsChanged(seats('live'))
    expect(view().screens).toEqual([])
  })

  it('stop sharing at once, though the server waits for silence before it gives the seat away', async () => {
    const { session, view, connect } = setUp()
    await connect()
    const screen: Seat = { mid: '5', member: bela.id, kind: 'screen', state: 'live' }
    const shares = (version: number, sharing: boolean) =>
      session.update(three(version, { ...member(bela, 'joined'), sharing }, member(cleo, 'joined')))
    session.seatsChanged([...seats('live'), screen])
    shares(3, false)
    expect(view().screens, 'seated without having been told of').toHaveLength(1)
    shares(4, true)
    expect(view().screens).toHaveLength(1)
    shares(5, false)
    expect(view().screens).toEqual([])
    // And again before the silence was long enough: the same seat.
    shares(6, true)
    expect(view().screens).toHaveLength(1)
    shares(7, false)
    session.seatsChanged(seats('live'))
    session.seatsChanged([...seats('live'), screen])
    expect(view().screens, 'the seat was given anew').toHaveLength(1)
  })

  it('speak, as their level says, until the server says it better', async () => {
    const { session, connect, peer, onSpeaking } = setUp()
    await connect()
    session.update(three(3, member(bela, 'joined'), member(cleo, 'joined')))
    session.seatsChanged(all)
    peer().loud = new Map([['4', 0.3]])
    await vi.advanceTimersByTimeAsync(300)
    expect(onSpeaking).toHaveBeenLastCalledWith({ ids: [cleo.id], main: cleo.id })
    session.speakerIs(bela.id)
    expect(onSpeaking).toHaveBeenLastCalledWith({ ids: [cleo.id, bela.id], main: bela.id })
    peer().loud = new Map()
    session.speakerIs(ana.id)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(onSpeaking).toHaveBeenLastCalledWith({ ids: [ana.id], main: bela.id })
    session.speakerIs(null)
    expect(onSpeaking).toHaveBeenLastCalledWith({ ids: [], main: bela.id })
  })

  it('may be removed by who started the call', async () => {
    const { session, connect, onEnd } = setUp()
    await connect()
    session.update(three(3, member(bela, 'joined')))
    session.wasRemoved()
    session.update(active(4, { members: [member(ana, 'left'), member(bela, 'joined')] }))
    expect(onEnd.mock.calls[0]?.[0]).toBe('removed')
  })
})

describe('sharing a screen', () => {
  it('puts it on its own m-lines, tells the others, and takes it off again', async () => {
    const { session, connect, peer, view, screen, api } = setUp()
    await connect()
    session.update(active())
    await session.toggleScreen()
    expect(view().sharing).toBe('on')
    expect([peer().sent.screen, peer().sent.screen_audio]).toEqual([screen.video, screen.audio])
    expect(api.updateMember).toHaveBeenLastCalledWith('c1', { sharing: true })
    await vi.advanceTimersByTimeAsync(1)
    await session.toggleScreen()
    expect(screen.video.stopped).toBe(true)
    expect(peer().sent.screen).toBeNull()
    expect(view().sharing).toBe('off')
  })

  it('ends with the browser’s own button, and survives a new transport', async () => {
    const { session, connect, peer, view, screen, settle } = setUp()
    await connect()
    session.update(active())
    await session.toggleScreen()
    session.mediaLost('rejoin')
    await settle()
    expect(peer().sent.screen).toBe(screen.video)
    screen.video.dispatchEvent(new Event('ended'))
    expect(view()).toMatchObject({ sharing: 'off', shared: null })
  })

  it('has figures of its own, also with the camera off', async () => {
    const { session, connect, peer, onFlow } = setUp()
    await connect()
    session.update(active())
    session.toggleCamera()
    await session.toggleScreen()
    const screenAt = (bytes: number) => ({ ...LINE, mid: '2', bytes })
    for (const bytes of [1_000, 126_000]) {
      peer().lines = [screenAt(bytes)]
      peer().packets++
      await vi.advanceTimersByTimeAsync(1_000)
    }
    const [{ own }] = onFlow.mock.calls.at(-1) as [CallFlow]
    expect([own.audio, own.video]).toEqual([null, null])
    expect(own.screen).toMatchObject({ bitrate: 1_000_000, width: 1280, height: 720 })
  })

  it('is nothing when nothing was chosen, and is told when it failed', async () => {
    const { session, connect, view, takeScreen, onNews } = setUp()
    await connect()
    takeScreen.mockResolvedValueOnce(null)
    await session.toggleScreen()
    expect(view().sharing).toBe('off')
    takeScreen.mockRejectedValueOnce(new DOMException('no', 'NotReadableError'))
    await session.toggleScreen()
    expect(onNews).toHaveBeenCalledWith('screen_failed')
  })
})

describe('a pause', () => {
  it('stops sending and hearing at once, and tells the server', async () => {
    const { session, connect, peer, view, api, tracks, sounds, settle } = setUp()
    await connect()
    session.update(active())
    session.seatsChanged(seats('live'))
    const paused = active(5, { members: [member(ana, 'paused'), member(bela, 'joined')] })
    api.updateMember.mockResolvedValueOnce(paused)
    session.togglePause()
    expect(view().paused).toBe(true)
    expect([peer().sent.camera, peer().sent.microphone]).toEqual([null, null])
    expect(sounds.play).toHaveBeenLastCalledWith([])
    expect(api.updateMember).toHaveBeenLastCalledWith('c1', { paused: true })
    await settle()
    session.togglePause()
    expect(peer().sent.camera).toBe(tracks.camera.real)
    expect(api.updateMember).toHaveBeenLastCalledWith('c1', { paused: false })
  })

  it('is taken over from another device of mine, and from before a reload', async () => {
    const { session, connect, view } = setUp()
    await connect()
    session.update(active())
    session.update(active(5, { members: [member(ana, 'paused'), member(bela, 'joined')] }))
    expect(view().paused).toBe(true)
    session.update(active(6))
    expect(view().paused).toBe(false)
    const paused = active(6, { members: [member(ana, 'paused'), member(bela, 'joined')] })
    const back = setUp({ origin: 'return', call: paused })
    await back.connect()
    expect(back.view().paused).toBe(true)
    expect(back.peer().sent.camera).toBeNull()
  })
})

describe('what others decide', () => {
  it('mutes, and only oneself unmutes', async () => {
    const { session, connect, view, tracks, onNews, api } = setUp()
    await connect()
    session.update(active())
    const quiet = { audio: true, video: false }
    session.update(active(5, { members: [member(ana, 'joined', quiet), member(bela, 'joined')] }))
    expect(view().microphoneOn).toBe(false)
    expect(tracks.microphone.enabled).toBe(false)
    expect(onNews).toHaveBeenCalledExactlyOnceWith('muted_by_other')
    session.toggleMicrophone()
    expect(api.updateMember).toHaveBeenLastCalledWith('c1', { muted: { audio: false, video: false } })
  })
})

describe('push to talk', () => {
  it('is heard while the key is down, and does nothing to who is not muted', async () => {
    const { session, connect, view } = setUp()
    await connect()
    session.update(active())
    session.holdToTalk(true)
    session.holdToTalk(false)
    expect(view().microphoneOn).toBe(true)
    session.toggleMicrophone()
    session.holdToTalk(true)
    session.holdToTalk(true)
    expect(view().microphoneOn).toBe(true)
    session.holdToTalk(false)
    expect(view().microphoneOn).toBe(false)
  })
})

describe('devices', () => {
  it('are replaced in mid-call, on the same m-line', async () => {
    const { session, connect, peer, takeDevices, tracks, settle } = setUp()
    await connect()
    session.update(active())
    const other = new FakeTrack('video')
    takeDevices.mockResolvedValueOnce({
      microphone: { state: 'off', track: null },
      camera: { state: 'on', track: other.real },
    })
    session.deviceChosen('camera')
    expect(peer().sent.camera).toBe(tracks.camera.real)
    await settle()
    expect(peer().sent.camera).toBe(other.real)
    expect(tracks.camera.stopped).toBe(true)
  })

  it('that were pulled out make room for another', async () => {
    const { session, connect, peer, takeDevices, tracks, settle, onNews, view } = setUp()
    await connect()
    session.update(active())
    const other = new FakeTrack('audio')
    takeDevices.mockResolvedValueOnce({
      microphone: { state: 'on', track: other.real },
      camera: { state: 'off', track: null },
    })
    tracks.microphone.dispatchEvent(new Event('ended'))
    expect(view().microphone).toBe('unplugged')
    await settle()
    expect(peer().sent.microphone).toBe(other.real)
    expect(onNews).toHaveBeenCalledWith('device_replaced')
  })

  /** In a call whose microphone the system has just silenced. */
  async function silenced() {
    const all = setUp()
    await all.connect()
    all.session.update(active())
    const { microphone } = all.tracks
    const set = (muted: boolean) => {
      microphone.muted = muted
      microphone.dispatchEvent(new Event(muted ? 'mute' : 'unmute'))
    }
    const other = new FakeTrack('audio')
    const offer = (state: DeviceState, track: FakeTrack | null) =>
      all.takeDevices.mockResolvedValueOnce({
        microphone: { state, track: track?.real ?? null },
        camera: { state: 'off', track: null },
      })
    const asked = all.takeDevices.mock.calls.length
    set(true)
    return { ...all, microphone, set, other, offer, asked, wait: () => vi.advanceTimersByTimeAsync(3_000) }
  }

  it('that fall silent for a moment are left alone', async () => {
    const { set, wait, takeDevices, asked, view, microphone } = await silenced()
    set(false)
    await wait()
    expect(takeDevices).toHaveBeenCalledTimes(asked)
    expect(view()).toMatchObject({ microphone: 'on', microphoneOn: true })
    expect(microphone.stopped).toBe(false)
  })

  it('that stay silent are taken anew, on the same m-line', async () => {
    const { wait, offer, other, peer, microphone, view } = await silenced()
    offer('on', other)
    await wait()
    expect(peer().sent.microphone).toBe(other.real)
    expect(microphone.stopped).toBe(true)
    expect(view()).toMatchObject({ microphone: 'on', microphoneOn: true })
  })

  it('that stay silent are taken anew while the way to the server is built anew, too', async () => {
    const { session, wait, offer, other, peer, peers } = await silenced()
    offer('on', other)
    session.mediaLost('rejoin')
    await wait()
    expect(peers).toHaveLength(2)
    expect(peer().sent.microphone).toBe(other.real)
  })

  it('that the system does not give back wait for a tap, and the others are told', async () => {
    const { session, wait, offer, other, peer, view, api, settle } = await silenced()
    offer('refused', null)
    await wait()
    expect(view()).toMatchObject({ microphone: 'interrupted', microphoneOn: false })
    expect(api.updateMember).toHaveBeenLastCalledWith('c1', { muted: { audio: true, video: false } })
    offer('on', other)
    session.retry(['microphone'])
    await settle()
    expect(peer().sent.microphone).toBe(other.real)
    expect(view()).toMatchObject({ microphone: 'on', microphoneOn: true })
    expect(api.updateMember).toHaveBeenLastCalledWith('c1', { muted: { audio: false, video: false } })
  })

  it('that come back by themselves go on', async () => {
    const { wait, offer, other, set, peer, microphone, view } = await silenced()
    other.muted = true
    offer('on', other)
    await wait()
    expect(view().microphone).toBe('interrupted')
    expect(other.stopped).toBe(true)
    set(false)
    expect(view()).toMatchObject({ microphone: 'on', microphoneOn: true })
    expect(peer().sent.microphone).toBe(microphone.real)
  })

  it('are looked after when the page is looked at again', async () => {
    const { session, settle, wait, offer, other, peer } = await silenced()
    offer('in_use', null)
    await wait()
    offer('on', other)
    session.looked()
    await settle()
    expect(peer().sent.microphone).toBe(other.real)
  })

  it('that are switched off are not asked for', async () => {
    const { session, wait, takeDevices, asked } = await silenced()
    session.toggleMicrophone()
    await wait()
    expect(takeDevices).toHaveBeenCalledTimes(asked)
  })
})
