import { Phone, Search, Star, UserPlus, Video, X } from 'lucide-react'
import { useState } from 'react'
import { NavLink } from 'react-router'
import { ApiError } from '../../api/client'
import type { Call, Contact } from '../../api/types'
import { problemSentence } from '../../call/controller'
import { historyLine, nameOf, whenWords } from '../../call/sentences'
import { parley } from '../../state/parley'
import { Avatar, presenceWord } from '../../ui/Avatar'
import { Button, IconButton } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Skeleton } from '../../ui/Skeleton'

const ORDER = { online: 0, busy: 1, away: 2, offline: 3 } as const

export function sortContacts(contacts: readonly Contact[]): Contact[] {
  return contacts.toSorted(
    (a, b) =>
      Number(b.favourite) - Number(a.favourite) ||
      ORDER[a.presence] - ORDER[b.presence] ||
      nameOf(a.user, a).localeCompare(nameOf(b.user, b)),
  )
}

const matches = (contact: Contact, text: string): boolean =>
  [contact.user.display_name, contact.user.username, contact.nickname ?? ''].some((name) =>
    name.toLocaleLowerCase().includes(text),
  )

interface Props {
  contacts: readonly Contact[]
  last: Map<string, Call>
  meId: string
  ready: boolean
  onAdd: () => void
}

export function ContactList({ contacts, last, meId, ready, onAdd }: Props) {
  const [text, setText] = useState('')
  const accepted = contacts.filter(({ state }) => state === 'accepted')
  const incoming = contacts.filter(({ state }) => state === 'incoming')
  const outgoing = contacts.filter(({ state }) => state === 'outgoing')
  const needle = text.trim().toLocaleLowerCase()
  const shown = sortContacts(needle ? accepted.filter((contact) => matches(contact, needle)) : accepted)

  return (
    <div className="flex flex-col gap-4">
      <div className="flex gap-2 px-4">
        <div className="relative min-w-0 flex-1">
          <Search aria-hidden className="absolute start-3 top-3 size-5 text-soft" />
          <input
            type="search"
            aria-label="Filter contacts"
            placeholder="Find in your contacts"
            autoComplete="off"
            value={text}
            onChange={(event) => setText(event.target.value)}
            className="h-11 w-full rounded-control border border-transparent bg-sunken ps-10 pe-3 text-sm placeholder:text-soft hover:border-line focus-visible:outline-offset-0 pointer-coarse:text-base [&::-webkit-search-cancel-button]:hidden"
          />
        </div>
        <IconButton label="Add contact" look="plain" onClick={onAdd}>
          <UserPlus aria-hidden className="size-5" />
        </IconButton>
      </div>

      {incoming.length > 0 && (
        <section aria-label="Requests" className="px-4">
          <ul className="space-y-2">
            {incoming.map((contact) => (
              <Request key={contact.user.id} contact={contact} />
            ))}
          </ul>
        </section>
      )}

      {!ready && (
        <div className="space-y-4 px-4 py-2" role="status" aria-label="Loading contacts">
          {[0, 1, 2].map((n) => (
            <div key={n} className="flex items-center gap-3">
              <Skeleton className="size-11 rounded-full" />
              <div className="flex-1 space-y-2">
                <Skeleton className="h-3.5 w-2/5" />
                <Skeleton className="h-3 w-3/5" />
              </div>
            </div>
          ))}
        </div>
      )}

      {ready && accepted.length === 0 && incoming.length === 0 && (
        <div className="mx-4 rounded-tile border border-dashed border-line px-6 py-8 text-center">
          <p className="font-medium">{outgoing.length > 0 ? 'Waiting for an answer' : 'Nobody here yet'}</p>
          <p className="mt-1 text-soft">
            {outgoing.length > 0
              ? 'As soon as somebody accepts, you can call.'
              : 'Find somebody you know and ask to be contacts.'}
          </p>
          <Button className="mt-5" icon={<UserPlus aria-hidden className="size-4" />} onClick={onAdd}>
            Find somebody
          </Button>
        </div>
      )}

      {ready && shown.length > 0 && (
        <ul aria-label="Contacts" className="px-2">
          {shown.map((contact) => (
            <Row key={contact.user.id} contact={contact} call={last.get(contact.user.id)} meId={meId} />
          ))}
        </ul>
      )}
      {ready && needle !== '' && shown.length === 0 && accepted.length > 0 && (
        <p className="px-6 py-4 text-center text-soft">No contact matches “{text.trim()}”.</p>
      )}

      {outgoing.length > 0 && (
        <section aria-label="Asked" className="px-4">
          <h2 className="mb-1 text-xs font-medium text-soft">Asked</h2>
          <ul>
            {outgoing.map((contact) => (
              <Asked key={contact.user.id} contact={contact} />
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}

async function attempt(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    parley.say(error instanceof ApiError ? problemSentence(error) : String(error), 'error')
  }
}

function Request({ contact }: { contact: Contact }) {
  const { user } = contact
  return (
    <li aria-label={user.display_name} className="animate-fade rounded-tile border border-line bg-raised p-3">
      <div className="flex items-center gap-3">
        <Avatar user={user} />
        <div className="min-w-0 flex-1">
          <div className="truncate font-medium">{user.display_name}</div>
          <div className="truncate text-soft">@{user.username} would like to be a contact</div>
        </div>
      </div>
      <div className="mt-3 grid grid-cols-2 gap-2">
        <Button onClick={() => void attempt(parley.removeContact(user.id))}>Decline</Button>
        <Button look="accent" onClick={() => void attempt(parley.addContact(user.id))}>
          Accept
        </Button>
      </div>
    </li>
  )
}

function Asked({ contact }: { contact: Contact }) {
  const { user } = contact
  return (
    <li className="flex min-h-13 items-center gap-3">
      <Avatar user={user} size="sm" />
      <div className="min-w-0 flex-1 truncate text-soft">{user.display_name}</div>
      <IconButton
        label={`Take back request to ${user.display_name}`}
        onClick={() => void attempt(parley.removeContact(user.id))}
      >
        <X aria-hidden className="size-4 text-soft" />
      </IconButton>
    </li>
  )
}

function Row({ contact, call, meId }: { contact: Contact; call: Call | undefined; meId: string }) {
  const { user, presence } = contact
  const name = nameOf(user, contact)
  const line = call ? historyLine(call, meId) : null
  return (
    <li className="group relative">
      <NavLink
        to={`/people/${encodeURIComponent(user.id)}`}
        className={({ isActive }) =>
          cx(
            'flex min-h-16 items-center gap-3 rounded-tile ps-2 pe-26 transition-colors duration-150',
            isActive ? 'wide:bg-sunken' : 'hover:bg-sunken/60',
          )
        }
      >
        <Avatar user={user} presence={presence} />
        <span className="min-w-0 flex-1">
          <span className="flex items-center gap-1.5">
            <span className="truncate font-medium">{name}</span>
            {contact.favourite && (
              <Star aria-label="Favourite" className="size-3.5 shrink-0 fill-current text-away" />
            )}
          </span>
          <span className={cx('block truncate', line?.missed ? 'text-danger-text' : 'text-soft')}>
            <span className="sr-only">{presenceWord(presence)}. </span>
            {call && line ? `${line.text} · ${whenWords(call.created_at)}` : presenceWord(presence)}
          </span>
        </span>
      </NavLink>
      <span className="absolute end-1 top-1/2 flex -translate-y-1/2 text-soft">
        <IconButton
          className="hover:text-text"
          label={`Audio call ${user.display_name}`}
          onClick={() => parley.startCall(user, false)}
        >
          <Phone aria-hidden className="size-5" />
        </IconButton>
        <IconButton
          className="text-accent"
          label={`Video call ${user.display_name}`}
          onClick={() => parley.startCall(user, true)}
        >
          <Video aria-hidden className="size-5" />
        </IconButton>
      </span>
    </li>
  )
}
