/* What the page knows about people and calls, and how an event changes it. Pure functions.
 *
 * Calls carry versions: whatever is older than what is known is dropped, wherever it came from (an event, or
 * the answer to a request). A gap between versions means that something was missed: `stale` names the call. */
import type { Call, Contact, Member, ServerEvent, User } from '../api/types'

export interface World {
  me: User | null
  contacts: Readonly<Record<string, Contact>>
  /** Ended ones stay until the next hello, so that late news cannot bring them back. */
  calls: Readonly<Record<string, Call>>
  serverVersion: string | null
  /** Since sign-in there was a hello. */
  ready: boolean
}

export const emptyWorld: World = { me: null, contacts: {}, calls: {}, serverVersion: null, ready: false }

export interface Step {
  world: World
  /** A call of which something was missed; ask the server for it. */
  stale?: string
}

const byId = <T>(items: readonly T[], id: (item: T) => string): Record<string, T> =>
  Object.fromEntries(items.map((item) => [id(item), item]))

export function withCall(world: World, call: Call): World {
  const known = world.calls[call.id]
  if (known && known.version > call.version) return world
  return { ...world, calls: { ...world.calls, [call.id]: call } }
}

export function withContact(world: World, contact: Contact): World {
  return { ...world, contacts: { ...world.contacts, [contact.user.id]: contact } }
}

export function withoutContact(world: World, userId: string): World {
  const { [userId]: gone, ...contacts } = world.contacts
  return gone ? { ...world, contacts } : world
}

function withMember(world: World, callId: string, version: number, member: Member): Step {
  const call = world.calls[callId]
  if (!call) return { world, stale: callId }
  if (version < call.version) return { world }
  const present = call.members.some((other) => other.user.id === member.user.id)
  const members = present
    ? call.members.map((other) => (other.user.id === member.user.id ? member : other))
    : [...call.members, member]
  const next = { ...world, calls: { ...world.calls, [callId]: { ...call, version, members } } }
  return version > call.version + 1 ? { world: next, stale: callId } : { world: next }
}

export function step(world: World, event: ServerEvent): Step {
  switch (event.type) {
    case 'hello': {
      const calls = byId(event.calls, (call) => call.id)
      for (const call of Object.values(calls)) {
        const known = world.calls[call.id]
        if (known && known.version > call.version) calls[call.id] = known
      }
      return {
        world: {
          me: event.me,
          contacts: byId(event.contacts, (contact) => contact.user.id),
          calls,
          serverVersion: event.server.version,
          ready: true,
        },
      }
    }
    case 'me':
      return { world: { ...world, me: event.me } }
    case 'presence': {
      const contact = world.contacts[event.user_id]
      return { world: contact ? withContact(world, { ...contact, presence: event.presence }) : world }
    }
    case 'contact':
      if (event.contact) return { world: withContact(world, event.contact) }
      return { world: event.user_id ? withoutContact(world, event.user_id) : world }
    case 'call.ringing':
    case 'call.updated':
    case 'call.answered_elsewhere':
    case 'call.cancelled':
    case 'call.ended':
      return { world: withCall(world, event.call) }
    case 'member.joined':
    case 'member.left':
    case 'member.updated':
      return withMember(world, event.call_id, event.version, event.member)
    default:
      return { world }
  }
}

const HERE: ReadonlySet<Member['state']> = new Set(['joined', 'paused', 'reconnecting'])

export const isHere = (member: Member): boolean => HERE.has(member.state)

/** Was asked or was in it, and is not any more. */
export const isGone = ({ state }: Member): boolean =>
  state === 'left' || state === 'declined' || state === 'missed'

export const memberOf = (call: Call, userId: string): Member | undefined =>
  call.members.find((member) => member.user.id === userId)

/** A program that only watches, by a link: nothing of it is to be seen but that it is there. */
export const isWatcher = (member: Member): boolean => member.stream?.kind === 'watch'

export const watchersOf = (call: Call): Member[] =>
  call.members.filter((member) => isWatcher(member) && isHere(member))

/** Of streams only those that send now: one that has gone is nobody who took part. */
export const othersIn = (call: Call, meId: string): Member[] =>
  call.members.filter(
    (member) => member.user.id !== meId && !isWatcher(member) && (!member.stream || isHere(member)),
  )

/** The call that rings here and waits for an answer. */
export function ringingCall(world: World): Call | null {
  const me = world.me
  if (!me) return null
  for (const call of Object.values(world.calls)) {
    const mine = memberOf(call, me.id)
    if (call.state === 'ended' || call.started_by === me.id) continue
    if (mine && (mine.state === 'ringing' || mine.state === 'invited')) return call
  }
  return null
}

/** The call that this account is in, on whichever page. */
export function ongoingCall(world: World): Call | null {
  const me = world.me
  if (!me) return null
  for (const call of Object.values(world.calls)) {
    if (call.state === 'ended') continue
    const mine = memberOf(call, me.id)
    if (mine && isHere(mine)) return call
    if (call.state === 'ringing' && call.started_by === me.id && mine?.state !== 'left') return call
  }
  return null
}

/** A call that goes on without this account, which may come (back) in. */
export function isOpenTo(call: Call, meId: string): boolean {
  const mine = memberOf(call, meId)
  return call.state === 'active' && !call.locked && mine !== undefined && isGone(mine)
}

/** Nobody ever came into it but who started it. */
export const unanswered = (call: Call): boolean => call.state === 'ended' && call.answered_at === null

const WORDS_FOR_MS = 86_400_000

/** Who called and got no answer may leave a message for a day. */
export const takesWords = (call: Call, meId: string, now = Date.now()): boolean =>
  unanswered(call) &&
  call.started_by === meId &&
  call.ended_at !== null &&
  now - Date.parse(call.ended_at) < WORDS_FOR_MS

/** How many messages were left unread, by the person who called. */
export function unreadFrom(calls: readonly Call[]): Map<string, number> {
  const unread = new Map<string, number>()
  for (const { started_by: from, unread: more = 0 } of calls)
    if (more > 0) unread.set(from, (unread.get(from) ?? 0) + more)
  return unread
}

export const callerOf = (call: Call): User | undefined => memberOf(call, call.started_by)?.user
