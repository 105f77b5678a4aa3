/* Whether somebody is signed in here.
 *
 *   unknown ──▶ signed_in ◀──▶ signed_out
 *      └──▶ unreachable, asked again every two seconds */
import { t } from '@lingui/core/macro'
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import type { User } from '../api/types'
import { emptyWorld } from './model'
import type { Notices } from './notices'
import type { Store } from './state'

export interface SignInHandlers {
  onEntered(): void
  /** Before the server is asked to sign out. */
  onLeaving(): void
  onExited(): void
}

const AGAIN_AFTER_MS = 2_000

export class SignIn {
  private readonly store: Store
  private readonly api: Api
  private readonly notices: Notices
  private readonly handlers: SignInHandlers
  private bootTimer: ReturnType<typeof setTimeout> | undefined

  constructor(store: Store, api: Api, notices: Notices, handlers: SignInHandlers) {
    this.store = store
    this.api = api
    this.notices = notices
    this.handlers = handlers
  }

  /** By the cookie, if there is one. */
  async boot(): Promise<void> {
    clearTimeout(this.bootTimer)
    try {
      const me = await this.api.current()
      if (me) this.entered(me)
      else this.store.setState({ auth: 'signed_out' })
    } catch {
      this.store.setState({ auth: 'unreachable' })
      this.bootTimer = setTimeout(() => void this.boot(), AGAIN_AFTER_MS)
    }
  }

  async signIn(username: string, password: string): Promise<void> {
    this.entered(await this.api.signIn({ username, password }))
  }

  async signUp(displayName: string, username: string, password: string, invite?: string): Promise<void> {
    await this.api.signUp({
      username,
      display_name: displayName,
      password,
      ...(invite ? { invite } : {}),
    })
    await this.signIn(username, password)
  }

  async signOut(): Promise<void> {
    this.handlers.onLeaving()
    try {
      await this.api.signOut()
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) {
        this.notices.say(t`Signing out did not work. Try again in a moment.`, 'error')
        return
      }
    }
    this.exited()
  }

  /** The account is gone, or the sign-in was ended. */
  exited(): void {
    this.handlers.onExited()
    this.store.setState({ auth: 'signed_out', world: emptyWorld, notice: null, words: null, elsewhere: null })
  }

  /** The server has refused us: perhaps the sign-in was ended. */
  async check(): Promise<void> {
    try {
      if (!(await this.api.current())) this.exited()
    } catch {
      // The link tries again by itself.
    }
  }

  private entered(me: User): void {
    this.store.setState((state) => ({
      auth: 'signed_in',
      notice: null,
      words: null,
      world: state.world.me?.id === me.id ? state.world : { ...emptyWorld, me },
    }))
    this.handlers.onEntered()
  }
}
