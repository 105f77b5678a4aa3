import { t } from '@lingui/core/macro'
import { PhoneOutgoing, X } from 'lucide-react'
import { useEffect } from 'react'
import { parley, useParley } from '../../state/parley'
import { Button, IconButton } from '../../ui/Button'

const STAYS_MS = 15_000

/** How the last call ended, or what went wrong; stays for a while, never in the way. */
export function NoticeBar() {
  const notice = useParley((state) => state.notice)
  useEffect(() => {
    if (!notice) return
    const timer = setTimeout(() => parley.dismiss(), STAYS_MS)
    return () => clearTimeout(timer)
  }, [notice])
  return (
    <div className="pointer-events-none fixed inset-x-0 bottom-0 z-10 flex justify-center p-4 pb-[max(1rem,env(safe-area-inset-bottom))]">
      <div role="status">
        {notice?.tone === 'plain' && <Body key={notice.key} text={notice.text} again={notice.again} />}
      </div>
      {notice?.tone === 'error' && (
        <div role="alert">
          <Body key={notice.key} text={notice.text} again={notice.again} />
        </div>
      )}
    </div>
  )
}

function Body({ text, again }: { text: string; again: { user: { display_name: string } } | null }) {
  const full = useParley((state) => state.notice?.again)
  return (
    <div className="pointer-events-auto flex max-w-[min(34rem,calc(100vw-2rem))] animate-rise items-center gap-2 rounded-tile border border-line bg-raised py-1.5 ps-5 pe-1.5 shadow-float">
      <p className="py-2 pe-3 text-sm font-medium">{text}</p>
      {again && full && (
        <Button
          look="quiet"
          className="shrink-0 px-3 text-on-tint"
          icon={<PhoneOutgoing aria-hidden className="size-4" />}
          onClick={() => parley.startCall(full.user, full.video)}
        >
          {t`Call again`}
        </Button>
      )}
      <IconButton label={t`Dismiss`} onClick={() => parley.dismiss()}>
        <X aria-hidden className="size-4 text-soft" />
      </IconButton>
    </div>
  )
}
