import { t } from '@lingui/core/macro'
import { Hand, Lock, LockOpen, MicOff, MonitorUp, UserMinus, VideoOff } from 'lucide-react'
import type { ReactNode } from 'react'
import { useState } from 'react'
import type { Call, Contact, Member, User } from '../../api/types'
import { isHere, isWatcher, memberOf } from '../../call/model'
import { nameOf } from '../../call/sentences'
import { parley, useParley } from '../../state/parley'
import { Avatar } from '../../ui/Avatar'
import { Button, IconButton } from '../../ui/Button'
import { cx } from '../../ui/cx'

const SEARCH_FROM = 8

const stateWord = (state: Member['state']): string =>
  ({
    invited: t`invited`,
    ringing: t`ringing…`,
    joined: t`in the call`,
    paused: t`paused`,
    reconnecting: t`reconnecting…`,
    left: t`left`,
    declined: t`declined`,
    busy: t`in another call`,
    missed: t`did not answer`,
  })[state]

/** Who is in the call, who could be, and what whoever started it may do. */
export function PeoplePanel() {
  const call = useParley((state) => state.session?.call ?? null)
  const me = useParley((state) => state.world.me)
  const contacts = useParley((state) => state.world.contacts)
  if (!call || !me) return null
  const host = call.started_by === me.id
  const members = [...call.members].toSorted((a, b) => Number(isHere(b)) - Number(isHere(a)))
  const here = members.filter((member) => isHere(member) && !isWatcher(member)).length
  const waits = (member: Member) => member.state === 'ringing' || member.state === 'invited'
  const more = Object.values(contacts).filter(({ state, user }) => {
    const member = memberOf(call, user.id)
    return state === 'accepted' && !(member && (isHere(member) || waits(member)))
  })
  return (
    <div
      className="min-h-0 flex-1 overflow-y-auto overscroll-contain"
      // Those who use the keyboard scroll it, too.
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      role="group"
      aria-label={t`People and contacts`}
    >
      <section className="px-2 py-3" aria-label={t`In this call`}>
        <h3 className="px-2 pb-1 text-xs font-medium text-soft">{t`In this call: ${here}`}</h3>
        <ul>
          {members.map((member) => (
            <Person
              key={member.user.id}
              call={call}
              member={member}
              me={me}
              host={host}
              contact={contacts[member.user.id]}
            />
          ))}
        </ul>
        {host && (
          <Button
            look="plain"
            wide
            className="mt-2"
            icon={
              call.locked ? (
                <LockOpen aria-hidden className="size-4" />
              ) : (
                <Lock aria-hidden className="size-4" />
              )
            }
            onClick={() => void parley.setLocked(!call.locked)}
          >
            {call.locked ? t`Open the call again` : t`Lock call`}
          </Button>
        )}
      </section>
      <Invite call={call} contacts={more} host={host} />
    </div>
  )
}

interface PersonProps {
  call: Call
  member: Member
  me: User
  host: boolean
  contact?: Contact
}

function Person({ call, member, me, host, contact }: PersonProps) {
  const { user, muted, state } = member
  const mine = user.id === me.id
  const here = isHere(member)
  const name = nameOf(user, contact)
  const can = host && !mine && state !== 'left'
  return (
    <li className="flex min-h-14 items-center gap-3 rounded-control px-2">
      <Avatar user={user} size="sm" className={cx(!here && 'grayscale')} />
      <span className="min-w-0 flex-1">
        <span className="block truncate font-medium">{mine ? t`${name} (you)` : name}</span>
        <span className="block truncate text-xs text-soft">
          {stateWord(state)}
          {user.id === call.started_by && ` · ${t`started the call`}`}
          {member.stream && ` · ${isWatcher(member) ? t`watches by link` : t`sends by link`}`}
        </span>
      </span>
      <span className="flex items-center gap-1.5 text-soft">
        {member.hand && <Hand role="img" aria-label={t`Hand is up`} className="size-4 text-away" />}
        {member.sharing && <MonitorUp role="img" aria-label={t`Shares a screen`} className="size-4" />}
        {here && muted.video && <VideoOff role="img" aria-label={t`Camera off`} className="size-4" />}
        {here && muted.audio && <MicOff role="img" aria-label={t`Microphone off`} className="size-4" />}
      </span>
      {can && here && !muted.audio && !isWatcher(member) && (
        <IconButton label={t`Mute ${name}`} onClick={() => void parley.muteMember(user.id)}>
          <MicOff aria-hidden className="size-4" />
        </IconButton>
      )}
      {can && <Remove name={name} userId={user.id} />}
    </li>
  )
}

/** Asks once more: the other would be gone at once. */
function Remove({ name, userId }: { name: string; userId: string }) {
  const [sure, setSure] = useState(false)
  if (sure)
    return (
      <Button
        look="danger"
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        className="px-3"
        onBlur={() => setSure(false)}
        onClick={() => void parley.removeMember(userId)}
      >
        {t`Really remove`}
      </Button>
    )
  return (
    <IconButton label={t`Remove ${name}`} onClick={() => setSure(true)}>
      <UserMinus aria-hidden className="size-4" />
    </IconButton>
  )
}

function Invite({ call, contacts, host }: { call: Call; contacts: Contact[]; host: boolean }) {
  const [asked, setAsked] = useState<ReadonlySet<string>>(new Set())
  const [wanted, setWanted] = useState('')
  if (call.locked && !host) return <Hint>{t`This call is locked: only who started it can add people.`}</Hint>
  if (contacts.length === 0) return <Hint>{t`All your contacts are in this call already.`}</Hint>
  const order = { online: 0, away: 1, busy: 2, offline: 3 }
  const found = contacts
    .filter(({ user, nickname }) =>
      `${user.display_name} ${user.username} ${nickname ?? ''}`.toLowerCase().includes(wanted.toLowerCase()),
    )
    .toSorted(
      (a, b) =>
        order[a.presence] - order[b.presence] || a.user.display_name.localeCompare(b.user.display_name),
    )
  const ring = async (id: string) => {
    setAsked((ids) => new Set(ids).add(id))
    await parley.invite([id]).catch(() => undefined)
    setAsked((ids) => new Set([...ids].filter((one) => one !== id)))
  }
  return (
    <section className="border-t border-line px-2 py-3" aria-label={t`Your contacts`}>
      <h3 className="px-2 pb-1 text-xs font-medium text-soft">{t`Add from your contacts`}</h3>
      {contacts.length >= SEARCH_FROM && (
        <input
          type="search"
          aria-label={t`Find a contact`}
          placeholder={t`Find a contact`}
          value={wanted}
          onChange={({ target }) => setWanted(target.value)}
          className="mx-2 my-1 block h-11 w-[calc(100%-1rem)] rounded-control border border-strong bg-raised px-3 text-base placeholder:text-soft"
        />
      )}
      <ul>
        {found.map((contact) => {
          const { user, presence } = contact
          const name = nameOf(user, contact)
          return (
            <li key={user.id} className="flex min-h-14 items-center gap-3 rounded-control px-2">
              <Avatar user={user} size="sm" presence={presence} />
              <span className="min-w-0 flex-1 truncate font-medium">{name}</span>
              <Button
                aria-label={t`Add ${name}`}
                busy={asked.has(user.id)}
                className="px-3"
                onClick={() => void ring(user.id)}
              >
                {t`Add`}
              </Button>
            </li>
          )
        })}
      </ul>
    </section>
  )
}

const Hint = ({ children }: { children: ReactNode }) => (
  <p className="border-t border-line p-4 text-soft">{children}</p>
)
