import { t } from '@lingui/core/macro'
import { BellRing } from 'lucide-react'
import { setFlag, useFlag } from '../../state/flags'
import { turnOnNotifications, useNotifying } from '../../state/notifications'
import { Button } from '../../ui/Button'

const LATER = 'notifications.later'

/** The moment to ask: there is somebody who could call, and nothing else to do. */
export function NotifyPrompt() {
  const state = useNotifying(({ state: now }) => now)
  const later = useFlag(LATER)
  if (state !== 'unasked' || later) return null
  return (
    <section
      aria-label={t`Notifications`}
      className="flex flex-wrap items-center gap-x-4 gap-y-3 rounded-tile border border-line bg-surface p-4"
    >
      <BellRing aria-hidden className="size-5 shrink-0 text-accent" />
      <p className="min-w-40 flex-1">{t`Do not miss a call while you look at another page.`}</p>
      <div className="flex gap-2">
        <Button look="quiet" className="text-soft" onClick={() => setFlag(LATER, 'yes')}>
          {t`Not now`}
        </Button>
        <Button onClick={() => void turnOnNotifications()}>{t`Notify me`}</Button>
      </div>
    </section>
  )
}
