import { t } from '@lingui/core/macro'
import { ArrowLeftRight, Pause } from 'lucide-react'
import { listNames, nameOf } from '../../call/sentences'
import { parley, useParley } from '../../state/parley'
import { Button } from '../../ui/Button'

/** The call that waits, paused, while another one is on the screen. */
export function HeldCall() {
  const held = useParley((state) => state.held)
  const contacts = useParley(({ world }) => world.contacts)
  if (!held) return null
  const names = listNames(held.people.map((user) => nameOf(user, contacts[user.id])))
  return (
    <section
      data-theme="dark"
      aria-label={t`Call on hold`}
      className="fixed inset-x-0 top-[max(0.5rem,env(safe-area-inset-top))] z-20 max-sm:top-[calc(3.5rem+env(safe-area-inset-top))] mx-auto flex w-max max-w-[calc(100vw-1rem)] animate-rise items-center gap-3 rounded-tile border border-line bg-raised p-1.5 ps-4 text-text shadow-float"
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
