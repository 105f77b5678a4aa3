import { useEffect, useRef } from 'react'
import type { Call } from '../../api/types'
import { happenings } from '../../call/happenings'
import { nameOf } from '../../call/sentences'
import { parley, useParley } from '../../state/parley'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'

/** Lines that come and go; the region is there from the start, so that they are read out. */
export function Toasts() {
  const toasts = useParley((state) => state.toasts)
  return (
    <div role="status" aria-live="polite" className="flex flex-col items-center gap-2">
      {toasts.map(({ key, text, action }) => (
        <div
          key={key}
          className={cx(
            'flex max-w-[calc(100vw-2rem)] animate-rise items-center gap-3 rounded-3xl bg-[#2a2926]/95 py-1.5 ps-4 pe-1.5 text-sm text-white shadow-float ring-1 ring-white/10',
            // Three of them would lie over a face; a question stays until it is answered or goes by itself.
            !action && 'max-sm:not-last:hidden short:not-last:hidden',
          )}
        >
          <span className={cx('line-clamp-2 wrap-anywhere', !action && 'py-1 pe-2.5')}>{text}</span>
          {action && (
            <Button
              look="accent"
              className="rounded-full"
              onClick={() => {
                action.run()
                parley.untoast(key)
              }}
            >
              {action.label}
            </Button>
          )}
        </div>
      ))}
    </div>
  )
}

/** Says who came, went, paused or raised a hand. */
export function useHappenings(call: Call | null, meId: string): void {
  const before = useRef<Call | null>(null)
  useEffect(() => {
    if (!call) return
    const { contacts } = parley.store.getState().world
    const news = happenings(before.current, call, meId, ({ user }) => nameOf(user, contacts[user.id]))
    before.current = call
    for (const { text } of news) parley.toast(text)
  }, [call, meId])
}
