/* What is known of people and calls (`world`), made newer by every answer and event, and the requests that need no
 * more than that: about contacts, and about calls that this page takes no part in. */
import { t } from '@lingui/core/macro'
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import type { Call, User } from '../api/types'
import type { World } from './model'
import { withCall, withContact, withoutContact } from './model'
import type { Notices } from './notices'
import { problemSentence } from './sentences'
import type { Store } from './state'

export class Known {
  private readonly store: Store
  private readonly api: Api
  private readonly notices: Notices
  private readonly onChange: (world: World) => void

  /** `onChange` comes after the store has changed. */
  constructor(store: Store, api: Api, notices: Notices, onChange: (world: World) => void) {
    this.store = store
    this.api = api
    this.notices = notices
    this.onChange = onChange
  }

  get world(): World {
    return this.store.getState().world
  }

  set(world: World): void {
    if (world === this.world) return
    this.store.setState({ world })
    this.onChange(world)
  }

  /** An answer brought this state of a call. */
  learn(call: Call): void {
    this.set(withCall(this.world, call))
  }

  async refetch(callId: string): Promise<void> {
    try {
      this.learn(await this.api.getCall(callId))
    } catch {
      // The next event or the next hello brings it.
    }
  }

  /** Shows what a request of ours will make of us, until the server's own word comes. */
  foresee(call: Call, state: 'declined' | 'left'): void {
    const me = this.world.me
    const members = call.members.map((member) => (member.user.id === me?.id ? { ...member, state } : member))
    this.learn({ ...call, members })
  }

  /** The account was changed, here. */
  setMe(me: User): void {
    this.set({ ...this.world, me })
  }

  // ---- contacts

  async addContact(userId: string): Promise<void> {
    this.set(withContact(this.world, await this.api.putContact(userId)))
  }

  async removeContact(userId: string): Promise<void> {
    try {
      await this.api.deleteContact(userId)
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'not_found')) throw error
    }
    this.set(withoutContact(this.world, userId))
  }

  async updateContact(userId: string, change: Parameters<Api['updateContact']>[1]): Promise<void> {
    this.set(withContact(this.world, await this.api.updateContact(userId, change)))
  }

  // ---- calls

  async decline(call: Call): Promise<void> {
    // Stop ringing at once, whatever the network does.
    this.foresee(call, 'declined')
    try {
      this.learn(await this.api.declineCall(call.id))
    } catch (error) {
      if (error instanceof ApiError && error.call) this.learn(error.call)
      else void this.refetch(call.id)
    }
  }

  /** Leaves a call that this page shows but does not take part in. */
  async leave(call: Call): Promise<void> {
    try {
      this.learn(await this.api.leaveCall(call.id))
    } catch (error) {
      if (error instanceof ApiError && error.call) this.learn(error.call)
      else this.notices.say(t`Leaving did not work. Try again in a moment.`, 'error')
    }
  }

  /** What those in a call ask for it: who is in it, whether it is open, its end. */
  async change(ask: () => Promise<Call>): Promise<void> {
    try {
      this.learn(await ask())
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.call) this.learn(error.call)
      this.notices.toast(
        error.code === 'wrong_state' ? t`The call has changed meanwhile. Try again.` : problemSentence(error),
      )
    }
  }
}
