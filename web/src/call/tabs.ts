/* The other tabs of this browser: a call is in one of them at a time, and who opens it there takes it from here. */
import type { Store } from './state'

export type TabMessage =
  { type: 'taken'; callId: string } | { type: 'free'; callId: string } | { type: 'who' }

export interface TabLink {
  post(message: TabMessage): void
  listen(heard: (message: TabMessage) => void): void
}

export interface TabsHandlers {
  /** The call on this tab's screen. */
  callId(): string | null
  /** Another tab has taken it. */
  onTaken(): void
}

export class Tabs {
  private readonly store: Store
  private readonly link: TabLink | undefined
  private readonly handlers: TabsHandlers

  /** Without a link there are no other tabs. */
  constructor(store: Store, link: TabLink | undefined, handlers: TabsHandlers) {
    this.store = store
    this.link = link
    this.handlers = handlers
    link?.listen((message) => this.heard(message))
  }

  post(message: TabMessage): void {
    this.link?.post(message)
  }

  private heard(message: TabMessage): void {
    const mine = this.handlers.callId()
    switch (message.type) {
      case 'taken':
        if (mine === message.callId) this.handlers.onTaken()
        this.store.setState({ elsewhere: message.callId })
        break
      case 'free':
        if (this.store.getState().elsewhere === message.callId) this.store.setState({ elsewhere: null })
        break
      case 'who':
        if (mine) this.post({ type: 'taken', callId: mine })
    }
  }
}
