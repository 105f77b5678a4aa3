/* Names for what docs/openapi.yaml describes; schema.gen.ts is made from it by `npm run gen`. */
import type { components } from './schema.gen'

type Schemas = components['schemas']

export type User = Schemas['User']
export type Contact = Schemas['Contact']
export type Presence = Schemas['Presence']
export type Call = Schemas['Call']
/** A call, and on how many devices of whom it rings. */
export type CallRings = Schemas['CallRings']
export type Member = Schemas['Member']
export type Message = Schemas['Message']
export type Muted = Schemas['Muted']
export type Seat = Schemas['Seat']
export type TrackKind = Schemas['TrackKind']
export type IceServer = Schemas['IceServer']
export type Problem = Schemas['Problem']
export type ProblemCode = Schemas['ProblemCode']
export type ServerEvent = Schemas['ServerEvent']
export type ClientMessage = Schemas['ClientMessage']
export type Quality = Schemas['QualityEvent']['quality']
export type EndReason = NonNullable<Call['end_reason']>
