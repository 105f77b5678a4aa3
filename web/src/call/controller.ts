/* The page's one brain, put together from its parts: React reads `store` and calls the methods; nothing in here knows
 * of React. Events come in here and go to the parts that they concern.
 *
 *   sign-in   whether somebody is          calls      those that this tab is in, and their end
 *   known     people and calls             words      what is written outside of them
 *   notices   what is said for a while     equipment, ice-servers, tabs
 *
 * Each part writes its own fields of the store and knows of the others what its constructor takes. */
import { t } from '@lingui/core/macro'
import type { Api } from '../api/client'
import type { Call, ClientMessage, ServerEvent, User } from '../api/types'
import type { CallsDeps } from './calls'
import { Calls } from './calls'
import type { Chosen, DeviceKind } from './devices'
import type { EquipmentDeps } from './equipment'
import { Equipment } from './equipment'
import { IceServers } from './ice-servers'
import { Known } from './known'
import type { World } from './model'
import { callerOf, isHere, memberOf, ongoingCall, ringingCall, step } from './model'
import { Notices } from './notices'
import { nameOf } from './sentences'
import { SignIn } from './sign-in'
import type { LinkHandlers } from './socket'
import type { Notice, Toast } from './state'
import { newStore } from './state'
import type { TabLink } from './tabs'
import { Tabs } from './tabs'
import { WordsOutside } from './words'

export interface ControllerDeps extends CallsDeps, EquipmentDeps {
  makeLink(handlers: LinkHandlers): {
    start(): void
    stop(): void
    nudge(): void
    send?(message: ClientMessage): boolean
  }
  /** To the other tabs of this browser; absent where there is none. */
  tabs?: TabLink
}

export class Controller {
  readonly store = newStore()
  private readonly api: Api
  private readonly link
  private readonly notices = new Notices(this.store)
  private readonly known: Known
  private readonly signing: SignIn
  private readonly equipment: Equipment
  private readonly iceServers: IceServers
  private readonly tabs: Tabs
  private readonly words: WordsOutside
  private readonly calls: Calls
  private readonly helloListeners = new Set<() => void>()

  constructor(deps: ControllerDeps) {
    const { store, notices } = this
    this.api = deps.api
    this.link = deps.makeLink({
      onEvent: (event) => this.onEvent(event),
      onState: (link) => store.setState({ link }),
      onRefused: () => void this.signing.check(),
    })
    this.known = new Known(store, deps.api, notices, (world) => this.onWorld(world))
    this.signing = new SignIn(store, deps.api, notices, {
      onEntered: () => {
        this.tabs.post({ type: 'who' })
        this.link.start()
      },
      onLeaving: () => {
        this.calls.held?.leave()
        this.calls.session?.leave()
      },
      onExited: () => {
        this.link.stop()
        this.calls.held?.moved()
        this.calls.session?.moved()
        this.iceServers.forget()
      },
    })
    this.iceServers = new IceServers(deps.api)
    this.equipment = new Equipment(store, deps, notices, () => this.calls.all)
    this.words = new WordsOutside(store, deps, this.known, notices)
    this.calls = new Calls(store, deps, {
      known: this.known,
      notices,
      equipment: this.equipment,
      iceServers: this.iceServers,
      tell: (message) => this.tabs.post(message),
      send: (message) => this.link.send?.(message),
      doubt: () => this.link.nudge(),
    })
    this.tabs = new Tabs(store, deps.tabs, {
      callId: () => this.calls.session?.callId ?? null,
      onTaken: () => this.calls.session?.moved(),
    })
  }

  // ---- sign-in

  boot(): Promise<void> {
    return this.signing.boot()
  }

  signIn(username: string, password: string): Promise<void> {
    return this.signing.signIn(username, password)
  }

  signUp(displayName: string, username: string, password: string, invite?: string): Promise<void> {
    return this.signing.signUp(displayName, username, password, invite)
  }

  signOut(): Promise<void> {
    return this.signing.signOut()
  }

  exited(): void {
    this.signing.exited()
  }

  setMe(me: User): void {
    this.known.setMe(me)
  }

  // ---- events

  /** Told after each hello: whatever was fetched before may be old. */
  onHello(listener: () => void): () => void {
    this.helloListeners.add(listener)
    return () => this.helloListeners.delete(listener)
  }

  /** Told when something was written or read in a call that is not on the screen. */
  onWords(listener: (callId: string) => void): () => void {
    return this.words.listen(listener)
  }

  /** The page is on the screen again. */
  looked(): void {
    this.nudge()
    for (const session of this.calls.all) session.looked()
  }

  /** The network changed, or may have. */
  nudge(): void {
    if (this.store.getState().auth === 'unreachable') void this.boot()
    this.link.nudge()
    for (const session of this.calls.all) session.networkChanged()
    this.calls.chat?.nudge()
  }

  private onEvent(event: ServerEvent): void {
    this.onScreen(event)
    const rang = ringingCall(this.known.world)
    const { world, stale } = step(this.known.world, event)
    this.known.set(world)
    if (rang && 'call_id' in event && event.call_id === rang.id) this.maybeStopped(rang.id)
    if (stale !== undefined) void this.known.refetch(stale)
    const about = 'call_id' in event ? event.call_id : undefined
    const mine = this.calls.all.find((session) => session.callId === about)
    switch (event.type) {
      case 'hello':
        this.onHelloEvent(event.calls)
        break
      case 'seats':
        mine?.seatsChanged(event.seats)
        break
      case 'layers':
        mine?.layersChanged(event.mid, event.layers)
        break
      case 'sound':
        mine?.soundChanged(event.mid, event.bitrate)
        break
      case 'media.lost':
        mine?.mediaLost(event.action)
        break
      case 'message':
        if (event.call_id !== this.calls.session?.callId) this.words.came(event.message)
        break
      case 'messages.read':
        this.words.changed(event.call_id)
        break
      default:
    }
  }

  private onHelloEvent(calls: readonly Call[]): void {
    for (const session of this.calls.all) {
      if (session.callId && !calls.some((call) => call.id === session.callId)) void session.check()
      session.eventsResumed()
    }
    void this.iceServers.get()
    this.calls.chat?.nudge()
    void this.calls.chat?.sync()
    for (const listener of this.helloListeners) listener()
  }

  /** What is only about the call on the screen. */
  private onScreen(event: ServerEvent): void {
    const { session, chat } = this.calls
    if (!session?.callId || !('call_id' in event) || event.call_id !== session.callId) return
    switch (event.type) {
      case 'member.left':
        if (event.reason === 'removed' && event.member.user.id === this.known.world.me?.id)
          session.wasRemoved()
        break
      case 'message':
        chat?.onMessage(event.message)
        if (!chat?.isOpen) this.words.unseen(event.message)
        break
      case 'typing':
        chat?.onTyping(event.user_id)
        break
      case 'reaction':
        this.notices.reaction(event.user_id, event.emoji)
        break
      case 'speaker':
        session.speakerIs(event.member)
        break
      case 'quality':
        this.store.setState({ quality: event.quality })
        break
      default:
    }
  }

  private onWorld(world: World): void {
    for (const session of this.calls.all) {
      const call = session.callId ? world.calls[session.callId] : undefined
      if (call) session.update(call)
    }
  }

  /** It rang here. If it does not any more, and not by a click on this page, the person is told why. */
  private maybeStopped(callId: string): void {
    const { world } = this.known
    const { me, contacts } = world
    const call = world.calls[callId]
    const mine = me && call && memberOf(call, me.id)
    if (!mine || ringingCall(world)?.id === callId) return
    if (this.calls.all.some((session) => session.callId === callId)) return
    const caller = callerOf(call)
    // Who blocks a caller knows why it stopped.
    if (caller && contacts[caller.id]?.state === 'blocked') return
    const name = caller ? nameOf(caller, contacts[caller.id]) : t`Somebody`
    const tell = (text: string, again: Notice['again'] = null) =>
      this.calls.session ? this.toast(text) : this.say(text, 'plain', { again })
    if (isHere(mine)) {
      this.store.setState({ onOther: callId })
      tell(t`You answered on another device`)
    } else if (mine.state === 'declined') tell(t`You declined on another device`)
    else tell(t`You missed a call from ${name}`, caller ? { user: caller, video: call.video } : null)
  }

  // ---- contacts

  addContact(userId: string): Promise<void> {
    return this.known.addContact(userId)
  }

  removeContact(userId: string): Promise<void> {
    return this.known.removeContact(userId)
  }

  updateContact(userId: string, change: Parameters<Api['updateContact']>[1]): Promise<void> {
    return this.known.updateContact(userId, change)
  }

  // ---- calls

  startCall(who: User | readonly User[], video: boolean): void {
    const invite = Array.isArray(who) ? [...who] : [who as User]
    this.calls.start(invite, video)
  }

  answer(call: Call, video: boolean): void {
    const { me, calls } = this.known.world
    const mine = me && memberOf(call, me.id)
    const now = me && calls[call.id] && memberOf(calls[call.id]!, me.id)
    // The click was still on its way when another device answered: the person has been told already.
    if (mine && now && !isHere(mine) && isHere(now)) return
    this.calls.open({ origin: 'incoming', call, video })
  }

  decline(call: Call): Promise<void> {
    return this.known.decline(call)
  }

  replyAndReject(call: Call, text: string): Promise<void> {
    return this.words.replyAndReject(call, text)
  }

  leaveMessage(callId: string, text: string, quietly = false): Promise<void> {
    return this.words.leave(callId, text, quietly)
  }

  markRead(callId: string, seq: number): Promise<void> {
    return this.words.markRead(callId, seq)
  }

  /** After a reload, or from another tab. */
  returnTo(call: Call): void {
    this.calls.open({ origin: 'return', call })
  }

  leaveOngoing(call: Call): Promise<void> {
    return this.known.leave(call)
  }

  /** The call to go back to without being asked, when the page was opened at its address. */
  resumable(): Call | null {
    const call = ongoingCall(this.known.world)
    const { elsewhere, onOther } = this.store.getState()
    return call && elsewhere !== call.id && onOther !== call.id ? call : null
  }

  switchCalls(): void {
    this.calls.switch()
  }

  // ---- in the call on the screen

  leave(): void {
    this.calls.session?.leave()
  }

  toggleMicrophone(): void {
    this.calls.session?.toggleMicrophone()
  }

  toggleCamera(): void {
    this.calls.session?.toggleCamera()
  }

  holdToTalk(down: boolean): void {
    this.calls.session?.holdToTalk(down)
  }

  toggleScreen(): void {
    void this.calls.session?.toggleScreen()
  }

  togglePause(): void {
    this.calls.session?.togglePause()
  }

  toggleHand(): void {
    this.calls.session?.toggleHand()
  }

  /** The click that a browser wants before anything may be heard. */
  hear(): void {
    this.calls.session?.hear()
  }

  retryDevices(kinds: DeviceKind[]): void {
    this.calls.session?.retry(kinds)
  }

  withoutDevices(kinds: DeviceKind[]): void {
    this.calls.session?.without(kinds)
  }

  /** What the page shows and how large, for the server to send no more than that. */
  shows(view: Extract<ClientMessage, { type: 'view' }>['view']): void {
    const callId = this.calls.session?.callId
    if (callId) this.link.send?.({ type: 'view', call_id: callId, view })
  }

  react(emoji: string): void {
    const callId = this.calls.session?.callId
    if (callId) this.link.send?.({ type: 'reaction', call_id: callId, emoji })
  }

  sendMessage(text: string): void {
    this.calls.chat?.send(text)
  }

  writes(): void {
    this.calls.chat?.writes()
  }

  retryMessage(id: string): void {
    this.calls.chat?.tryAgain(id)
  }

  discardMessage(id: string): void {
    this.calls.chat?.discard(id)
  }

  chatOpen(open: boolean): void {
    this.calls.chat?.setOpen(open)
  }

  // ---- who else is in it

  invite(userIds: string[]): Promise<void> {
    return this.change((id) => this.api.invite(id, userIds))
  }

  endForAll(): Promise<void> {
    return this.change((id) => this.api.endCall(id))
  }

  setLocked(locked: boolean): Promise<void> {
    return this.change((id) => this.api.setLocked(id, locked))
  }

  muteMember(userId: string): Promise<void> {
    return this.change((id) => this.api.muteMember(id, userId))
  }

  removeMember(userId: string): Promise<void> {
    return this.change((id) => this.api.removeMember(id, userId))
  }

  private async change(ask: (callId: string) => Promise<Call>): Promise<void> {
    const id = this.calls.session?.callId
    if (id) await this.known.change(() => ask(id))
  }

  // ---- devices, and what is said

  refreshDevices(): Promise<void> {
    return this.equipment.refresh()
  }

  choose(kind: keyof Chosen, id: string): void {
    this.equipment.choose(kind, id)
  }

  say(...what: Parameters<Notices['say']>): void {
    this.notices.say(...what)
  }

  dismiss(): void {
    this.notices.dismiss()
  }

  toast(text: string, action?: Toast['action']): void {
    this.notices.toast(text, action)
  }

  untoast(key: number): void {
    this.notices.untoast(key)
  }
}
