/* The page's one brain: sign-in, the event link, what is known of people and calls, and the one call that this
 * tab takes part in. React reads `store` and calls the methods; nothing in here knows of React. */
import { createStore } from 'zustand/vanilla'
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import { t } from '@lingui/core/macro'
import type { Call, ClientMessage, Message, Quality, ServerEvent, User } from '../api/types'
import type { ChatView, Keep } from './chat'
import { Chat } from './chat'
import type { Chosen, Device, DeviceKind, Devices, Taken } from './devices'
import { newDevices, noDevices } from './devices'
import type { World } from './model'
import {
  callerOf,
  emptyWorld,
  isHere,
  isOpenTo,
  memberOf,
  ongoingCall,
  othersIn,
  ringingCall,
  step,
  withCall,
  withContact,
  withoutContact,
} from './model'
import type { MakePeer } from './peer'
import type { Ending } from './sentences'
import { endSentence, listNames, nameOf, replySentence } from './sentences'
import type { Screen } from './screen'
import type { CallFlow } from './flow'
import type { SessionNews, SessionStart } from './session'
import { CallSession } from './session'
import type { LinkHandlers, LinkState } from './socket'
import type { SoundsLike } from './sounds'
import type { Speaking } from './speaking'
import type { SessionView } from './view'

export interface Notice {
  key: number
  text: string
  tone: 'plain' | 'error'
  /** Whom to call again. */
  again: { user: User; video: boolean } | null
  /** The call in which a message can be left. */
  unanswered: string | null
  /** Whose words these are. */
  from: User | null
  /** The call that was lost here and goes on without us. */
  back: Call | null
}

/** What somebody wrote from outside a conversation, or for those outside. */
export interface Words {
  callId: string
  user: User
  text: string
}

/** An emoji that floats over a tile for a moment. */
export interface Reaction {
  key: number
  userId: string
  emoji: string
}

/** A line that comes and goes in the call, and is read out. */
export interface Toast {
  key: number
  text: string
  action?: { label: string; run(): void }
}

export interface AppState {
  auth: 'unknown' | 'signed_out' | 'signed_in' | 'unreachable'
  link: LinkState
  world: World
  session: SessionView | null
  /** A call set aside for the one on the screen: paused, and come back to afterwards. */
  held: SessionView | null
  chat: ChatView | null
  speaking: Speaking
  flow: CallFlow | null
  quality: Quality | null
  reactions: Reaction[]
  toasts: Toast[]
  devices: Devices
  chosen: Chosen
  /** Another tab of this browser is in this call. */
  elsewhere: string | null
  /** Another device of this person is in this call. */
  onOther: string | null
  notice: Notice | null
  /** The last ones. */
  words: Words | null
}

export interface ControllerDeps {
  api: Api
  makeLink(handlers: LinkHandlers): {
    start(): void
    stop(): void
    nudge(): void
    send?(message: ClientMessage): boolean
  }
  makePeer: MakePeer
  takeDevices(want: { microphone: boolean; camera: boolean }, chosen: Chosen): Promise<Taken>
  takeScreen?(): Promise<Screen | null>
  makeSounds?(speaker: string, onBlocked: (blocked: boolean) => void): SoundsLike
  listDevices?(): Promise<Devices>
  choice?: { read(): Chosen; store(chosen: Chosen): void }
  /** Where what was not said yet survives a reload of the page. */
  keep?(name: string): Keep
  newId(): string
  /** To the other tabs of this browser; absent where there is none. */
  tabs?: { post(message: TabMessage): void; listen(heard: (message: TabMessage) => void): void }
}

export type TabMessage =
  { type: 'taken'; callId: string } | { type: 'free'; callId: string } | { type: 'who' }

const REACTION_FOR_MS = 4_000
const TOAST_FOR_MS = 5_000
const silence: Speaking = { ids: [], main: null }

const ICE_SERVERS_FOR_MS = 10 * 60_000
const ICE_SERVERS_WITHIN_MS = 600

export class Controller {
  readonly store = createStore<AppState>(() => ({
    auth: 'unknown',
    link: 'connecting',
    world: emptyWorld,
    session: null,
    held: null,
    chat: null,
    speaking: silence,
    flow: null,
    quality: null,
    reactions: [],
    toasts: [],
    devices: noDevices,
    chosen: { microphone: '', camera: '', speaker: '' },
    elsewhere: null,
    onOther: null,
    notice: null,
    words: null,
  }))

  private readonly deps: ControllerDeps
  private readonly link
  private session: CallSession | null = null
  private held: CallSession | null = null
  private chat: Chat | null = null
  private bootTimer: ReturnType<typeof setTimeout> | undefined
  private noticeKey = 0
  private iceServers: { at: number; servers: Promise<RTCIceServer[]> } | null = null
  private readonly helloListeners = new Set<() => void>()
  private readonly wordsListeners = new Set<(callId: string) => void>()

  constructor(deps: ControllerDeps) {
    this.deps = deps
    this.link = deps.makeLink({
      onEvent: (event) => this.onEvent(event),
      onState: (link) => this.store.setState({ link }),
      onRefused: () => void this.checkSignIn(),
    })
    if (deps.choice) this.store.setState({ chosen: deps.choice.read() })
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

  async signUp(displayName: string, username: string, password: string, invite?: string): Promise<void> {
    await this.deps.api.signUp({
      username,
      display_name: displayName,
      password,
      ...(invite ? { invite } : {}),
    })
    await this.signIn(username, password)
  }

  async signOut(): Promise<void> {
    this.held?.leave()
    this.session?.leave()
    try {
      await this.deps.api.signOut()
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) {
        this.say(t`Signing out did not work. Try again in a moment.`, 'error')
        return
      }
    }
    this.exited()
  }

  private entered(me: User): void {
    this.store.setState((state) => ({
      auth: 'signed_in',
      notice: null,
      words: null,
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
    this.held?.moved()
    this.session?.moved()
    this.iceServers = null
    this.store.setState({ auth: 'signed_out', world: emptyWorld, notice: null, words: null, elsewhere: null })
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

  /** Told when something was written or read in a call that is not on the screen. */
  onWords(listener: (callId: string) => void): () => void {
    this.wordsListeners.add(listener)
    return () => this.wordsListeners.delete(listener)
  }

  /** The page is on the screen again. */
  looked(): void {
    this.nudge()
    this.session?.looked()
    this.held?.looked()
  }

  nudge(): void {
    if (this.store.getState().auth === 'unreachable') void this.boot()
    this.link.nudge()
    this.session?.networkChanged()
    this.held?.networkChanged()
    this.chat?.nudge()
  }

  private get world(): World {
    return this.store.getState().world
  }

  private onEvent(event: ServerEvent): void {
    if (event.type === 'member.left' && event.reason === 'removed' && this.session?.callId === event.call_id)
      if (event.member.user.id === this.world.me?.id) this.session.wasRemoved()
    this.inCall(event)
    const rang = ringingCall(this.world)
    const { world, stale } = step(this.world, event)
    this.setWorld(world)
    if (rang && 'call_id' in event && event.call_id === rang.id) this.maybeStopped(rang.id)
    if (stale !== undefined) void this.refetch(stale)
    const about = 'call_id' in event ? event.call_id : undefined
    const mine = this.held && this.held.callId === about ? this.held : this.session
    switch (event.type) {
      case 'hello':
        for (const one of [this.session, this.held]) {
          if (one?.callId && !event.calls.some((call) => call.id === one.callId)) void one.check()
          one?.eventsResumed()
        }
        void this.freshIceServers()
        this.chat?.nudge()
        void this.chat?.sync()
        for (const listener of this.helloListeners) listener()
        break
      case 'seats':
        if (mine?.callId === event.call_id) mine.seatsChanged(event.seats)
        break
      case 'layers':
        if (mine?.callId === event.call_id) mine.layersChanged(event.mid, event.layers)
        break
      case 'media.lost':
        if (mine?.callId === event.call_id) mine.mediaLost(event.action)
        break
      case 'message':
        if (event.call_id !== this.session?.callId) this.wordsCame(event.message)
        break
      case 'messages.read':
        for (const listener of this.wordsListeners) listener(event.call_id)
        break
      default:
    }
  }

  /** It rang here. If it does not any more, and not by a click on this page, the person is told why. */
  private maybeStopped(callId: string): void {
    const { me, contacts } = this.world
    const call = this.world.calls[callId]
    const mine = me && call && memberOf(call, me.id)
    if (!mine || ringingCall(this.world)?.id === callId) return
    if (this.session?.callId === callId || this.held?.callId === callId) return
    const caller = callerOf(call)
    const name = caller ? nameOf(caller, contacts[caller.id]) : t`Somebody`
    const tell = (text: string, again: Notice['again'] = null) =>
      this.session ? this.toast(text) : this.say(text, 'plain', { again })
    if (isHere(mine)) {
      this.store.setState({ onOther: callId })
      tell(t`You answered on another device`)
    } else if (mine.state === 'declined') tell(t`You declined on another device`)
    else tell(t`You missed a call from ${name}`, caller ? { user: caller, video: call.video } : null)
  }

  /** What is only about the call on the screen. */
  private inCall(event: ServerEvent): void {
    const callId = this.session?.callId
    if (!callId || !('call_id' in event) || event.call_id !== callId) return
    switch (event.type) {
      case 'message':
        this.chat?.onMessage(event.message)
        this.tellOf(event.message)
        break
      case 'typing':
        this.chat?.onTyping(event.user_id)
        break
      case 'reaction':
        this.reacted(event.user_id, event.emoji)
        break
      case 'speaker':
        this.session?.speakerIs(event.member)
        break
      case 'quality':
        this.store.setState({ quality: event.quality })
        break
      default:
    }
  }

  private setWorld(world: World): void {
    if (world === this.world) return
    this.store.setState({ world })
    for (const session of [this.session, this.held]) {
      const call = session?.callId ? world.calls[session.callId] : undefined
      if (call) session?.update(call)
    }
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
    const { me } = this.world
    const mine = me && memberOf(call, me.id)
    const now = me && this.world.calls[call.id] && memberOf(this.world.calls[call.id]!, me.id)
    // The click was still on its way when another device answered: the person has been told already.
    if (mine && now && !isHere(mine) && isHere(now)) return
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

  /** A word to the caller instead of an answer. */
  async replyAndReject(call: Call, text: string): Promise<void> {
    try {
      await this.deps.api.sendMessage(call.id, this.deps.newId(), text)
      this.say(t`Your reply was sent.`)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.say(t`The reply could not be sent. The call was declined.`, 'error')
    }
    await this.decline(call)
  }

  /** To somebody who did not answer; they find it beside the missed call. */
  async leaveMessage(callId: string, text: string, quietly = false): Promise<void> {
    await this.deps.api.sendMessage(callId, this.deps.newId(), text)
    if (!quietly) this.say(t`Your message is left.`)
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
      else this.say(t`Leaving did not work. Try again in a moment.`, 'error')
    }
  }

  leave(): void {
    this.session?.leave()
  }

  toggleMicrophone(): void {
    this.session?.toggleMicrophone()
  }

  holdToTalk(down: boolean): void {
    this.session?.holdToTalk(down)
  }

  toggleScreen(): void {
    void this.session?.toggleScreen()
  }

  togglePause(): void {
    this.session?.togglePause()
  }

  toggleHand(): void {
    this.session?.toggleHand()
  }

  /** The click that a browser wants before anything may be heard. */
  hear(): void {
    this.session?.hear()
  }

  /** What the page shows and how large, for the server to send no more than that. */
  shows(view: Extract<ClientMessage, { type: 'view' }>['view']): void {
    const callId = this.session?.callId
    if (callId) this.link.send?.({ type: 'view', call_id: callId, view })
  }

  react(emoji: string): void {
    const callId = this.session?.callId
    if (callId) this.link.send?.({ type: 'reaction', call_id: callId, emoji })
  }

  private reacted(userId: string, emoji: string): void {
    const key = ++this.noticeKey
    this.store.setState(({ reactions }) => ({
      reactions: [...reactions.slice(-20), { key, userId, emoji }],
    }))
    setTimeout(
      () =>
        this.store.setState(({ reactions }) => ({ reactions: reactions.filter((one) => one.key !== key) })),
      REACTION_FOR_MS,
    )
  }

  // ---- chat

  sendMessage(text: string): void {
    this.chat?.send(text)
  }

  writes(): void {
    this.chat?.writes()
  }

  retryMessage(id: string): void {
    this.chat?.tryAgain(id)
  }

  discardMessage(id: string): void {
    this.chat?.discard(id)
  }

  chatOpen(open: boolean): void {
    this.chat?.setOpen(open)
  }

  /** With the messages out of sight, a new one is shown for a moment. */
  private tellOf({ user_id: id, text }: Message): void {
    const { me, contacts } = this.world
    if (this.chat?.isOpen || id === me?.id) return
    const call = this.session?.callId ? this.world.calls[this.session.callId] : undefined
    const user = call && memberOf(call, id)?.user
    if (!user) return
    this.toast(`${nameOf(user, contacts[id])}: ${short(text, 80)}`)
    // Perhaps a reply of somebody who then declines: said again when the call is over.
    if (call.answered_at === null) this.store.setState({ words: { callId: call.id, user, text } })
  }

  /** Something was written in a call that is not on the screen. */
  private wordsCame({ call_id: callId, user_id: id, text }: Message): void {
    for (const listener of this.wordsListeners) listener(callId)
    const { me, contacts, calls } = this.world
    const call = calls[callId]
    const user = (call && memberOf(call, id)?.user) ?? contacts[id]?.user
    if (id === me?.id || !user) return
    // A conversation that this page is not in is another page's affair.
    if (call?.state === 'active' && this.held?.callId !== callId) return
    this.store.setState({ words: { callId, user, text } })
    const line = `${nameOf(user, contacts[id])}: ${short(text, 200)}`
    if (this.session) this.toast(line)
    // While it rings, the sheet says it.
    else if (call?.state !== 'ringing') this.say(line, 'plain', { from: user })
  }

  private openChat(callId: string, meId: string): void {
    this.chat?.close()
    this.chat = new Chat(callId, meId, {
      api: this.deps.api,
      newId: () => this.deps.newId(),
      sayTyping: () => this.link.send?.({ type: 'typing', call_id: callId }),
      onView: (chat) => this.store.setState({ chat }),
      keep: this.deps.keep?.(`parley.unsaid.${callId}`),
    })
  }

  // ---- people in the call

  async invite(userIds: string[]): Promise<void> {
    await this.change((id) => this.deps.api.invite(id, userIds))
  }

  async endForAll(): Promise<void> {
    await this.change((id) => this.deps.api.endCall(id))
  }

  async setLocked(locked: boolean): Promise<void> {
    await this.change((id) => this.deps.api.setLocked(id, locked))
  }

  async muteMember(userId: string): Promise<void> {
    await this.change((id) => this.deps.api.muteMember(id, userId))
  }

  async removeMember(userId: string): Promise<void> {
    await this.change((id) => this.deps.api.removeMember(id, userId))
  }

  private async change(ask: (callId: string) => Promise<Call>): Promise<void> {
    const id = this.session?.callId
    if (!id) return
    try {
      this.setWorld(withCall(this.world, await ask(id)))
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.call) this.setWorld(withCall(this.world, error.call))
      this.toast(
        error.code === 'wrong_state' ? t`The call has changed meanwhile. Try again.` : problemSentence(error),
      )
    }
  }

  toast(text: string, action?: Toast['action']): void {
    const key = ++this.noticeKey
    this.store.setState(({ toasts }) => ({ toasts: [...toasts.slice(-2), { key, text, action }] }))
    setTimeout(() => this.untoast(key), action ? 2 * TOAST_FOR_MS : TOAST_FOR_MS)
  }

  untoast(key: number): void {
    this.store.setState(({ toasts }) => ({ toasts: toasts.filter((toast) => toast.key !== key) }))
  }

  // ---- devices

  /** Looks what is plugged in; what is new is offered. */
  async refreshDevices(): Promise<void> {
    if (!this.deps.listDevices) return
    const before = this.store.getState().devices
    let devices: Devices
    try {
      devices = await this.deps.listDevices()
    } catch {
      return
    }
    this.store.setState({ devices })
    if (!this.session) return
    // A speaker that was pulled out leaves the sound to the default one, and has it again when it is back.
    const { speaker } = this.store.getState().chosen
    const there = devices.speakers.length === 0 || devices.speakers.some(({ id }) => id === speaker)
    for (const session of [this.session, this.held]) session?.setSpeaker(there ? speaker : '')
    const offer = (kind: keyof Chosen, device: Device | undefined) => {
      if (!device) return
      const { id, name } = device
      this.toast(t`${name} is plugged in`, { label: t`Use it`, run: () => this.choose(kind, id) })
    }
    const [microphone] = newDevices(before.microphones, devices.microphones)
    offer('microphone', microphone)
    if (!microphone) offer('speaker', newDevices(before.speakers, devices.speakers)[0])
    offer('camera', newDevices(before.cameras, devices.cameras)[0])
  }

  choose(kind: keyof Chosen, id: string): void {
    const chosen = { ...this.store.getState().chosen, [kind]: id }
    this.store.setState({ chosen })
    this.deps.choice?.store(chosen)
    for (const session of [this.session, this.held]) {
      if (kind === 'speaker') session?.setSpeaker(id)
      else session?.deviceChosen(kind)
    }
  }

  private onNews(news: SessionNews): void {
    switch (news) {
      case 'muted_by_other':
        return this.toast(t`You were muted`)
      case 'camera_off_by_other':
        return this.toast(t`Your camera was turned off`)
      case 'screen_failed':
        return this.toast(t`The screen could not be shared. Try another window.`)
      case 'device_replaced':
        return this.toast(t`A device was unplugged; another one has taken over`)
    }
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

  say(
    text: string,
    tone: Notice['tone'] = 'plain',
    more: Partial<Pick<Notice, 'again' | 'unanswered' | 'from' | 'back'>> = {},
  ): void {
    const notice = {
      key: ++this.noticeKey,
      text,
      tone,
      again: null,
      unanswered: null,
      from: null,
      back: null,
      ...more,
    }
    this.store.setState({ notice })
  }

  /** What was left in this call has been seen here. */
  async markRead(callId: string, seq: number): Promise<void> {
    try {
      await this.deps.api.markRead(callId, seq)
    } catch {
      // Then it stays new until it is opened again.
    }
  }

  /** Shows what a request of ours will make of us, until the server's own word comes. */
  private foresee(call: Call, state: 'declined' | 'left'): void {
    const me = this.world.me
    const members = call.members.map((member) => (member.user.id === me?.id ? { ...member, state } : member))
    this.setWorld(withCall(this.world, { ...call, members }))
  }

  private open(start: SessionStart): void {
    const me = this.world.me
    if (!me) return
    if (this.session) {
      if (start.origin === 'outgoing') {
        this.say(t`You are already in a call.`)
        return
      }
      if (this.held) return
      this.setAside()
    }
    this.store.setState({ notice: null, elsewhere: null, onOther: null })
    // Handlers run before the constructor returns.
    let session: CallSession | null = null
    const onScreen = () => session === null || this.session === session
    session = new CallSession(
      me.id,
      start,
      {
        api: this.deps.api,
        makePeer: this.deps.makePeer,
        takeDevices: async (want) => {
          const taken = await this.deps.takeDevices(want, this.store.getState().chosen)
          void this.refreshDevices()
          return taken
        },
        takeScreen: this.deps.takeScreen,
        makeSounds:
          this.deps.makeSounds &&
          ((onBlocked) => this.deps.makeSounds!(this.store.getState().chosen.speaker, onBlocked)),
        iceServers: () => this.freshIceServers(),
      },
      {
        onView: (view) => {
          if (!onScreen()) return this.store.setState({ held: view })
          const before = this.store.getState().session?.call?.id
          this.store.setState({ session: view })
          if (view.call && view.call.id !== before) {
            this.deps.tabs?.post({ type: 'taken', callId: view.call.id })
          }
          // Messages are for those who are in the call.
          const mine = view.call && memberOf(view.call, me.id)
          if (view.call && mine && isHere(mine) && this.chat?.callId !== view.call.id)
            this.openChat(view.call.id, me.id)
        },
        onSpeaking: (speaking) => onScreen() && this.store.setState({ speaking }),
        onFlow: (flow) => onScreen() && this.store.setState({ flow }),
        onNews: (news) => onScreen() && this.onNews(news),
        onDoubt: () => this.link.nudge(),
        onCall: (call) => {
          this.setWorld(withCall(this.world, call))
          return this.world.calls[call.id]
        },
        onEnd: (ending, call, problem) => {
          if (!onScreen()) {
            this.held = null
            this.store.setState({ held: null })
          }
          this.ended(start, me, ending, call, problem, onScreen())
        },
      },
    )
    this.session = session
  }

  /** Nothing of the call on the screen is left there. */
  private clearScreen(): void {
    this.session = null
    this.chat?.close()
    this.chat = null
    this.store.setState({
      session: null,
      chat: null,
      speaking: silence,
      flow: null,
      quality: null,
      reactions: [],
      toasts: [],
    })
  }

  /** Another call takes the screen; this one pauses until that is over. */
  private setAside(): void {
    const { session: view } = this.store.getState()
    const session = this.session
    if (!session) return
    if (view && !view.paused) session.togglePause()
    this.clearScreen()
    this.held = session
    this.store.setState({ held: view && { ...view, paused: true } })
  }

  /** The call that was set aside comes back to the screen. */
  private takeUp(): void {
    const session = this.held
    const view = this.store.getState().held
    if (!session) return
    this.held = null
    this.session = session
    this.store.setState({ held: null, session: view })
    const me = this.world.me
    if (me && session.callId) this.openChat(session.callId, me.id)
    if (view?.paused) session.togglePause()
  }

  /** To the call that was set aside, and this one is set aside for it. */
  switchCalls(): void {
    const { held } = this
    const view = this.store.getState().held
    if (!held) return
    this.held = null
    this.setAside()
    const aside = this.held
    const asideView = this.store.getState().held
    this.held = held
    this.store.setState({ held: view })
    this.takeUp()
    this.held = aside
    this.store.setState({ held: asideView })
  }

  private ended(
    start: SessionStart,
    me: User,
    ending: Ending,
    call: Call | null,
    problem: ApiError | undefined,
    onScreen: boolean,
  ): void {
    if (onScreen) this.clearScreen()
    if (call && ending === 'left') this.foresee(call, 'left')
    if (call && ending === 'answered_elsewhere') this.store.setState({ onOther: call.id })
    if (call && ending !== 'moved') this.deps.tabs?.post({ type: 'free', callId: call.id })
    if (this.store.getState().auth !== 'signed_in') return
    const others = call
      ? othersIn(call, me.id).map((member) => member.user)
      : start.origin === 'outgoing'
        ? start.invite
        : []
    const only = others.length === 1 ? others[0] : undefined
    const again =
      only && ending !== 'moved' && ending !== 'kept_out' ? { user: only, video: call?.video ?? true } : null
    if (onScreen) this.takeUp()
    if (problem) {
      this.say(problemSentence(problem), 'error', { again })
      return
    }
    if (ending === 'kept_out' && ongoingCall(this.world)) {
      this.say(t`You are already in a call.`, 'error')
      return
    }
    const name = listNames(others.map((user) => nameOf(user, this.world.contacts[user.id])))
    const mine = ending === 'over' && call?.started_by === me.id ? call : null
    const unanswered = mine?.end_reason === 'timeout' || mine?.end_reason === 'busy' ? mine.id : null
    const tone = ending === 'lost' || ending === 'kept_out' ? 'error' : 'plain'
    const { words } = this.store.getState()
    const reply = mine?.end_reason === 'declined' && words?.callId === mine.id ? words : null
    const text = reply
      ? replySentence(nameOf(reply.user, this.world.contacts[reply.user.id]), short(reply.text, 200))
      : endSentence(ending, call, me.id, name)
    const back = ending === 'lost' && call && isOpenTo(call, me.id) ? call : null
    this.say(text, tone, { again: back ? null : again, unanswered, back })
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
    const { elsewhere, onOther } = this.store.getState()
    return call && elsewhere !== call.id && onOther !== call.id ? call : null
  }
}

const short = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most).trimEnd()}…` : text

export function problemSentence(problem: ApiError): string {
  switch (problem.code) {
    case 'network':
      return t`The server cannot be reached. Check your connection and try again.`
    case 'database_unavailable':
    case 'overloaded':
      return t`The server cannot do this right now. Try again in a moment.`
    case 'too_many_requests':
      return t`That was too often. Wait a moment and try again.`
    case 'not_a_contact':
      return t`You can call people once they have accepted your request.`
    case 'wrong_state':
      return problem.call ? t`You are already in a call.` : problem.message
    default:
      return problem.message
  }
}
