import { t } from '@lingui/core/macro'
import { ArrowLeftRight, Pause } from 'lucide-react'
import { listNames, nameOf } from '../../call/sentences'
import { parley, useParley } from '../../state/parley'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'

/** The call that waits, paused, while another one is on the screen; `docked`: or while that is in the dock below. */
export function HeldCall({ docked }: { docked: boolean }) {
  const held = useParley((state) => state.held)
  const contacts = useParley(({ world }) => world.contacts)
  if (!held) return null
  const names = listNames(held.people.map((user) => nameOf(user, contacts[user.id])))
  return (
    <section
      data-theme="dark"
      aria-label={t`Call on hold`}
      className={cx(
        'fixed inset-x-0 z-20 mx-auto flex w-max max-w-[calc(100vw-1rem)] animate-rise items-center gap-3 rounded-tile border border-line bg-raised p-1.5 ps-4 text-text shadow-float',
        docked
          ? 'bottom-[calc(5.75rem+env(safe-area-inset-bottom))] max-sm:bottom-[calc(8.5rem+env(safe-area-inset-bottom))]'
          : 'top-[max(0.5rem,env(safe-area-inset-top))] max-sm:top-[calc(3.5rem+env(safe-area-inset-top))]',
      )}
    >
      <Pause aria-hidden className="size-4 shrink-0 text-soft" />
      <p className="min-w-0 truncate font-medium">{t`${names} on hold`}</p>
      <Button
        look="accent"
        icon={<ArrowLeftRight aria-hidden className="size-4" />}
        onClick={() => parley.switchCalls()}
      >
        {t`Switch`}
      </Button>
    </section>
  )
}
