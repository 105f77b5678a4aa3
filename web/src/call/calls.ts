/* The calls that this tab takes part in: one on the screen, perhaps one held for it, and the messages of the one on
 * the screen.
 *
 *   none ──open──▶ on the screen ──another is opened, switch──▶ held
 *                        ◀──────the other is over, switch──────────┘
 *
 * A held call is paused; what its session shows goes to `held` of the store. How a call ended is said once. */
import { t } from '@lingui/core/macro'
import type { Api, ApiError } from '../api/client'
import type { Call, ClientMessage, User } from '../api/types'
import type { Keep } from './chat'
import { Chat } from './chat'
import type { Chosen, Taken } from './devices'
import type { Equipment } from './equipment'
import type { IceServers } from './ice-servers'
import type { Known } from './known'
import { isHere, isOpenTo, memberOf, ongoingCall, othersIn } from './model'
import type { Notices } from './notices'
import type { MakePeer } from './peer'
import type { Screen } from './screen'
import type { Ending } from './sentences'
import { endSentence, listNames, nameOf, problemSentence, replySentence, short } from './sentences'
import type { SessionNews, SessionStart } from './session'
import { CallSession } from './session'
import type { SoundsLike } from './sounds'
import type { Store } from './state'
import { emptyScreen } from './state'
import type { TabMessage } from './tabs'
import type { SessionView } from './view'

export interface CallsDeps {
  api: Api
  makePeer: MakePeer
  takeDevices(want: { microphone: boolean; camera: boolean }, chosen: Chosen): Promise<Taken>
  takeScreen?(): Promise<Screen | null>
  makeSounds?(speaker: string, onBlocked: (blocked: boolean) => void): SoundsLike
  /** Where what was not said yet survives a reload of the page. */
  keep?(name: string): Keep
  newId(): string
}

/** The other parts of the page's brain that calls need. */
export interface Around {
  known: Known
  notices: Notices
  equipment: Equipment
  iceServers: IceServers
  tell(message: TabMessage): void
  /** To the server; false when it did not get there. */
  send(message: ClientMessage): boolean | void
  /** The event link may be broken. */
  doubt(): void
}

export class Calls {
  private readonly store: Store
  private readonly deps: CallsDeps
  private readonly around: Around
  private current: CallSession | null = null
  private aside: CallSession | null = null
  private messages: Chat | null = null

  constructor(store: Store, deps: CallsDeps, around: Around) {
    this.store = store
    this.deps = deps
    this.around = around
  }

  /** The one on the screen. */
  get session(): CallSession | null {
    return this.current
  }

  get held(): CallSession | null {
    return this.aside
  }

  get all(): CallSession[] {
    return [this.current, this.aside].filter((session) => session !== null)
  }

  get chat(): Chat | null {
    return this.messages
  }

  start(invite: User[], video: boolean): void {
    this.open({ origin: 'outgoing', id: this.deps.newId(), invite, video })
  }

  /** Takes part in a call, or starts one. */
  open(start: SessionStart): void {
    const me = this.around.known.world.me
    if (!me) return
    if (this.current) {
      if (start.origin === 'outgoing') {
        this.around.notices.say(t`You are already in a call.`)
        return
      }
      if (this.aside) return
      this.setAside()
    }
    this.store.setState({ notice: null, elsewhere: null, onOther: null })
    this.current = this.begin(me, start)
  }

  /** To the call that was set aside, and this one is set aside for it. */
  switch(): void {
    const held = this.aside
    const view = this.store.getState().held
    if (!held) return
    this.aside = null
    this.setAside()
    const aside = this.aside
    const asideView = this.store.getState().held
    this.aside = held
    this.store.setState({ held: view })
    this.takeUp()
    this.aside = aside
    this.store.setState({ held: asideView })
  }

  private begin(me: User, start: SessionStart): CallSession {
    const { known, equipment, iceServers } = this.around
    // Handlers run before the constructor returns.
    let session: CallSession | null = null
    const onScreen = () => session === null || this.current === session
    session = new CallSession(
      me.id,
      start,
      {
        api: this.deps.api,
        makePeer: this.deps.makePeer,
        takeDevices: async (want) => {
          const taken = await this.deps.takeDevices(want, equipment.chosen)
          void equipment.refresh()
          return taken
        },
        takeScreen: this.deps.takeScreen,
        makeSounds:
          this.deps.makeSounds && ((onBlocked) => this.deps.makeSounds!(equipment.chosen.speaker, onBlocked)),
        iceServers: () => iceServers.get(),
      },
      {
        onView: (view) => (onScreen() ? this.show(me, view) : this.store.setState({ held: view })),
        onSpeaking: (speaking) => onScreen() && this.store.setState({ speaking }),
        onFlow: (flow) => onScreen() && this.store.setState({ flow }),
        onNews: (news) => onScreen() && this.tellNews(news),
        onDoubt: () => this.around.doubt(),
        onCall: (call) => {
          known.learn(call)
          return known.world.calls[call.id]
        },
        onEnd: (ending, call, problem) => {
          if (onScreen()) this.clearScreen()
          else {
            this.aside = null
            this.store.setState({ held: null })
          }
          this.ended(start, me, ending, call, problem)
        },
      },
    )
    return session
  }

  private show(me: User, view: SessionView): void {
    const before = this.store.getState().session?.call?.id
    this.store.setState({ session: view })
    const { call } = view
    if (!call) return
    if (call.id !== before) this.around.tell({ type: 'taken', callId: call.id })
    // Messages are for those who are in the call.
    const mine = memberOf(call, me.id)
    if (mine && isHere(mine) && this.messages?.callId !== call.id) this.openChat(call.id, me.id)
  }

  private openChat(callId: string, meId: string): void {
    this.messages?.close()
    this.messages = new Chat(callId, meId, {
      api: this.deps.api,
      newId: () => this.deps.newId(),
      sayTyping: () => this.around.send({ type: 'typing', call_id: callId }),
      onView: (chat) => this.store.setState({ chat }),
      keep: this.deps.keep?.(`parley.unsaid.${callId}`),
    })
  }

  private tellNews(news: SessionNews): void {
    const { notices } = this.around
    switch (news) {
      case 'muted_by_other':
        return notices.toast(t`You were muted`)
      case 'camera_off_by_other':
        return notices.toast(t`Your camera was turned off`)
      case 'screen_failed':
        return notices.toast(t`The screen could not be shared. Try another window.`)
      case 'device_replaced':
        return notices.toast(t`A device was unplugged; another one has taken over`)
    }
  }

  /** Nothing of the call on the screen is left there. */
  private clearScreen(): void {
    this.current = null
    this.messages?.close()
    this.messages = null
    this.store.setState(emptyScreen)
  }

  /** Another call takes the screen; this one pauses until that is over. */
  private setAside(): void {
    const { session: view } = this.store.getState()
    const session = this.current
    if (!session) return
    if (view && !view.paused) session.togglePause()
    this.clearScreen()
    this.aside = session
    this.store.setState({ held: view && { ...view, paused: true } })
  }

  /** The call that was set aside comes back to the screen. */
  private takeUp(): void {
    const session = this.aside
    const view = this.store.getState().held
    if (!session) return
    this.aside = null
    this.current = session
    this.store.setState({ held: null, session: view })
    const me = this.around.known.world.me
    if (me && session.callId) this.openChat(session.callId, me.id)
    if (view?.paused) session.togglePause()
  }

  private ended(
    start: SessionStart,
    me: User,
    ending: Ending,
    call: Call | null,
    problem: ApiError | undefined,
  ): void {
    if (call && ending === 'left') this.around.known.foresee(call, 'left')
    if (call && ending === 'answered_elsewhere') this.store.setState({ onOther: call.id })
    if (call && ending !== 'moved') this.around.tell({ type: 'free', callId: call.id })
    if (this.store.getState().auth !== 'signed_in') return
    if (!this.current) this.takeUp()
    this.sayEnd(start, me, ending, call, problem)
  }

  private sayEnd(
    start: SessionStart,
    me: User,
    ending: Ending,
    call: Call | null,
    problem: ApiError | undefined,
  ): void {
    const { notices, known } = this.around
    const others = call
      ? othersIn(call, me.id).map((member) => member.user)
      : start.origin === 'outgoing'
        ? start.invite
        : []
    const only = others.length === 1 ? others[0] : undefined
    const again =
      only && ending !== 'moved' && ending !== 'kept_out' ? { user: only, video: call?.video ?? true } : null
    if (problem) {
      notices.say(problemSentence(problem), 'error', { again })
      return
    }
    const { world } = known
    if (ending === 'kept_out' && ongoingCall(world)) {
      notices.say(t`You are already in a call.`, 'error')
      return
    }
    const name = listNames(others.map((user) => nameOf(user, world.contacts[user.id])))
    const mine = ending === 'over' && call?.started_by === me.id ? call : null
    const unanswered = mine?.end_reason === 'timeout' || mine?.end_reason === 'busy' ? mine.id : null
    const tone = ending === 'lost' || ending === 'kept_out' ? 'error' : 'plain'
    const { words } = this.store.getState()
    const reply = mine?.end_reason === 'declined' && words?.callId === mine.id ? words : null
    const text = reply
      ? replySentence(nameOf(reply.user, world.contacts[reply.user.id]), short(reply.text, 200))
      : endSentence(ending, call, me.id, name)
    const back = ending === 'lost' && call && isOpenTo(call, me.id) ? call : null
    notices.say(text, tone, { again: back ? null : again, unanswered, back })
  }
}
