import { t } from '@lingui/core/macro'
import { Phone, PhoneOff, Video } from 'lucide-react'
import { useEffect } from 'react'
import type { Call } from '../../api/types'
import { callerOf, othersIn, ringingCall } from '../../call/model'
import { ring, ringOnce } from '../../call/ringtone'
import { listNames, nameOf } from '../../call/sentences'
import { notify } from '../../state/notifications'
import { parley, useParley } from '../../state/parley'
import { Avatar } from '../../ui/Avatar'
import { Button } from '../../ui/Button'
import { Modal } from '../../ui/Modal'
import { Reply } from './Reply'

/** Whatever is open, a call that rings lies over it; it goes when the ringing stops, for whichever reason. */
export function IncomingCall() {
  const call = useParley(({ world, session }) => {
    const ringing = ringingCall(world)
    return ringing && ringing.id !== session?.call?.id ? ringing : null
  })
  return call ? <Sheet key={call.id} call={call} /> : null
}

function Sheet({ call }: { call: Call }) {
  const caller = callerOf(call)
  const contacts = useParley(({ world }) => world.contacts)
  const meId = useParley(({ world }) => world.me?.id ?? '')
  // The call that goes on meanwhile; answering pauses it.
  const other = useParley(({ session }) =>
    session ? listNames(session.people.map((user) => nameOf(user, contacts[user.id]))) : null,
  )
  const busy = other !== null
  const name = caller ? nameOf(caller, contacts[caller.id]) : t`Somebody`
  const more = othersIn(call, meId).filter(({ user }) => user.id !== caller?.id)
  const names = listNames(more.map(({ user }) => nameOf(user, contacts[user.id])))
  // What the caller writes while it rings.
  const said = useParley(({ words }) => (words?.callId === call.id ? words.text : null))
  const kind = call.video ? t`Incoming video call` : t`Incoming audio call`
  const words = t`${name} is calling…`
  useEffect(() => (busy ? ringOnce() : ring()), [busy])
  useEffect(() => notify(words, kind, call.id), [words, kind, call.id])
  useTitle(words)
  return (
    <Modal
      label={t`Incoming call`}
      firm
      onClose={() => undefined}
      className="max-sm:mx-4 max-sm:mt-auto max-sm:mb-[max(1rem,env(safe-area-inset-bottom))] sm:w-96"
    >
      <div className="flex max-h-[calc(100dvh-2rem)] flex-col items-center overflow-y-auto px-6 pt-9 pb-6 text-center short:pt-5">
        {caller && (
          <span className="relative short:hidden">
            <span aria-hidden className="absolute inset-0 animate-halo rounded-full bg-accent" />
            <Avatar user={caller} size="xl" className="relative" />
          </span>
        )}
        <p className="mt-6 text-lg font-semibold wrap-anywhere short:mt-0">{name}</p>
        <p className="mt-1 text-soft">{kind}</p>
        {more.length > 0 && <p className="mt-1 text-soft">{t`With ${names}`}</p>}
        {said && (
          <blockquote
            role="status"
            dir="auto"
            className="mt-4 max-w-full rounded-tile bg-sunken px-4 py-2.5 wrap-anywhere whitespace-pre-wrap"
          >
            {said}
          </blockquote>
        )}
        {busy && <p className="mt-3 text-soft">{t`Answering pauses your call with ${other}.`}</p>}
        <div className="mt-8 grid w-full grid-cols-2 gap-3 short:mt-5">
          <Button
            look="danger"
            className="min-h-13"
            icon={<PhoneOff aria-hidden className="size-5" />}
            onClick={() => void parley.decline(call)}
          >
            {t`Decline`}
          </Button>
          <Button
            look="accent"
            className="min-h-13"
            icon={
              call.video ? <Video aria-hidden className="size-5" /> : <Phone aria-hidden className="size-5" />
            }
            onClick={() => parley.answer(call, call.video)}
          >
            {t`Answer`}
          </Button>
          {call.video && (
            <Button
              look="quiet"
              className="col-span-2 text-soft"
              icon={<Phone aria-hidden className="size-4" />}
              onClick={() => parley.answer(call, false)}
            >
              {t`Audio-only answer`}
            </Button>
          )}
          <Reply call={call} />
        </div>
      </div>
    </Modal>
  )
}

/** The tab says who calls, in turns with its own name, so that it is noticed among others. */
function useTitle(words: string): void {
  useEffect(() => {
    const before = document.title
    let on = true
    const show = () => {
      document.title = on ? words : before
      on = !on
    }
    show()
    const timer = setInterval(show, 1_000)
    return () => {
      clearInterval(timer)
      document.title = before
    }
  }, [words])
}
