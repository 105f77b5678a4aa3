/* What a person is told for a while: one notice outside of calls, toasts and reactions within. */
import type { Notice, Store, Toast } from './state'

const REACTION_FOR_MS = 4_000
const TOAST_FOR_MS = 5_000

export class Notices {
  private readonly store: Store
  private key = 0

  constructor(store: Store) {
    this.store = store
  }

  /** Stays until the next one, or until it is dismissed. */
  say(
    text: string,
    tone: Notice['tone'] = 'plain',
    more: Partial<Pick<Notice, 'again' | 'unanswered' | 'from' | 'back'>> = {},
  ): void {
    const notice = {
      key: ++this.key,
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

  dismiss(): void {
    this.store.setState({ notice: null })
  }

  toast(text: string, action?: Toast['action']): void {
    const key = ++this.key
    this.store.setState(({ toasts }) => ({ toasts: [...toasts.slice(-2), { key, text, action }] }))
    setTimeout(() => this.untoast(key), action ? 2 * TOAST_FOR_MS : TOAST_FOR_MS)
  }

  untoast(key: number): void {
    this.store.setState(({ toasts }) => ({ toasts: toasts.filter((toast) => toast.key !== key) }))
  }

  reaction(userId: string, emoji: string): void {
    const key = ++this.key
    this.store.setState(({ reactions }) => ({
      reactions: [...reactions.slice(-20), { key, userId, emoji }],
    }))
    setTimeout(
      () =>
        this.store.setState(({ reactions }) => ({ reactions: reactions.filter((one) => one.key !== key) })),
      REACTION_FOR_MS,
    )
  }
}
