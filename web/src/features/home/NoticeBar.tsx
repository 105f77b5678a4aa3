import { t } from '@lingui/core/macro'
import { MessageSquareText, PhoneOutgoing, RotateCcw, X } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useNavigate } from 'react-router'
import type { Notice } from '../../call/state'
import { parley, useParley } from '../../state/parley'
import { Button, IconButton } from '../../ui/Button'
import { LeaveMessage } from './LeaveMessage'

const STAYS_MS = 15_000
/** A region that comes together with its words is not read out. */
const WORDS_AFTER_MS = 100

/** How the last call ended, what somebody wrote, or what went wrong; stays for a while, never in the way. */
export function NoticeBar() {
  const notice = useParley((state) => state.notice)
  const [writing, setWriting] = useState(false)
  const [ready, setReady] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setReady(true), WORDS_AFTER_MS)
    return () => clearTimeout(timer)
  }, [])
  useEffect(() => {
    // The way back is not taken away from somebody who was away.
    if (!notice || writing || notice.back) return
    const timer = setTimeout(() => parley.dismiss(), STAYS_MS)
    return () => clearTimeout(timer)
  }, [notice, writing])
  const body = ready && notice && <Body key={notice.key} notice={notice} onWriting={setWriting} />
  return (
    <div className="pointer-events-none fixed inset-x-0 bottom-0 z-10 flex justify-center p-4 pb-[max(1rem,env(safe-area-inset-bottom))]">
      <div role="status">{notice?.tone === 'plain' && body}</div>
      {ready && notice?.tone === 'error' && <div role="alert">{body}</div>}
    </div>
  )
}

function Body({ notice, onWriting }: { notice: Notice; onWriting: (writing: boolean) => void }) {
  const { text, again, back, unanswered, from } = notice
  const navigate = useNavigate()
  return (
    <div className="pointer-events-auto max-w-[min(34rem,calc(100vw-2rem))] animate-rise rounded-tile border border-line bg-raised py-1.5 ps-5 pe-1.5 shadow-float">
      <div className="flex items-center gap-2">
        <p className="min-w-0 flex-1 py-2 pe-3 text-sm font-medium wrap-anywhere">{text}</p>
        {from && (
          <Button
            look="quiet"
            className="shrink-0 px-3 text-on-tint"
            icon={<MessageSquareText aria-hidden className="size-4" />}
            onClick={() => {
              parley.dismiss()
              void navigate(`/people/${encodeURIComponent(from.id)}`)
            }}
          >
            {t`Show`}
          </Button>
        )}
        {back && (
          <Button
            look="quiet"
            className="shrink-0 px-3 text-on-tint"
            icon={<RotateCcw aria-hidden className="size-4" />}
            onClick={() => parley.answer(back, back.video)}
          >
            {t`Return to call`}
          </Button>
        )}
        {again && (
          <Button
            look="quiet"
            className="shrink-0 px-3 text-on-tint"
            icon={<PhoneOutgoing aria-hidden className="size-4" />}
            onClick={() => parley.startCall(again.user, again.video)}
          >
            {t`Call again`}
          </Button>
        )}
        <IconButton label={t`Dismiss`} onClick={() => parley.dismiss()}>
          <X aria-hidden className="size-4 text-soft" />
        </IconButton>
      </div>
      {unanswered && (
        <LeaveMessage callId={unanswered} className="flex gap-2 pe-2 pb-2" onWriting={onWriting} />
      )}
    </div>
  )
}
