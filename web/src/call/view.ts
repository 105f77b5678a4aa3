/* What a page shows of one call; made by session.ts, drawn by features/stage. Plain data, new with every change. */
import type { Call, Member, User } from '../api/types'
import type { DeviceState } from './devices'

export type MediaState = 'opening' | 'connected' | 'reconnecting'

export interface RemoteTile {
  member: Member
  /** Camera and microphone of this person; the same object as long as the person is here. */
  stream: MediaStream
  /** What the camera's seat says; `none` when there is none. */
  picture: 'none' | 'waiting' | 'live' | 'weak' | 'paused'
}

export interface ScreenTile {
  member: Member
  stream: MediaStream
  picture: RemoteTile['picture']
}

export type SharingState = 'off' | 'asking' | 'on'

export interface SessionView {
  origin: 'outgoing' | 'incoming' | 'return'
  call: Call | null
  /** Who is, or will be, at the other end. */
  people: User[]
  video: boolean
  /** On how many devices it rings at the other end; 0 when nobody has a page open. */
  ringsOn: number
  media: MediaState
  /** The server carries as much as it can: it lets this page in as soon as somebody has left. */
  noRoom: boolean
  /** When the conversation began, by this machine's clock. */
  since: number | null
  microphone: DeviceState
  camera: DeviceState
  microphoneOn: boolean
  cameraOn: boolean
  self: MediaStream | null
  /** For a level meter. */
  voice: MediaStreamTrack | null
  tiles: RemoteTile[]
  /** Screens of others, in the order in which they came. */
  screens: ScreenTile[]
  sharing: SharingState
  /** What is shared from here. */
  shared: MediaStream | null
  /** This page neither sends nor receives for now. */
  paused: boolean
  hand: boolean
  /** The browser wants a click before anything may be heard. */
  soundBlocked: boolean
}
