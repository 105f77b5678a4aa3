/* What changed in a call, in a person's words: for a line on the screen and for those who listen to it. */
import { t } from '@lingui/core/macro'
import type { Call, Member } from '../api/types'
import { isHere, isWatcher, memberOf } from './model'

export interface Happening {
  text: string
  tone: 'plain' | 'hand'
}

export function happenings(
  before: Call | null,
  now: Call,
  meId: string,
  nameOf: (member: Member) => string,
): Happening[] {
  if (!before || before.id !== now.id || before.version >= now.version) return []
  const list: Happening[] = []
  const say = (text: string, tone: Happening['tone'] = 'plain') => list.push({ text, tone })
  for (const member of now.members) {
    const old = memberOf(before, member.user.id)
    if (member.user.id === meId) continue
    const name = nameOf(member)
    const was = old ? isHere(old) : false
    if (isWatcher(member)) {
      if (!was && isHere(member)) say(t`${name} watches by link`)
      else if (was && !isHere(member) && now.state === 'active') say(t`${name} does not watch any more`)
      continue
    }
    if (!was && isHere(member) && now.members.length > 2) say(t`${name} joined`)
    else if (was && member.state === 'left' && now.state === 'active') say(t`${name} left`)
    else if (old?.state !== member.state) {
      if (member.state === 'paused') say(t`${name} paused`)
      else if (old?.state === 'paused' && member.state === 'joined') say(t`${name} is back`)
      else if (member.state === 'declined' && now.state === 'active') say(t`${name} declined`)
      else if (member.state === 'missed' && now.state === 'active') say(t`${name} did not answer`)
      else if (member.state === 'busy' && now.state === 'active') say(t`${name} is in another call`)
    }
    if (member.hand && !old?.hand) say(t`${name} raised a hand`, 'hand')
    if (member.sharing && !old?.sharing) say(t`${name} shares a screen`)
  }
  if (before.locked !== now.locked)
    say(now.locked ? t`The call is locked: nobody can be added` : t`The call is open again`)
  return list
}
