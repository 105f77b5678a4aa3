import { t } from '@lingui/core/macro'
import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { api } from '../../api/client'
import type { Call, Contact, Message } from '../../api/types'
import { takesWords } from '../../call/model'
import { nameOf, whenWords } from '../../call/sentences'
import { parley } from '../../state/parley'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Linked } from '../../ui/Linked'
import { Skeleton } from '../../ui/Skeleton'
import { LeaveMessage } from './LeaveMessage'

const PAGES = 20

async function everyMessage(callId: string): Promise<Message[]> {
  const all: Message[] = []
  for (let page = 0; page < PAGES; page++) {
    const { items, next } = await api.listMessages(callId, all.at(-1)?.seq ?? 0)
    all.push(...items)
    if (next === null || items.length === 0) break
  }
  return all
}

interface Props {
  call: Call
  meId: string
  contacts: Readonly<Record<string, Contact>>
}

/** What was written in a call, to be read afterwards; what was left there is read with that. */
export function CallChat({ call, meId, contacts }: Props) {
  const messages = useQuery({ queryKey: ['messages', call.id], queryFn: () => everyMessage(call.id) })
  const last = messages.data?.at(-1)?.seq
  const unread = (call.unread ?? 0) > 0
  useEffect(() => {
    if (unread && last !== undefined) void parley.markRead(call.id, last)
  }, [call.id, unread, last])
  if (messages.isPending)
    return (
      <div role="status" aria-label={t`Loading messages`} className="space-y-2 py-2">
        <Skeleton className="h-8 w-2/3" />
        <Skeleton className="h-8 w-1/2" />
      </div>
    )
  if (messages.isError)
    return (
      <div className="flex flex-wrap items-center gap-3 py-2 text-soft">
        {t`The messages could not be loaded.`}
        <Button onClick={() => void messages.refetch()}>{t`Load messages again`}</Button>
      </div>
    )
  const nameBy = (id: string): string => {
    const member = call.members.find(({ user }) => user.id === id)
    return member ? nameOf(member.user, contacts[id]) : t`Somebody`
  }
  const write = takesWords(call, meId) && (
    <LeaveMessage callId={call.id} className="flex gap-2 pb-3" quietly />
  )
  if (messages.data.length === 0) return write || <p className="py-2 text-soft">{t`Nothing was written.`}</p>
  return (
    <>
      <ul aria-label={t`Chat of this call`} className="space-y-2 pb-3">
        {messages.data.map((message) => {
          const mine = message.user_id === meId
          return (
            <li key={message.id} className={cx('flex flex-col', mine ? 'items-end' : 'items-start')}>
              <span className="px-1 text-xs text-soft">
                {mine ? t`You` : nameBy(message.user_id)} · {whenWords(message.created_at)}
              </span>
              <span
                dir="auto"
                className={cx(
                  'mt-0.5 max-w-[85%] rounded-tile px-3 py-2 wrap-anywhere whitespace-pre-wrap',
                  mine ? 'bg-tint text-on-tint' : 'bg-sunken',
                )}
              >
                <Linked text={message.text} className="underline underline-offset-2" />
              </span>
            </li>
          )
        })}
      </ul>
      {write}
    </>
  )
}
