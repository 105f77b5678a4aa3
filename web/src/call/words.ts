/* What is written outside of the messages panel: shown for a moment where somebody would miss it, left for those who
 * did not answer, and kept in mind for the moment when the call is over. */
import { t } from '@lingui/core/macro'
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import type { Call, Message } from '../api/types'
import type { Known } from './known'
import { memberOf } from './model'
import type { Notices } from './notices'
import { nameOf, short } from './sentences'
import type { Store } from './state'

export interface WordsDeps {
  api: Pick<Api, 'sendMessage' | 'markRead'>
  newId(): string
}

export class WordsOutside {
  private readonly store: Store
  private readonly deps: WordsDeps
  private readonly known: Known
  private readonly notices: Notices
  private readonly listeners = new Set<(callId: string) => void>()

  constructor(store: Store, deps: WordsDeps, known: Known, notices: Notices) {
    this.store = store
    this.deps = deps
    this.known = known
    this.notices = notices
  }

  /** Told when something was written or read in a call that is not on the screen. */
  listen(listener: (callId: string) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  changed(callId: string): void {
    for (const listener of this.listeners) listener(callId)
  }

  /** In the call on the screen, with its messages out of sight. */
  unseen({ call_id: callId, user_id: id, text }: Message): void {
    const { me, contacts, calls } = this.known.world
    if (id === me?.id) return
    const call = calls[callId]
    const user = call && memberOf(call, id)?.user
    if (!user) return
    this.notices.toast(`${nameOf(user, contacts[id])}: ${short(text, 80)}`)
    // Perhaps a reply of somebody who then declines: said again when the call is over.
    if (call.answered_at === null) this.store.setState({ words: { callId, user, text } })
  }

  /** In a call that is not on the screen. */
  came({ call_id: callId, user_id: id, text }: Message): void {
    this.changed(callId)
    const { me, contacts, calls } = this.known.world
    const call = calls[callId]
    const user = (call && memberOf(call, id)?.user) ?? contacts[id]?.user
    if (id === me?.id || !user) return
    const { session, held } = this.store.getState()
    // A conversation that this page is not in is another page's affair.
    if (call?.state === 'active' && held?.call?.id !== callId) return
    this.store.setState({ words: { callId, user, text } })
    const line = `${nameOf(user, contacts[id])}: ${short(text, 200)}`
    if (session) this.notices.toast(line)
    // While it rings, the sheet says it.
    else if (call?.state !== 'ringing') this.notices.say(line, 'plain', { from: user })
  }

  /** A word to the caller instead of an answer. */
  async replyAndReject(call: Call, text: string): Promise<void> {
    try {
      await this.deps.api.sendMessage(call.id, this.deps.newId(), text)
      this.notices.say(t`Your reply was sent.`)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.notices.say(t`The reply could not be sent. The call was declined.`, 'error')
    }
    await this.known.decline(call)
  }

  /** To somebody who did not answer; they find it beside the missed call. */
  async leave(callId: string, text: string, quietly = false): Promise<void> {
    await this.deps.api.sendMessage(callId, this.deps.newId(), text)
    if (!quietly) this.notices.say(t`Your message is left.`)
  }

  /** What was left in this call has been seen here. */
  async markRead(callId: string, seq: number): Promise<void> {
    try {
      await this.deps.api.markRead(callId, seq)
    } catch {
      // Then it stays new until it is opened again.
    }
  }
}
