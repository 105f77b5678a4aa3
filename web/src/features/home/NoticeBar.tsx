import { t } from '@lingui/core/macro'
import { PhoneOutgoing, SendHorizontal, X } from 'lucide-react'
import { useEffect, useState } from 'react'
import { messagesOutsideCalls } from '../../api/client'
import type { Notice } from '../../call/controller'
import { parley, useParley } from '../../state/parley'
import { Button, IconButton } from '../../ui/Button'
import { attempt } from './attempt'

const STAYS_MS = 15_000
/** A region that comes together with its words is not read out. */
const WORDS_AFTER_MS = 100

/** How the last call ended, or what went wrong; stays for a while, never in the way. */
export function NoticeBar() {
  const notice = useParley((state) => state.notice)
  const [writing, setWriting] = useState(false)
  const [ready, setReady] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setReady(true), WORDS_AFTER_MS)
    return () => clearTimeout(timer)
  }, [])
  useEffect(() => {
    if (!notice || writing) return
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
  const { text, again } = notice
  const unanswered = messagesOutsideCalls ? notice.unanswered : null
  return (
    <div className="pointer-events-auto max-w-[min(34rem,calc(100vw-2rem))] animate-rise rounded-tile border border-line bg-raised py-1.5 ps-5 pe-1.5 shadow-float">
      <div className="flex items-center gap-2">
        <p className="flex-1 py-2 pe-3 text-sm font-medium">
          {unanswered ? t`No answer — leave a message?` : text}
        </p>
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
      {unanswered && <LeaveMessage callId={unanswered} onWriting={onWriting} />}
    </div>
  )
}

function LeaveMessage({ callId, onWriting }: { callId: string; onWriting: (writing: boolean) => void }) {
  const [text, setText] = useState('')
  useEffect(() => () => onWriting(false), [onWriting])
  return (
    <form
      className="flex gap-2 pe-2 pb-2"
      onSubmit={(event) => {
        event.preventDefault()
        if (text.trim()) void attempt(parley.leaveMessage(callId, text.trim()))
      }}
    >
      <input
        aria-label={t`Message to leave`}
        maxLength={4000}
        value={text}
        onFocus={() => onWriting(true)}
        onBlur={() => onWriting(text !== '')}
        onChange={(event) => setText(event.target.value)}
        className="h-11 min-w-0 flex-1 rounded-control border border-strong bg-raised px-3 text-base"
      />
      <IconButton label={t`Leave the message`} look="accent" type="submit">
        <SendHorizontal aria-hidden className="size-5 rtl:-scale-x-100" />
      </IconButton>
    </form>
  )
}
