/* The one WebSocket of a page, kept open.
 *
 *   idle ──start──▶ connecting ──hello──▶ open
 *                       ▲                  │ closed, silent, or told to move
 *                       └──── lost ◀───────┘ (first retry after 0.3–0.8 s, then slower)
 *
 * Callers get whole events, and one state; they never see a socket. */
import type { ClientMessage, ServerEvent } from '../api/types'

export type LinkState = 'connecting' | 'open' | 'lost'

export interface LinkHandlers {
  onEvent(event: ServerEvent): void
  onState(state: LinkState): void
  /** An attempt failed; perhaps the sign-in is gone. */
  onRefused(): void
}

export interface LinkOptions {
  url: string
  make?: (url: string, protocol: string) => WebSocket
  random?: () => number
}

export const PROTOCOL = 'parley.v1'
const HELLO_WITHIN_MS = 2_500
const LONGEST_HELLO_MS = 15_000
const PING_EVERY_MS = 15_000
const PONG_WITHIN_MS = 5_000
const LONGEST_WAIT_MS = 15_000

export function retryDelay(attempt: number, random: () => number = Math.random): number {
  if (attempt === 0) return 300 + random() * 500
  return Math.min(LONGEST_WAIT_MS, 600 * 1.7 ** (attempt - 1)) * (0.6 + 0.8 * random())
}

/** How long the attempt after so many failed ones may take. When everybody comes back at once, who gives up early only
 * takes a new place at the end of the queue. */
export function helloWithin(attempt: number): number {
  return Math.min(LONGEST_HELLO_MS, HELLO_WITHIN_MS * 2 ** Math.max(0, attempt - 1))
}

export function parseEvent(data: unknown): ServerEvent | null {
  if (typeof data !== 'string') return null
  try {
    const event: unknown = JSON.parse(data)
    if (typeof event === 'object' && event !== null && 'type' in event && typeof event.type === 'string')
      return event as ServerEvent
  } catch {
    /* not ours */
  }
  return null
}

export class EventLink {
  private socket: WebSocket | null = null
  private running = false
  private attempt = 0
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private watchTimer: ReturnType<typeof setTimeout> | undefined
  private readonly handlers: LinkHandlers
  private readonly make: (url: string, protocol: string) => WebSocket
  private readonly random: () => number
  private readonly url: string

  constructor(handlers: LinkHandlers, options: LinkOptions) {
    this.handlers = handlers
    this.url = options.url
    this.make = options.make ?? ((url, protocol) => new WebSocket(url, protocol))
    this.random = options.random ?? Math.random
  }

  start(): void {
    if (this.running) return
    this.running = true
    this.attempt = 0
    this.handlers.onState('connecting')
    this.connect()
  }

  stop(): void {
    this.running = false
    this.drop()
  }

  /** The network is back, or somebody looks at the page again: do not wait for the timer. */
  nudge(): void {
    if (!this.running) return
    if (this.socket === null) {
      clearTimeout(this.retryTimer)
      this.connect()
    } else if (this.socket.readyState === 1) this.ping()
  }

  /** False when there is no connection now: then it is lost. */
  send(message: ClientMessage): boolean {
    if (this.socket?.readyState !== 1) return false
    this.socket.send(JSON.stringify(message))
    return true
  }

  private drop(): void {
    clearTimeout(this.retryTimer)
    clearTimeout(this.watchTimer)
    const socket = this.socket
    this.socket = null
    socket?.close()
  }

  private connect(): void {
    this.drop()
    const socket = this.make(this.url, PROTOCOL)
    this.socket = socket
    let greeted = false
    this.watchTimer = setTimeout(() => this.lose(greeted), helloWithin(this.attempt))
    socket.addEventListener('close', () => this.socket === socket && this.lose(greeted))
    socket.addEventListener('message', (message: MessageEvent) => {
      if (this.socket !== socket) return
      const event = parseEvent(message.data)
      if (event === null) return
      this.watch()
      if (event.type === 'pong') return
      if (event.type === 'server.moving') {
        this.lose(true)
        return
      }
      if (event.type === 'hello') {
        greeted = true
        this.attempt = 0
        this.handlers.onState('open')
      }
      this.handlers.onEvent(event)
    })
  }

  /** Something was heard: ask again in a while; not all pages at once that have just heard the same. */
  private watch(): void {
    clearTimeout(this.watchTimer)
    this.watchTimer = setTimeout(() => this.ping(), PING_EVERY_MS * (0.8 + 0.4 * this.random()))
  }

  private ping(): void {
    clearTimeout(this.watchTimer)
    this.send({ type: 'ping' })
    this.watchTimer = setTimeout(() => this.lose(true), PONG_WITHIN_MS)
  }

  private lose(greeted: boolean): void {
    this.drop()
    if (!this.running) return
    this.handlers.onState('lost')
    if (!greeted) this.handlers.onRefused()
    this.retryTimer = setTimeout(() => this.connect(), retryDelay(this.attempt++, this.random))
  }
}
