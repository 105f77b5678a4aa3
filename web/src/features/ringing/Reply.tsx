import { t } from '@lingui/core/macro'
import { MessageSquareText, SendHorizontal } from 'lucide-react'
import { useId, useState } from 'react'
import type { Call } from '../../api/types'
import { parley } from '../../state/parley'
import { Button, IconButton } from '../../ui/Button'

/** A ready sentence or one's own, and the call is declined with it. */
export function Reply({ call }: { call: Call }) {
  const [open, setOpen] = useState(false)
  const [text, setText] = useState('')
  const id = useId()
  const ready = [
    t`I cannot talk now. I will call you back.`,
    t`I am late, ten minutes.`,
    t`Please write to me.`,
  ]
  const send = (words: string) => {
    if (words.trim()) void parley.replyAndReject(call, words.trim())
  }
  return (
    <>
      <Button
        look="quiet"
        className="col-span-2 text-soft"
        aria-expanded={open}
        aria-controls={id}
        icon={<MessageSquareText aria-hidden className="size-4" />}
        onClick={() => setOpen(!open)}
      >
        {t`Reply and reject`}
      </Button>
      <div id={id} hidden={!open} className="col-span-2 space-y-2 text-start">
        {ready.map((words) => (
          <Button key={words} wide className="justify-start" onClick={() => send(words)}>
            {words}
          </Button>
        ))}
        <form
          className="flex gap-2"
          onSubmit={(event) => {
            event.preventDefault()
            send(text)
          }}
        >
          <input
            aria-label={t`Your own reply`}
            maxLength={4000}
            value={text}
            onChange={(event) => setText(event.target.value)}
            className="h-11 min-w-0 flex-1 rounded-control border border-strong bg-raised px-3 text-base"
          />
          <IconButton label={t`Send the reply`} look="accent" type="submit">
            <SendHorizontal aria-hidden className="size-5 rtl:-scale-x-100" />
          </IconButton>
        </form>
      </div>
    </>
  )
}
