/* Everything that the page shows, in one store. The controller's parts write it, each its own fields; React reads it. */
import type { StoreApi } from 'zustand/vanilla'
import { createStore } from 'zustand/vanilla'
import type { Call, Quality, User } from '../api/types'
import type { ChatView } from './chat'
import type { Chosen, Devices } from './devices'
import { noDevices } from './devices'
import type { CallFlow } from './flow'
import type { World } from './model'
import { emptyWorld } from './model'
import type { LinkState } from './socket'
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

export type Store = StoreApi<AppState>

/** What of the call on the screen is there without one. */
export const emptyScreen = {
  session: null,
  chat: null,
  speaking: { ids: [], main: null },
  flow: null,
  quality: null,
  reactions: [],
  toasts: [],
} satisfies Partial<AppState>

export const newStore = (): Store =>
  createStore<AppState>(() => ({
    auth: 'unknown',
    link: 'connecting',
    world: emptyWorld,
    held: null,
    ...emptyScreen,
    devices: noDevices,
    chosen: { microphone: '', camera: '', speaker: '' },
    elsewhere: null,
    onOther: null,
    notice: null,
    words: null,
  }))
