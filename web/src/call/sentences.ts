/* Sentences that several places say: how a call went, who that is, why something did not work. */
import { i18n } from '@lingui/core'
import { t } from '@lingui/core/macro'
import type { ApiError } from '../api/client'
import type { Call, Contact, User } from '../api/types'
import { isHere, isOpenTo, memberOf, othersIn } from './model'

export const nameOf = (user: User, contact?: Contact): string => contact?.nickname || user.display_name

export function listNames(names: readonly string[]): string {
  if (names.length === 0) return t`Nobody`
  // Without a comma before the last one, as elsewhere here.
  const locale = i18n.locale === 'en' ? 'en-GB' : i18n.locale
  return new Intl.ListFormat(locale, { type: 'conjunction' }).format(names)
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
  | 'removed'
  /** The call goes on, and its door is closed to who wanted in again. */
  | 'kept_out'

/** What to say when a call is over for this page. */
export function endSentence(ending: Ending, call: Call | null, meId: string, name: string): string {
  const mine = call?.started_by === meId
  switch (ending) {
    case 'left':
      return mine && (call === null || call.state === 'ringing' || call.end_reason === 'cancelled')
        ? t`You cancelled the call`
        : t`You left the call`
    case 'declined_here':
      return t`You declined ${name}’s call`
    case 'moved':
      return t`The call goes on in another tab`
    case 'answered_elsewhere':
      return t`You answered on another device`
    case 'removed':
      return t`You were removed from the call`
    case 'kept_out':
      return keptOut(call)
    case 'lost':
      return t`The connection was lost`
    case 'over':
      break
  }
  switch (call?.end_reason) {
    case 'declined':
      return mine ? t`${name} declined` : t`You declined the call`
    case 'timeout':
      return mine ? t`No answer — leave a message?` : t`You missed a call from ${name}`
    case 'busy':
      return mine ? t`${name} is in another call` : t`${name} called while you were in a call`
    case 'cancelled':
      return mine ? t`You cancelled the call` : t`You missed a call from ${name}`
    case 'failed':
      return t`The connection was lost`
    default:
      return call && call.members.length > 2 ? t`The call is over` : t`${name} left the call`
  }
}

function keptOut(call: Call | null): string {
  const host = call && memberOf(call, call.started_by)?.user
  const name = host ? nameOf(host) : t`Somebody`
  return call?.locked
    ? t`The call is locked. Ask ${name} to open it, or to add you.`
    : t`You can come back when ${name} adds you to the call.`
}

/** Somebody declined with a word. */
export const replySentence = (name: string, words: string): string => t`${name} declined: “${words}”`

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
  if (isOpenTo(call, meId)) return line(t`Still going on`)
  if (call.state === 'active' && call.locked && !(mine && isHere(mine)))
    return line(t`Still going on, locked`)
  if (call.state !== 'ended') return line(call.state === 'ringing' ? t`Ringing now` : t`In a call now`)
  switch (call.end_reason) {
    case 'declined':
      return line(outgoing ? t`Declined` : t`You declined`)
    case 'timeout':
      return outgoing ? line(t`No answer`) : line(t`Missed`, true)
    case 'busy':
      return outgoing ? line(t`Was in another call`) : line(t`Missed, you were in a call`, true)
    case 'cancelled':
      return outgoing ? line(t`Cancelled`) : line(t`Missed`, true)
    case 'failed':
      return line(t`Connection lost`)
    default:
      if (!outgoing && (mine?.state === 'missed' || mine?.state === 'busy')) return line(t`Missed`, true)
      if (!outgoing && mine?.state === 'declined') return line(t`You declined`)
      return line(conversation(call, outgoing))
  }
}

function conversation(call: Call, outgoing: boolean): string {
  const from = Date.parse(call.answered_at ?? call.created_at)
  const minutes = call.ended_at ? Math.round((Date.parse(call.ended_at) - from) / 60_000) : 0
  if (!(minutes >= 1)) return outgoing ? t`You called` : t`Called you`
  const hours = Math.floor(minutes / 60)
  const rest = minutes % 60
  if (hours === 0) return outgoing ? t`You called, ${minutes} min` : t`Called you, ${minutes} min`
  return outgoing ? t`You called, ${hours} h ${rest} min` : t`Called you, ${hours} h ${rest} min`
}

/** "14:02", "Yesterday 14:02", "Tue 14:02", "3 Nov". */
export function whenWords(iso: string, now: Date = new Date()): string {
  const then = new Date(iso)
  if (Number.isNaN(then.getTime())) return ''
  const midnight = (day: Date) => new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime()
  const days = Math.round((midnight(now) - midnight(then)) / 86_400_000)
  const clock = i18n.date(then, { hour: '2-digit', minute: '2-digit' })
  if (days <= 0) return clock
  if (days === 1) return t`Yesterday ${clock}`
  if (days < 7) return `${i18n.date(then, { weekday: 'short' })} ${clock}`
  return i18n.date(then, { day: 'numeric', month: 'short' })
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

export const short = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most).trimEnd()}…` : text

export function problemSentence(problem: ApiError): string {
  switch (problem.code) {
    case 'network':
      return t`The server cannot be reached. Check your connection and try again.`
    case 'database_unavailable':
    case 'overloaded':
      return t`The server cannot do this right now. Try again in a moment.`
    case 'at_capacity':
      return t`The server is full at the moment. Try again in a few minutes.`
    case 'too_many_requests':
      return t`That was too often. Wait a moment and try again.`
    case 'not_a_contact':
      return t`You can call people once they have accepted your request.`
    case 'wrong_state':
      return problem.call ? t`You are already in a call.` : problem.message
    default:
      return problem.message
  }
}
