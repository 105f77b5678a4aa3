import { ArrowDownLeft, ArrowUpRight, PhoneMissed } from 'lucide-react'
import type { Call, Contact } from '../../api/types'
import { historyLine, otherName, whenWords } from '../../call/sentences'
import type { History } from '../../state/history'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Skeleton } from '../../ui/Skeleton'

interface Props {
  calls: readonly Call[]
  history: History
  meId: string
  contacts: Readonly<Record<string, Contact>>
  /** Whether each line says who it was. */
  named: boolean
  empty: string
}

export function HistoryList({ calls, history, meId, contacts, named, empty }: Props) {
  if (history.isPending)
    return (
      <div className="space-y-3 py-2" role="status" aria-label="Loading calls">
        {[0, 1, 2, 3].map((n) => (
          <Skeleton key={n} className="h-5" />
        ))}
      </div>
    )
  if (history.isError && calls.length === 0)
    return (
      <div className="flex flex-wrap items-center gap-3 py-2 text-soft">
        The calls could not be loaded.
        <Button onClick={() => void history.refetch()}>Load calls again</Button>
      </div>
    )
  if (calls.length === 0) return <p className="py-2 text-soft">{empty}</p>
  return (
    <>
      <ul className="divide-y divide-line">
        {calls.map((call) => {
          const { text, missed, outgoing } = historyLine(call, meId)
          const Icon = missed ? PhoneMissed : outgoing ? ArrowUpRight : ArrowDownLeft
          return (
            <li key={call.id} className="flex min-h-12 items-center gap-3 py-2">
              <Icon
                aria-hidden
                className={cx('size-4 shrink-0', missed ? 'text-danger-text' : 'text-soft')}
              />
              <span className="min-w-0 flex-1">
                {named && (
                  <span className="block truncate font-medium">{otherName(call, meId, contacts)}</span>
                )}
                <span className={cx('block truncate', missed ? 'text-danger-text' : named && 'text-soft')}>
                  {text}
                </span>
              </span>
              <time dateTime={call.created_at} className="shrink-0 text-xs text-soft tabular-nums">
                {whenWords(call.created_at)}
              </time>
            </li>
          )
        })}
      </ul>
      {history.hasNextPage && (
        <Button
          look="quiet"
          className="mt-2 text-soft"
          busy={history.isFetchingNextPage}
          onClick={() => void history.fetchNextPage()}
        >
          Show older calls
        </Button>
      )}
    </>
  )
}
