/* The messages of one call: each once, in the server's order, whatever the network does.
 *
 *   said here:  sending ──▶ sent (has the server's number)
 *                  │  ▲
 *                  ▼  └─ network is back, or "Try again"
 *               failed
 *
 * A message has an id of this page's making, so that saying it again changes nothing. They are said one after the
 * other, or their order could change on the way. What comes by event and what was missed (`sync`) is sorted in by
 * number; a gap is asked for. Unsaid messages survive a reload in the tab's own storage. */
import type { Api } from '../api/client'
import { ApiError } from '../api/client'
import type { Message } from '../api/types'

export interface ChatItem {
  id: string
  userId: string
  text: string
  at: string
  state: 'sent' | 'sending' | 'failed'
}

export interface ChatView {
  callId: string
  items: ChatItem[]
  /** Who writes at this moment. */
  typing: string[]
  unread: number
  /** What was there before has been fetched. */
  ready: boolean
}

export interface Keep {
  read(): string | null
  write(text: string | null): void
}

export interface ChatDeps {
  api: Pick<Api, 'listMessages' | 'sendMessage'>
  newId(): string
  /** Says "somebody writes here" to the others. */
  sayTyping(): void
  onView(view: ChatView): void
  keep?: Keep
}

export const TEXT_MAX = 4000
const TYPING_EVERY_MS = 3_000
const TYPING_FOR_MS = 5_000
const RETRY_MS = [400, 800, 1_600, 3_000, 5_000]

interface Unsaid {
  id: string
  text: string
  at: string
  failed?: boolean
}

export class Chat {
  readonly callId: string
  private readonly meId: string
  private readonly deps: ChatDeps
  private readonly said = new Map<number, Message>()
  private readonly early: Message[] = []
  private unsaid: Unsaid[]
  /** All up to this number are here. */
  private upTo = 0
  private ready = false
  private readUpTo = 0
  private open = false
  private over = false
  private saying = false
  private fetching: Promise<void> | null = null
  private fetchAgain = false
  private retries = 0
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private toldTyping = 0
  private readonly typing = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(callId: string, meId: string, deps: ChatDeps) {
    this.callId = callId
    this.meId = meId
    this.deps = deps
    this.unsaid = unsaidFrom(deps.keep?.read() ?? null)
    void this.sync()
    void this.sayNext()
  }

  /** Fetches what was missed; after every hello. */
  sync(): Promise<void> {
    if (this.fetching) {
      this.fetchAgain = true
      return this.fetching
    }
    this.fetching = this.fetchAll().finally(() => {
      this.fetching = null
      if (this.fetchAgain && !this.over) {
        this.fetchAgain = false
        void this.sync()
      }
    })
    return this.fetching
  }

  onMessage(message: Message): void {
    if (message.call_id !== this.callId) return
    this.hush(message.user_id)
    if (message.seq > this.upTo + 1 && !this.said.has(message.seq)) {
      this.early.push(message)
      void this.sync()
      return
    }
    this.take([message])
    this.publish()
  }

  onTyping(userId: string): void {
    if (userId === this.meId) return
    clearTimeout(this.typing.get(userId))
    const timer = setTimeout(() => {
      this.typing.delete(userId)
      this.publish()
    }, TYPING_FOR_MS)
    this.typing.set(userId, timer)
    this.publish()
  }

  /** A key was pressed in the text box. */
  writes(): void {
    const now = Date.now()
    if (now - this.toldTyping < TYPING_EVERY_MS) return
    this.toldTyping = now
    this.deps.sayTyping()
  }

  send(text: string): void {
    const trimmed = text.trim().slice(0, TEXT_MAX)
    if (trimmed === '' || this.over) return
    this.toldTyping = 0
    this.unsaid.push({ id: this.deps.newId(), text: trimmed, at: new Date().toISOString() })
    this.keep()
    this.publish()
    void this.sayNext()
  }

  tryAgain(id: string): void {
    for (const message of this.unsaid) if (message.id === id) message.failed = false
    this.publish()
    this.nudge()
  }

  discard(id: string): void {
    this.unsaid = this.unsaid.filter((message) => message.id !== id)
    this.keep()
    this.publish()
  }

  /** The connection is back: do not wait for the timer. */
  nudge(): void {
    this.retries = 0
    clearTimeout(this.retryTimer)
    void this.sayNext()
  }

  get isOpen(): boolean {
    return this.open
  }

  setOpen(open: boolean): void {
    this.open = open
    if (open) this.readUpTo = this.upTo
    this.publish()
  }

  close(): void {
    this.over = true
    clearTimeout(this.retryTimer)
    for (const timer of this.typing.values()) clearTimeout(timer)
  }

  // ---- inside

  private async fetchAll(): Promise<void> {
    for (let tries = 0; !this.over;) {
      try {
        const { items, next } = await this.deps.api.listMessages(this.callId, this.upTo)
        if (this.over) return
        // The server leaves nothing out that is to be read here: what is missing in between is not for this person.
        const last = items.at(-1)
        if (last && last.seq > this.upTo) {
          for (const message of items) this.said.set(message.seq, message)
          this.upTo = last.seq
        }
        this.take([...items, ...this.early.splice(0)])
        if (next !== null && items.length > 0) continue
        if (!this.ready) {
          // What was said before one came is not news.
          this.readUpTo = this.upTo
          this.ready = true
        }
        break
      } catch (error) {
        if (!(error instanceof ApiError && error.passing) || ++tries > 4) break
        await new Promise((done) => setTimeout(done, RETRY_MS[tries] ?? 5_000))
      }
    }
    this.publish()
  }

  private take(messages: readonly Message[]): void {
    for (const message of messages) {
      this.said.set(message.seq, message)
      this.unsaid = this.unsaid.filter(({ id }) => id !== message.id)
    }
    while (this.said.has(this.upTo + 1)) this.upTo++
    if (this.open) this.readUpTo = this.upTo
    this.keep()
  }

  private async sayNext(): Promise<void> {
    if (this.saying || this.over) return
    const message = this.unsaid.find(({ failed }) => !failed)
    if (!message) return
    this.saying = true
    let wait: number | null = 0
    try {
      const said = await this.deps.api.sendMessage(this.callId, message.id, message.text)
      this.retries = 0
      if (said.seq > this.upTo + 1) {
        this.early.push(said)
        void this.sync()
      } else this.take([said])
    } catch (error) {
      const passing = error instanceof ApiError && (error.passing || error.code === 'too_many_requests')
      if (passing) {
        wait = error.retryAfterMs ?? RETRY_MS[Math.min(this.retries++, RETRY_MS.length - 1)] ?? 5_000
      } else {
        message.failed = true
        this.keep()
      }
    }
    this.saying = false
    if (this.over) return
    this.publish()
    clearTimeout(this.retryTimer)
    if (wait === 0) void this.sayNext()
    else this.retryTimer = setTimeout(() => void this.sayNext(), wait)
  }

  private hush(userId: string): void {
    clearTimeout(this.typing.get(userId))
    this.typing.delete(userId)
  }

  private keep(): void {
    this.deps.keep?.write(this.unsaid.length > 0 ? JSON.stringify(this.unsaid) : null)
  }

  private publish(): void {
    if (this.over) return
    const said: ChatItem[] = []
    let unread = 0
    for (let seq = 1; seq <= this.upTo; seq++) {
      const message = this.said.get(seq)
      if (!message) continue
      const { id, user_id: userId, text, created_at: at } = message
      said.push({ id, userId, text, at, state: 'sent' })
      if (seq > this.readUpTo && userId !== this.meId) unread++
    }
    const saying = this.unsaid.map(({ id, text, at, failed }): ChatItem => ({
      id,
      userId: this.meId,
      text,
      at,
      state: failed ? 'failed' : 'sending',
    }))
    this.deps.onView({
      callId: this.callId,
      items: [...said, ...saying],
      typing: [...this.typing.keys()],
      unread,
      ready: this.ready,
    })
  }
}

function unsaidFrom(text: string | null): Unsaid[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]')
    if (!Array.isArray(list)) return []
    return list.filter(
      (one: unknown): one is Unsaid =>
        typeof one === 'object' &&
        one !== null &&
        ['id', 'text', 'at'].every((field) => typeof (one as Record<string, unknown>)[field] === 'string'),
    )
  } catch {
    return []
  }
}

export type Piece = { text: string; href?: string }

const LINK = /\bhttps?:\/\/[^\s<>"]+/gi

/** Text with its links made out; a full stop or bracket behind one does not belong to it. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = []
  let from = 0
  for (const match of text.matchAll(LINK)) {
    let link = match[0].replace(/[.,;:!?'»”]+$/, '')
    while (link.endsWith(')') && link.split('(').length < link.split(')').length) link = link.slice(0, -1)
    if (!URL.canParse(link)) continue
    if (match.index > from) found.push({ text: text.slice(from, match.index) })
    found.push({ text: link, href: link })
    from = match.index + link.length
  }
  if (from < text.length) found.push({ text: text.slice(from) })
  return found
}

const ONLY_EMOJI =
  /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\u200d|\ufe0f|\s){1,12}$/u

export const onlyEmoji = (text: string): boolean => ONLY_EMOJI.test(text) && text.trim() !== ''
