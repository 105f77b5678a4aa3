import { t } from '@lingui/core/macro'
import { PhoneCall } from 'lucide-react'
import { useNavigate } from 'react-router'
import { listNames } from '../../call/sentences'
import { parley, useParley } from '../../state/parley'
import { Button } from '../../ui/Button'

/** The call while another page of Parley is shown: it can still be heard, and is one click away. */
export function CallDock() {
  const session = useParley((state) => state.session)
  const navigate = useNavigate()
  if (!session) return null
  return (
    <div className="fixed inset-x-0 bottom-0 z-10 flex justify-center p-4 pb-[max(1rem,env(safe-area-inset-bottom))]">
      <section
        aria-label={t`Call in progress`}
        className="flex animate-rise items-center gap-3 rounded-tile border border-line bg-raised p-2 ps-4 whitespace-nowrap shadow-float max-sm:w-full max-sm:flex-wrap max-sm:ps-2"
      >
        <span className="flex min-w-0 items-center gap-3 max-sm:w-full max-sm:px-2 max-sm:pt-1">
          <PhoneCall aria-hidden className="size-5 shrink-0 text-accent" />
          <span className="truncate font-medium sm:max-w-40">
            {listNames(session.people.map((user) => user.display_name))}
          </span>
        </span>
        <Button
          look="accent"
          className="max-sm:flex-1"
          onClick={() => void navigate(`/call/${session.call?.id ?? 'new'}`)}
        >
          {t`Return to call`}
        </Button>
        <Button look="danger" onClick={() => parley.leave()}>
          {t`Leave call`}
        </Button>
      </section>
    </div>
  )
}
