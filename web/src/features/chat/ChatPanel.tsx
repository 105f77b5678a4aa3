import { t } from '@lingui/core/macro'
import { i18n } from '@lingui/core'
import { RotateCw, SendHorizontal, Smile, Trash2 } from 'lucide-react'
import type { FormEvent, KeyboardEvent } from 'react'
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'react'
import type { User } from '../../api/types'
import type { ChatItem } from '../../call/chat'
import { onlyEmoji, TEXT_MAX } from '../../call/chat'
import { listNames, nameOf } from '../../call/sentences'
import { parley, useParley } from '../../state/parley'
import { Avatar } from '../../ui/Avatar'
import { IconButton } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { EMOJIS } from '../../ui/emojis'
import { Linked } from '../../ui/Linked'
import { Skeleton } from '../../ui/Skeleton'

/** As long as somebody writes in one go, name and picture stand above the first one only. */
const TOGETHER_MS = 5 * 60_000
const LATE_MS = 1_000

export function ChatPanel() {
  const chat = useParley((state) => state.chat)
  const people = usePeople()
  const lost = useParley((state) => state.link === 'lost')
  const list = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  const count = chat?.items.length ?? 0
  useLayoutEffect(() => {
    const box = list.current
    if (box && atEnd.current) box.scrollTop = box.scrollHeight
  })
  const typing = (chat?.typing ?? []).map((id) => people(id).name)
  const names = listNames(typing)

  return (
    <>
      <div
        ref={list}
        // Those who use the keyboard scroll it, too.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="group"
        aria-label={t`All messages`}
        aria-live="polite"
        aria-relevant="additions"
        onScroll={({ currentTarget: box }) => {
          atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 40
        }}
        className="min-h-0 flex-1 overflow-y-auto overscroll-contain px-4 py-3"
      >
        {chat && chat.ready && count === 0 && (
          <p className="pt-10 text-center text-soft">
            {t`Nothing written yet. Everybody in this call reads what you write, also those who come later.`}
          </p>
        )}
        {(!chat || (!chat.ready && count === 0)) && (
          <div className="space-y-3" aria-hidden>
            <Skeleton className="h-10 w-3/5" />
            <Skeleton className="h-10 w-4/5" />
          </div>
        )}
        <ul aria-label={t`Messages`} className="space-y-1">
          {chat?.items.map((item, n) => (
            <Line key={item.id} item={item} before={chat.items[n - 1]} people={people} />
          ))}
        </ul>
      </div>
      <p className="min-h-6 px-4 text-xs text-soft">
        {lost
          ? t`Connection lost. What you write is sent when it is back.`
          : typing.length > 0
            ? typing.length === 1
              ? t`${names} is writing…`
              : t`${names} are writing…`
            : ''}
      </p>
      <Compose />
    </>
  )
}

type People = (id: string) => { name: string; user: User | null; me: boolean }

function usePeople(): People {
  const world = useParley((state) => state.world)
  const call = useParley((state) => state.session?.call ?? null)
  return (id) => {
    if (world.me && id === world.me.id) return { name: t`You`, user: world.me, me: true }
    const user =
      call?.members.find((member) => member.user.id === id)?.user ?? world.contacts[id]?.user ?? null
    return { name: user ? nameOf(user, world.contacts[id]) : t`Somebody`, user, me: false }
  }
}

function Line({ item, before, people }: { item: ChatItem; before?: ChatItem; people: People }) {
  const { name, user, me } = people(item.userId)
  const together = before?.userId === item.userId && Date.parse(item.at) - Date.parse(before.at) < TOGETHER_MS
  return (
    <li className={cx('flex gap-2.5', !together && 'pt-3')}>
      {together ? (
        <span className="w-9 shrink-0" />
      ) : user ? (
        <Avatar user={user} size="sm" />
      ) : (
        <span className="size-9 shrink-0 rounded-full bg-sunken" />
      )}
      <div className="min-w-0 flex-1">
        {!together && (
          <p className="flex items-baseline gap-2 pb-0.5">
            <span className={cx('truncate font-semibold', me && 'text-accent')}>{name}</span>
            <time dateTime={item.at} className="shrink-0 text-xs text-soft">
              {i18n.date(item.at, { hour: '2-digit', minute: '2-digit' })}
            </time>
          </p>
        )}
        <p
          className={cx(
            'break-words whitespace-pre-wrap [overflow-wrap:anywhere]',
            item.state === 'sending' && 'opacity-60',
            onlyEmoji(item.text) && 'text-[2rem] leading-tight',
          )}
        >
          <Linked text={item.text} className="text-accent underline underline-offset-2" />
        </p>
        {item.state === 'sending' && <Sending />}
        {item.state === 'failed' && (
          <p className="flex items-center gap-1 text-sm text-danger-text">
            <span role="alert">{t`Not sent`}</span>
            <IconButton label={t`Repeat it`} onClick={() => parley.retryMessage(item.id)}>
              <RotateCw aria-hidden className="size-4" />
            </IconButton>
            <IconButton label={t`Discard it`} onClick={() => parley.discardMessage(item.id)}>
              <Trash2 aria-hidden className="size-4" />
            </IconButton>
          </p>
        )}
      </div>
    </li>
  )
}

/** Most are through before one could read it. */
function Sending() {
  const [late, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), LATE_MS)
    return () => clearTimeout(timer)
  }, [])
  return late && <p className="text-xs text-soft">{t`Sending…`}</p>
}

function Compose() {
  const [text, setText] = useState('')
  const [picking, setPicking] = useState(false)
  const emojis = useId()
  const box = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => {
    const area = box.current
    if (!area) return
    area.style.height = 'auto'
    area.style.height = `${Math.min(area.scrollHeight + 2, 140)}px`
  })
  const send = (event?: FormEvent) => {
    event?.preventDefault()
    if (text.trim() === '') return
    parley.sendMessage(text)
    setText('')
    setPicking(false)
    box.current?.focus()
  }
  const key = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }
  /** Where the cursor is. */
  const insert = (emoji: string) => {
    const area = box.current
    const [from, to] = [area?.selectionStart ?? text.length, area?.selectionEnd ?? text.length]
    const longer = text.slice(0, from) + emoji + text.slice(to)
    if (longer.length > TEXT_MAX) return
    setText(longer)
    parley.writes()
    requestAnimationFrame(() => {
      area?.focus()
      area?.setSelectionRange(from + emoji.length, from + emoji.length)
    })
  }
  return (
    <form onSubmit={send} className="flex flex-wrap items-end gap-2 border-t border-line p-3">
      <div
        id={emojis}
        hidden={!picking}
        role="group"
        aria-label={t`Emojis`}
        className="grid w-full grid-cols-6 gap-1"
      >
        {EMOJIS().map(([emoji, word]) => (
          <button
            key={emoji}
            type="button"
            aria-label={word}
            onClick={() => insert(emoji)}
            className="flex h-11 items-center justify-center rounded-control text-[1.5rem] transition-colors hover:bg-sunken"
          >
            {emoji}
          </button>
        ))}
      </div>
      <IconButton
        label={t`Emoji`}
        aria-expanded={picking}
        aria-controls={emojis}
        className="-me-1"
        onClick={() => setPicking(!picking)}
      >
        <Smile aria-hidden className="size-5 text-soft" />
      </IconButton>
      <textarea
        ref={box}
        data-first
        rows={1}
        aria-label={t`Message`}
        placeholder={t`Write to everybody`}
        maxLength={TEXT_MAX}
        value={text}
        onChange={({ target }) => {
          setText(target.value)
          if (target.value.trim() !== '') parley.writes()
        }}
        onKeyDown={key}
        enterKeyHint="send"
        className="min-h-11 min-w-0 flex-1 resize-none rounded-control border border-strong bg-raised px-3 py-2.5 text-base leading-5.5 placeholder:text-soft focus-visible:outline-offset-0"
      />
      <IconButton label={t`Send`} look="accent" type="submit" aria-disabled={text.trim() === ''}>
        <SendHorizontal aria-hidden className="size-5 rtl:-scale-x-100" />
      </IconButton>
    </form>
  )
}
