import { plural, t } from '@lingui/core/macro'
import { ArrowDownLeft, ArrowUpRight, MessageSquareText, Phone, PhoneMissed, Video } from 'lucide-react'
import { useId, useState } from 'react'
import type { Call, Contact } from '../../api/types'
import { isOpenTo, othersIn, takesWords } from '../../call/model'
import { historyLine, otherName, whenWords } from '../../call/sentences'
import type { History } from '../../state/history'
import { parley } from '../../state/parley'
import { Button, IconButton } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Skeleton } from '../../ui/Skeleton'
import { CallChat } from './CallChat'

interface Props {
  calls: readonly Call[]
  history: History
  meId: string
  contacts: Readonly<Record<string, Contact>>
  /** Whether each line says who it was, and offers to call again. */
  named: boolean
  empty: string
}

export function HistoryList({ calls, history, meId, contacts, named, empty }: Props) {
  if (history.isPending)
    return (
      <div className="space-y-3 py-2" role="status" aria-label={t`Loading calls`}>
        {[0, 1, 2, 3].map((n) => (
          <Skeleton key={n} className="h-5" />
        ))}
      </div>
    )
  if (history.isError && calls.length === 0)
    return (
      <div className="flex flex-wrap items-center gap-3 py-2 text-soft">
        {t`The calls could not be loaded.`}
        <Button onClick={() => void history.refetch()}>{t`Load calls again`}</Button>
      </div>
    )
  if (calls.length === 0) return <p className="py-2 text-soft">{empty}</p>
  return (
    <>
      <ul className="divide-y divide-line">
        {calls.map((call) => (
          <Line key={call.id} call={call} meId={meId} contacts={contacts} named={named} />
        ))}
      </ul>
      {history.hasNextPage && (
        <Button
          look="quiet"
          className="mt-2 text-soft"
          busy={history.isFetchingNextPage}
          onClick={() => void history.fetchNextPage()}
        >
          {t`Show older calls`}
        </Button>
      )}
    </>
  )
}

function Line({ call, meId, contacts, named }: Pick<Props, 'meId' | 'contacts' | 'named'> & { call: Call }) {
  const unread = call.unread ?? 0
  // Beside the person it is from, what was left is there to be read; in a list of all calls one asks for it.
  const [open, setOpen] = useState(unread > 0 && !named)
  const chatId = useId()
  const { text, missed, outgoing } = historyLine(call, meId)
  const Icon = missed ? PhoneMissed : outgoing ? ArrowUpRight : ArrowDownLeft
  const name = otherName(call, meId, contacts)
  const again = othersIn(call, meId)
    .map(({ user }) => user)
    .filter(({ id }) => contacts[id]?.state === 'accepted')
  const written = call.messages
  const chat = written > 0 || (takesWords(call, meId) && again.length > 0)
  const chatLabel =
    unread > 0
      ? plural(unread, { one: '# new message', other: '# new messages' })
      : written > 0
        ? plural(written, { one: '# message', other: '# messages' })
        : t`Leave ${name} a message`
  const when = (
    <time dateTime={call.created_at} className="shrink-0 text-xs whitespace-nowrap text-soft tabular-nums">
      {whenWords(call.created_at)}
    </time>
  )
  return (
    <li>
      <div className="flex min-h-14 items-center gap-3">
        <Icon aria-hidden className={cx('size-4 shrink-0', missed ? 'text-danger-text' : 'text-soft')} />
        <span className="min-w-0 flex-1 py-2">
          {named && (
            <span className="flex items-baseline gap-2">
              <span className="truncate font-medium">{name}</span>
              {/* In a narrow window the second place has no room. */}
              <span className="ms-auto sm:hidden">{when}</span>
            </span>
          )}
          <span className={cx('block wrap-anywhere', missed ? 'text-danger-text' : named && 'text-soft')}>
            {text}
          </span>
        </span>
        {chat && (
          <Button
            look="quiet"
            className={cx('px-2.5 tabular-nums', unread > 0 ? 'font-semibold text-on-tint' : 'text-soft')}
            aria-label={chatLabel}
            aria-expanded={open}
            aria-controls={chatId}
            icon={<MessageSquareText aria-hidden className="size-4" />}
            onClick={() => setOpen(!open)}
          >
            {unread > 0 ? (
              <span className="rounded-full bg-accent px-2 py-0.5 text-xs text-on-accent">{unread}</span>
            ) : (
              written > 0 && written
            )}
          </Button>
        )}
        <span className={cx('flex', named && 'max-sm:hidden')}>{when}</span>
        {isOpenTo(call, meId) ? (
          <Button
            look="accent"
            aria-label={t`Join the call with ${name}`}
            onClick={() => parley.answer(call, call.video)}
          >
            {t`Join`}
          </Button>
        ) : named ? (
          <IconButton
            label={t`Call ${name} again`}
            className={cx('-me-2 text-soft hover:text-text', again.length === 0 && 'invisible')}
            onClick={() => parley.startCall(again, call.video)}
          >
            {call.video ? (
              <Video aria-hidden className="size-4.5" />
            ) : (
              <Phone aria-hidden className="size-4.5" />
            )}
          </IconButton>
        ) : null}
      </div>
      {chat && (
        <div id={chatId} hidden={!open} className="ps-7">
          {open && <CallChat call={call} meId={meId} contacts={contacts} />}
        </div>
      )}
    </li>
  )
}
