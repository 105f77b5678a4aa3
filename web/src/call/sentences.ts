/* Every sentence about how a call went, in one place. */
import type { Call, Contact, User } from '../api/types'
import { memberOf, othersIn } from './model'

export const nameOf = (user: User, contact?: Contact): string => contact?.nickname || user.display_name

export function listNames(names: readonly string[]): string {
  if (names.length === 0) return 'Nobody'
  if (names.length <= 2) return names.join(' and ')
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

export type Ending =
  /** Own doing. */
  | 'left'
  | 'declined_here'
  /** Somebody else's. */
  | 'over'
  | 'moved'
  | 'answered_elsewhere'
  | 'lost'

/** What to say when a call is over for this page. */
export function endSentence(ending: Ending, call: Call | null, meId: string, name: string): string {
  const mine = call?.started_by === meId
  switch (ending) {
    case 'left':
      return mine && (call === null || call.state === 'ringing' || call.end_reason === 'cancelled')
        ? 'You cancelled the call'
        : 'You left the call'
    case 'declined_here':
      return `You declined ${name}’s call`
    case 'moved':
      return 'The call goes on in another tab'
    case 'answered_elsewhere':
      return 'You answered on another device'
    case 'lost':
      return 'The connection was lost'
    case 'over':
      break
  }
  switch (call?.end_reason) {
    case 'declined':
      return mine ? `${name} declined` : 'You declined the call'
    case 'timeout':
      return mine ? 'No answer' : `You missed a call from ${name}`
    case 'busy':
      return mine ? `${name} is in another call` : `${name} called while you were in a call`
    case 'cancelled':
      return mine ? 'You cancelled the call' : `You missed a call from ${name}`
    case 'failed':
      return 'The connection was lost'
    default:
      return `${name} left the call`
  }
}

export interface HistoryLine {
  text: string
  /** A call that one would have wanted to take. */
  missed: boolean
  outgoing: boolean
}

export function historyLine(call: Call, meId: string): HistoryLine {
  const outgoing = call.started_by === meId
  const mine = memberOf(call, meId)
  const line = (text: string, missed = false): HistoryLine => ({ text, missed, outgoing })
  if (call.state !== 'ended') return line(call.state === 'ringing' ? 'Ringing now' : 'In a call now')
  switch (call.end_reason) {
    case 'declined':
      return line(outgoing ? 'Declined' : 'You declined')
    case 'timeout':
      return outgoing ? line('No answer') : line('Missed', true)
    case 'busy':
      return outgoing ? line('Was in another call') : line('Missed, you were in a call', true)
    case 'cancelled':
      return outgoing ? line('Cancelled') : line('Missed', true)
    case 'failed':
      return line('Connection lost')
    default:
      if (!outgoing && (mine?.state === 'missed' || mine?.state === 'busy')) return line('Missed', true)
      if (!outgoing && mine?.state === 'declined') return line('You declined')
      return line(`${outgoing ? 'You called' : 'Called you'}${lasted(call)}`)
  }
}

function lasted(call: Call): string {
  if (!call.ended_at) return ''
  const minutes = Math.round((Date.parse(call.ended_at) - Date.parse(call.created_at)) / 60_000)
  if (!(minutes >= 1)) return ''
  return minutes < 60 ? `, ${minutes} min` : `, ${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' })
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })

/** "14:02", "Yesterday 14:02", "Tue 14:02", "3 Nov". */
export function whenWords(iso: string, now: Date = new Date()): string {
  const then = new Date(iso)
  if (Number.isNaN(then.getTime())) return ''
  const midnight = (day: Date) => new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime()
  const days = Math.round((midnight(now) - midnight(then)) / 86_400_000)
  if (days <= 0) return clock.format(then)
  if (days === 1) return `Yesterday ${clock.format(then)}`
  if (days < 7) return `${weekday.format(then)} ${clock.format(then)}`
  return date.format(then)
}

export function elapsedWords(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const two = (n: number) => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

export function otherName(call: Call, meId: string, contacts: Readonly<Record<string, Contact>>): string {
  return listNames(othersIn(call, meId).map(({ user }) => nameOf(user, contacts[user.id])))
}
