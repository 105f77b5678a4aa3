import { t } from '@lingui/core/macro'
import { SendHorizontal } from 'lucide-react'
import { useEffect, useState } from 'react'
import { parley } from '../../state/parley'
import { IconButton } from '../../ui/Button'
import { attempt } from './attempt'

interface Props {
  callId: string
  className: string
  /** It shows by itself that it was left. */
  quietly?: boolean
  /** Something is being written: do not take the field away. */
  onWriting?: (writing: boolean) => void
}

/** A line for those who did not answer. */
export function LeaveMessage({ callId, className, quietly, onWriting }: Props) {
  const [text, setText] = useState('')
  const [busy, setBusy] = useState(false)
  useEffect(() => () => onWriting?.(false), [onWriting])
  const send = async () => {
    setBusy(true)
    if (await attempt(parley.leaveMessage(callId, text.trim(), quietly))) setText('')
    setBusy(false)
  }
  return (
    <form
      className={className}
      onSubmit={(event) => {
        event.preventDefault()
        if (text.trim() && !busy) void send()
      }}
    >
      <input
        aria-label={t`Message to leave`}
        placeholder={t`Leave a message`}
        maxLength={4000}
        value={text}
        onFocus={() => onWriting?.(true)}
        onBlur={() => onWriting?.(text !== '')}
        onChange={(event) => setText(event.target.value)}
        className="h-11 min-w-0 flex-1 rounded-control border border-strong bg-raised px-3 text-base placeholder:text-soft"
      />
      <IconButton label={t`Leave the message`} look="accent" type="submit">
        <SendHorizontal aria-hidden className="size-5 rtl:-scale-x-100" />
      </IconButton>
    </form>
  )
}
