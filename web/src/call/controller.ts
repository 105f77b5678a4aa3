/* The page's one brain: sign-in, the event link, what is known of people and calls, and the one call that this
 * tab takes part in. React reads `store` and calls the methods; nothing in here knows of React. */
import { createStore } from 'zustand/vanilla'
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import type { Call, ServerEvent, User } from '../api/types'
import type { DeviceKind, Taken } from './devices'
import type { World } from './model'
import { emptyWorld, ongoingCall, othersIn, step, withCall, withContact, withoutContact } from './model'
import type { MakePeer } from './peer'
import type { Ending } from './sentences'
import { endSentence, listNames, nameOf } from './sentences'
import type { SessionStart, SessionView } from './session'
import { CallSession } from './session'
import type { LinkHandlers, LinkState } from './socket'

export interface Notice {
  key: number
  text: string
  tone: 'plain' | 'error'
  /** Whom to call again. */
  again: { user: User; video: boolean } | null
}

export interface AppState {
  auth: 'unknown' | 'signed_out' | 'signed_in' | 'unreachable'
  link: LinkState
  world: World
  session: SessionView | null
  /** Another tab of this browser is in this call. */
  elsewhere: string | null
  notice: Notice | null
}

export interface ControllerDeps {
  api: Api
  makeLink(handlers: LinkHandlers): { start(): void; stop(): void; nudge(): void }
  makePeer: MakePeer
  takeDevices(want: { microphone: boolean; camera: boolean }): Promise<Taken>
  newId(): string
  /** To the other tabs of this browser; absent where there is none. */
  tabs?: { post(message: TabMessage): void; listen(heard: (message: TabMessage) => void): void }
}

export type TabMessage =
  { type: 'taken'; callId: string } | { type: 'free'; callId: string } | { type: 'who' }

const ICE_SERVERS_FOR_MS = 10 * 60_000
const ICE_SERVERS_WITHIN_MS = 600

export class Controller {
  readonly store = createStore<AppState>(() => ({
    auth: 'unknown',
    link: 'connecting',
    world: emptyWorld,
    session: null,
    elsewhere: null,
    notice: null,
  }))

  private readonly deps: ControllerDeps
  private readonly link
  private session: CallSession | null = null
  private bootTimer: ReturnType<typeof setTimeout> | undefined
  private noticeKey = 0
  private iceServers: { at: number; servers: Promise<RTCIceServer[]> } | null = null
  private readonly helloListeners = new Set<() => void>()

  constructor(deps: ControllerDeps) {
    this.deps = deps
    this.link = deps.makeLink({
      onEvent: (event) => this.onEvent(event),
      onState: (link) => this.store.setState({ link }),
      onRefused: () => void this.checkSignIn(),
    })
    deps.tabs?.listen((message) => this.onTab(message))
  }

  // ---- sign-in

  async boot(): Promise<void> {
    clearTimeout(this.bootTimer)
    try {
      const me = await this.deps.api.current()
      if (me) this.entered(me)
      else this.store.setState({ auth: 'signed_out' })
    } catch {
      this.store.setState({ auth: 'unreachable' })
      this.bootTimer = setTimeout(() => void this.boot(), 2_000)
    }
  }

  async signIn(username: string, password: string): Promise<void> {
    this.entered(await this.deps.api.signIn({ username, password }))
  }

  async signUp(displayName: string, username: string, password: string): Promise<void> {
    await this.deps.api.signUp({ username, display_name: displayName, password })
    await this.signIn(username, password)
  }

  async signOut(): Promise<void> {
    this.session?.leave()
    try {
      await this.deps.api.signOut()
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) {
        this.say('Signing out did not work. Try again in a moment.', 'error')
        return
      }
    }
    this.exited()
  }

  private entered(me: User): void {
    this.store.setState((state) => ({
      auth: 'signed_in',
      notice: null,
      world: state.world.me?.id === me.id ? state.world : { ...emptyWorld, me },
    }))
    this.deps.tabs?.post({ type: 'who' })
    this.link.start()
  }

  /** The account was changed, here. */
  setMe(me: User): void {
    this.setWorld({ ...this.world, me })
  }

  /** The account is gone, or the sign-in was ended. */
  exited(): void {
    this.link.stop()
    this.session?.moved()
    this.iceServers = null
    this.store.setState({ auth: 'signed_out', world: emptyWorld, notice: null, elsewhere: null })
  }

  private async checkSignIn(): Promise<void> {
    try {
      if (!(await this.deps.api.current())) this.exited()
    } catch {
      // The link tries again by itself.
    }
  }

  // ---- events

  /** Told after each hello: whatever was fetched before may be old. */
  onHello(listener: () => void): () => void {
    this.helloListeners.add(listener)
    return () => this.helloListeners.delete(listener)
  }

  nudge(): void {
    this.link.nudge()
    this.session?.networkChanged()
  }

  private get world(): World {
    return this.store.getState().world
  }

  private onEvent(event: ServerEvent): void {
    const { world, stale } = step(this.world, event)
    this.setWorld(world)
    if (stale !== undefined) void this.refetch(stale)
    const mine = this.session
    switch (event.type) {
      case 'hello':
        if (mine?.callId && !event.calls.some((call) => call.id === mine.callId)) void mine.check()
        void this.freshIceServers()
        for (const listener of this.helloListeners) listener()
        break
      case 'seats':
        if (mine?.callId === event.call_id) mine.seatsChanged(event.seats)
        break
      case 'media.lost':
        if (mine?.callId === event.call_id) mine.mediaLost(event.action)
        break
      default:
    }
  }

  private setWorld(world: World): void {
    if (world === this.world) return
    this.store.setState({ world })
    const id = this.session?.callId
    const call = id ? world.calls[id] : undefined
    if (call) this.session?.update(call)
  }

  private async refetch(callId: string): Promise<void> {
    try {
      this.setWorld(withCall(this.world, await this.deps.api.getCall(callId)))
    } catch {
      // The next event or the next hello brings it.
    }
  }

  // ---- contacts

  async addContact(userId: string): Promise<void> {
    this.setWorld(withContact(this.world, await this.deps.api.putContact(userId)))
  }

  async removeContact(userId: string): Promise<void> {
    try {
      await this.deps.api.deleteContact(userId)
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'not_found')) throw error
    }
    this.setWorld(withoutContact(this.world, userId))
  }

  async updateContact(userId: string, change: Parameters<Api['updateContact']>[1]): Promise<void> {
    this.setWorld(withContact(this.world, await this.deps.api.updateContact(userId, change)))
  }

  // ---- calls

  startCall(who: User | readonly User[], video: boolean): void {
    this.open({
      origin: 'outgoing',
      id: this.deps.newId(),
      invite: Array.isArray(who) ? [...who] : [who as User],
      video,
    })
  }

  answer(call: Call, video: boolean): void {
    this.open({ origin: 'incoming', call, video })
  }

  async decline(call: Call): Promise<void> {
    // Stop ringing at once, whatever the network does.
    this.foresee(call, 'declined')
    try {
      this.setWorld(withCall(this.world, await this.deps.api.declineCall(call.id)))
    } catch (error) {
      if (error instanceof ApiError && error.call) this.setWorld(withCall(this.world, error.call))
      else void this.refetch(call.id)
    }
  }

  /** After a reload, or from another tab. */
  returnTo(call: Call): void {
    this.open({ origin: 'return', call })
  }

  /** Leaves a call that this page shows but does not take part in. */
  async leaveOngoing(call: Call): Promise<void> {
    try {
      this.setWorld(withCall(this.world, await this.deps.api.leaveCall(call.id)))
    } catch (error) {
      if (error instanceof ApiError && error.call) this.setWorld(withCall(this.world, error.call))
      else this.say('Leaving did not work. Try again in a moment.', 'error')
    }
  }

  leave(): void {
    this.session?.leave()
  }

  toggleMicrophone(): void {
    this.session?.toggleMicrophone()
  }

  toggleCamera(): void {
    this.session?.toggleCamera()
  }

  retryDevices(kinds: DeviceKind[]): void {
    this.session?.retry(kinds)
  }

  withoutDevices(kinds: DeviceKind[]): void {
    this.session?.without(kinds)
  }

  dismiss(): void {
    this.store.setState({ notice: null })
  }

  say(text: string, tone: Notice['tone'] = 'plain', again: Notice['again'] = null): void {
    this.store.setState({ notice: { key: ++this.noticeKey, text, tone, again } })
  }

  /** Shows what a request of ours will make of us, until the server's own word comes. */
  private foresee(call: Call, state: 'declined' | 'left'): void {
    const me = this.world.me
    const members = call.members.map((member) => (member.user.id === me?.id ? { ...member, state } : member))
    this.setWorld(withCall(this.world, { ...call, members }))
  }

  private open(start: SessionStart): void {
    const me = this.world.me
    if (!me || this.session) return
    this.store.setState({ notice: null, elsewhere: null })
    // `session` is read by handlers that run before the constructor returns.
    const session: CallSession = new CallSession(
      me.id,
      start,
      {
        api: this.deps.api,
        makePeer: this.deps.makePeer,
        takeDevices: this.deps.takeDevices,
        iceServers: () => this.freshIceServers(),
      },
      {
        onView: (view) => {
          const before = this.store.getState().session?.call?.id
          this.store.setState({ session: view })
          if (view.call && view.call.id !== before)
            this.deps.tabs?.post({ type: 'taken', callId: view.call.id })
        },
        onCall: (call) => this.setWorld(withCall(this.world, call)),
        onEnd: (ending, call, problem) => this.ended(start, me, ending, call, problem),
      },
    )
    this.session = session
  }

  private ended(
    start: SessionStart,
    me: User,
    ending: Ending,
    call: Call | null,
    problem: ApiError | undefined,
  ): void {
    this.session = null
    this.store.setState({ session: null })
    if (call && ending === 'left') this.foresee(call, 'left')
    if (call && ending !== 'moved') this.deps.tabs?.post({ type: 'free', callId: call.id })
    if (this.store.getState().auth !== 'signed_in') return
    const others = call
      ? othersIn(call, me.id).map((member) => member.user)
      : start.origin === 'outgoing'
        ? start.invite
        : []
    const only = others.length === 1 ? others[0] : undefined
    const again = only && ending !== 'moved' ? { user: only, video: call?.video ?? true } : null
    if (problem) {
      this.say(problemSentence(problem), 'error', again)
      return
    }
    const name = listNames(others.map((user) => nameOf(user, this.world.contacts[user.id])))
    this.say(endSentence(ending, call, me.id, name), ending === 'lost' ? 'error' : 'plain', again)
  }

  private freshIceServers(): Promise<RTCIceServer[]> {
    const now = Date.now()
    if (!this.iceServers || now - this.iceServers.at > ICE_SERVERS_FOR_MS) {
      const servers = this.deps.api.iceServers().catch((): RTCIceServer[] => {
        this.iceServers = null
        return []
      })
      this.iceServers = { at: now, servers }
    }
    // A call does not wait for TURN: the server itself is reachable without.
    const enough = new Promise<RTCIceServer[]>((done) => setTimeout(() => done([]), ICE_SERVERS_WITHIN_MS))
    return Promise.race([this.iceServers.servers, enough])
  }

  // ---- other tabs

  private onTab(message: TabMessage): void {
    const mine = this.session?.callId
    switch (message.type) {
      case 'taken':
        if (mine === message.callId) this.session?.moved()
        this.store.setState({ elsewhere: message.callId })
        break
      case 'free':
        if (this.store.getState().elsewhere === message.callId) this.store.setState({ elsewhere: null })
        break
      case 'who':
        if (mine) this.deps.tabs?.post({ type: 'taken', callId: mine })
    }
  }

  /** The call to go back to without being asked, when the page was opened at its address. */
  resumable(): Call | null {
    const call = ongoingCall(this.world)
    return call && this.store.getState().elsewhere !== call.id ? call : null
  }
}

export function problemSentence(problem: ApiError): string {
  switch (problem.code) {
    case 'network':
      return 'The server cannot be reached. Check your connection and try again.'
    case 'database_unavailable':
    case 'overloaded':
      return 'The server cannot do this right now. Try again in a moment.'
    case 'too_many_requests':
      return 'That was too often. Wait a moment and try again.'
    case 'not_a_contact':
      return 'You can call people once they have accepted your request.'
    case 'wrong_state':
      return problem.call ? 'You are already in a call.' : problem.message
    default:
      return problem.message
  }
}
