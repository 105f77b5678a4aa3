import { plural, t } from '@lingui/core/macro'
import {
  Ban,
  Check,
  ChevronDown,
  MessageSquareText,
  Phone,
  Search,
  Star,
  UserPlus,
  Video,
  X,
} from 'lucide-react'
import type { KeyboardEvent, ReactNode } from 'react'
import { useState } from 'react'
import { NavLink } from 'react-router'
import type { Call, Contact } from '../../api/types'
import { historyLine, nameOf, whenWords } from '../../call/sentences'
import { parley } from '../../state/parley'
import { Avatar, presenceWord } from '../../ui/Avatar'
import { Button, IconButton } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Skeleton } from '../../ui/Skeleton'
import { attempt } from './attempt'

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

export interface Selection {
  ids: ReadonlySet<string>
  toggle(id: string): void
}

interface Props {
  contacts: readonly Contact[]
  last: Map<string, Call>
  /** Messages that were left, by whom. */
  unread: Map<string, number>
  meId: string
  ready: boolean
  selection: Selection
  onAdd: () => void
}

/** Up and down go from row to row, in the same column; Home and End to the first and the last. */
function onArrows(event: KeyboardEvent<HTMLElement>): void {
  if (!['ArrowDown', 'ArrowUp', 'Home', 'End'].includes(event.key)) return
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-row]')]
  const target = event.target as HTMLElement
  const at = rows.findIndex((row) => row.contains(target))
  if (at < 0 && !(target instanceof HTMLInputElement && event.key === 'ArrowDown')) return
  if (target instanceof HTMLInputElement && target.type === 'search' && event.key !== 'ArrowDown') return
  const to =
    event.key === 'Home' ? 0 : event.key === 'End' ? rows.length - 1 : at + (event.key === 'ArrowUp' ? -1 : 1)
  const row = rows[Math.max(0, Math.min(rows.length - 1, to))]
  const column = target.closest('[data-column]')?.getAttribute('data-column') ?? 'name'
  row?.querySelector<HTMLElement>(`[data-column="${column}"]`)?.focus()
  event.preventDefault()
}

export function ContactList({ contacts, last, unread, meId, ready, selection, onAdd }: Props) {
  const [text, setText] = useState('')
  const of = (wanted: Contact['state']) => contacts.filter(({ state }) => state === wanted)
  const [accepted, incoming, outgoing, blocked] = [
    of('accepted'),
    of('incoming'),
    of('outgoing'),
    of('blocked'),
  ]
  const typed = text.trim()
  const needle = typed.toLocaleLowerCase()
  const shown = sortContacts(needle ? accepted.filter((contact) => matches(contact, needle)) : accepted)
  const around = shown.filter(({ favourite, presence }) => !favourite && presence !== 'offline')
  const sections = [
    { title: t`Favourites`, rows: shown.filter(({ favourite }) => favourite) },
    { title: t`Around now`, rows: around },
    {
      title: t`Offline`,
      rows: shown.filter(({ favourite, presence }) => !favourite && presence === 'offline'),
    },
  ].filter(({ rows }) => rows.length > 0)

  return (
    // The keys only move the focus between what can be focused anyway.
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions
    <div className="flex flex-col gap-4" onKeyDown={onArrows}>
      <div className="flex gap-2 px-4">
        <div className="relative min-w-0 flex-1">
          <Search aria-hidden className="absolute start-3 top-3 size-5 text-soft" />
          <input
            type="search"
            aria-label={t`Filter contacts`}
            placeholder={t`Find in your contacts`}
            autoComplete="off"
            value={text}
            onChange={(event) => setText(event.target.value)}
            className="h-11 w-full rounded-control border border-transparent bg-sunken ps-10 pe-3 text-sm placeholder:text-soft hover:border-line focus-visible:outline-offset-0 pointer-coarse:text-base [&::-webkit-search-cancel-button]:hidden"
          />
        </div>
        <IconButton label={t`Add contact`} look="plain" onClick={onAdd}>
          <UserPlus aria-hidden className="size-5" />
        </IconButton>
      </div>

      {incoming.length > 0 && (
        <section aria-label={t`Requests`} className="px-4">
          <h2 className="sr-only">{t`Requests`}</h2>
          <ul className="space-y-2">
            {incoming.map((contact) => (
              <Request key={contact.user.id} contact={contact} />
            ))}
          </ul>
        </section>
      )}

      {!ready && (
        <div className="space-y-4 px-4 py-2" role="status" aria-label={t`Loading contacts`}>
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
          <p className="font-medium">{outgoing.length > 0 ? t`Waiting for an answer` : t`Nobody here yet`}</p>
          <p className="mt-1 text-soft">
            {outgoing.length > 0
              ? t`As soon as somebody accepts, you can call.`
              : t`Find somebody you know and ask to be contacts.`}
          </p>
          <Button className="mt-5" icon={<UserPlus aria-hidden className="size-4" />} onClick={onAdd}>
            {t`Find somebody`}
          </Button>
        </div>
      )}

      {ready &&
        sections.map(({ title, rows }) => (
          <Section key={title} title={title}>
            <ul aria-label={title} className="px-2">
              {rows.map((contact) => (
                <Row
                  key={contact.user.id}
                  contact={contact}
                  call={last.get(contact.user.id)}
                  unread={unread.get(contact.user.id) ?? 0}
                  meId={meId}
                  selection={selection}
                />
              ))}
            </ul>
          </Section>
        ))}
      {ready && needle !== '' && shown.length === 0 && accepted.length > 0 && (
        <p className="px-6 py-4 text-center text-soft">{t`No contact matches “${typed}”.`}</p>
      )}

      {outgoing.length > 0 && (
        <Section title={t`Asked`}>
          <ul className="px-4">
            {outgoing.map((contact) => (
              <Asked key={contact.user.id} contact={contact} />
            ))}
          </ul>
        </Section>
      )}
      {blocked.length > 0 && <Blocked contacts={blocked} />}
    </div>
  )
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title}>
      <h2 className="mb-1 px-4 text-xs font-medium text-soft">{title}</h2>
      {children}
    </section>
  )
}

function Request({ contact }: { contact: Contact }) {
  const { user } = contact
  const { username, display_name: name } = user
  return (
    <li aria-label={name} className="animate-fade rounded-tile border border-line bg-raised p-3">
      <div className="flex items-center gap-3">
        <Avatar user={user} />
        <div className="min-w-0 flex-1">
          <div className="truncate font-medium">{name}</div>
          <div className="truncate text-soft">{t`@${username} would like to be a contact`}</div>
        </div>
        <IconButton
          label={t`Block ${name}`}
          onClick={() => void attempt(parley.updateContact(user.id, { blocked: true }))}
        >
          <Ban aria-hidden className="size-4 text-soft" />
        </IconButton>
      </div>
      <div className="mt-3 grid grid-cols-2 gap-2">
        <Button onClick={() => void attempt(parley.removeContact(user.id))}>{t`Decline`}</Button>
        <Button look="accent" onClick={() => void attempt(parley.addContact(user.id))}>
          {t`Accept`}
        </Button>
      </div>
    </li>
  )
}

function Asked({ contact }: { contact: Contact }) {
  const { user } = contact
  const name = user.display_name
  return (
    <li className="flex min-h-13 items-center gap-3">
      <Avatar user={user} size="sm" />
      <div className="min-w-0 flex-1 truncate text-soft">{name}</div>
      <IconButton
        label={t`Take back request to ${name}`}
        onClick={() => void attempt(parley.removeContact(user.id))}
      >
        <X aria-hidden className="size-4 text-soft" />
      </IconButton>
    </li>
  )
}

function Blocked({ contacts }: { contacts: readonly Contact[] }) {
  return (
    <details className="group/blocked px-4">
      <summary className="flex min-h-11 cursor-pointer list-none items-center gap-2 rounded-control text-xs font-medium text-soft [&::-webkit-details-marker]:hidden">
        {plural(contacts.length, { one: '# person blocked', other: '# people blocked' })}
        <ChevronDown
          aria-hidden
          className="size-4 transition-transform duration-150 group-open/blocked:rotate-180"
        />
      </summary>
      <ul>
        {contacts.map((contact) => {
          const name = nameOf(contact.user, contact)
          return (
            <li key={contact.user.id} className="flex min-h-13 items-center gap-3">
              <Avatar user={contact.user} size="sm" />
              <span className="min-w-0 flex-1 truncate text-soft">{name}</span>
              <Button
                look="quiet"
                aria-label={t`Unblock ${name}`}
                onClick={() => void attempt(parley.updateContact(contact.user.id, { blocked: false }))}
              >
                {t`Unblock`}
              </Button>
            </li>
          )
        })}
      </ul>
    </details>
  )
}

interface RowProps {
  contact: Contact
  call: Call | undefined
  unread: number
  meId: string
  selection: Selection
}

function Row({ contact, call, unread, meId, selection }: RowProps) {
  const { user, presence } = contact
  const name = nameOf(user, contact)
  const fullName = user.display_name
  const line = call ? historyLine(call, meId) : null
  const selected = selection.ids.has(user.id)
  // Older than the part of the history that is loaded.
  const lastWhen = contact.last_call_at ? whenWords(contact.last_call_at) : null
  return (
    <li data-row className="group relative">
      <NavLink
        to={`/people/${encodeURIComponent(user.id)}`}
        data-column="name"
        onKeyDown={(event) => {
          if (event.key !== ' ') return
          event.preventDefault()
          selection.toggle(user.id)
        }}
        className={({ isActive }) =>
          cx(
            'flex min-h-16 items-center gap-3 rounded-tile ps-2 pe-26 transition-colors duration-150',
            selected ? 'bg-tint' : isActive ? 'wide:bg-sunken' : 'hover:bg-sunken/60',
          )
        }
      >
        <Avatar user={user} presence={presence} />
        <span className="min-w-0 flex-1">
          <span className="flex items-center gap-1.5">
            <span className="truncate font-medium">{name}</span>
            {contact.favourite && (
              <Star aria-label={t`Favourite`} className="size-3.5 shrink-0 fill-current text-away" />
            )}
            {unread > 0 && (
              <span className="ms-0.5 flex shrink-0 items-center gap-1 rounded-full bg-accent px-1.5 py-0.5 text-xs font-semibold text-on-accent tabular-nums">
                <MessageSquareText aria-hidden className="size-3" />
                <span aria-hidden>{unread}</span>
                <span className="sr-only">
                  {plural(unread, { one: '# new message', other: '# new messages' })}
                </span>
              </span>
            )}
          </span>
          <span
            className={cx(
              'line-clamp-2',
              selected ? 'text-on-tint' : line?.missed ? 'text-danger-text' : 'text-soft',
            )}
          >
            {call && line ? (
              <>
                <span className="sr-only">{presenceWord(presence)}. </span>
                {line.text} · <span className="whitespace-nowrap">{whenWords(call.created_at)}</span>
              </>
            ) : lastWhen ? (
              <>
                <span className="sr-only">{presenceWord(presence)}. </span>
                {t`Last call ${lastWhen}`}
              </>
            ) : (
              presenceWord(presence)
            )}
          </span>
        </span>
      </NavLink>
      {/* The picture is where one taps to select. */}
      <span className="absolute start-2 top-1/2 size-11 -translate-y-1/2">
        <input
          type="checkbox"
          aria-label={t`Select ${fullName}`}
          data-column="select"
          checked={selected}
          onChange={() => selection.toggle(user.id)}
          className="peer absolute inset-0 size-full cursor-pointer appearance-none rounded-full"
        />
        <span
          aria-hidden
          className={cx(
            'pointer-events-none absolute inset-0 flex items-center justify-center rounded-full border-2 transition-opacity duration-150',
            selected
              ? 'border-accent bg-accent text-on-accent'
              : 'border-strong bg-raised text-transparent opacity-0 peer-focus-visible:opacity-100 hover-able:group-hover:opacity-100',
          )}
        >
          <Check className="size-5" />
        </span>
      </span>
      <span className="absolute end-1 top-1/2 flex -translate-y-1/2 text-soft">
        <IconButton
          className="hover:text-text"
          data-column="audio"
          label={t`Audio call ${fullName}`}
          onClick={() => parley.startCall(user, false)}
        >
          <Phone aria-hidden className="size-5" />
        </IconButton>
        <IconButton
          className="text-accent"
          data-column="video"
          label={t`Video call ${fullName}`}
          onClick={() => parley.startCall(user, true)}
        >
          <Video aria-hidden className="size-5" />
        </IconButton>
      </span>
    </li>
  )
}
