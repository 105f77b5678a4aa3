import { Phone, PhoneOff, Video } from 'lucide-react'
import { useEffect } from 'react'
import type { Call } from '../../api/types'
import { callerOf, ringingCall } from '../../call/model'
import { ring } from '../../call/ringtone'
import { nameOf } from '../../call/sentences'
import { parley, useParley } from '../../state/parley'
import { Avatar } from '../../ui/Avatar'
import { Button } from '../../ui/Button'
import { Modal } from '../../ui/Modal'

/** Whatever is open, a call that rings lies over it; it goes when the ringing stops, for whichever reason. */
export function IncomingCall() {
  const call = useParley(({ world, session }) => (session ? null : ringingCall(world)))
  return call ? <Sheet key={call.id} call={call} /> : null
}

function Sheet({ call }: { call: Call }) {
  const caller = callerOf(call)
  const contact = useParley(({ world }) => (caller ? world.contacts[caller.id] : undefined))
  const name = caller ? nameOf(caller, contact) : 'Somebody'
  useEffect(() => ring(), [])
  useTitle(`${name} is calling…`)
  return (
    <Modal
      label="Incoming call"
      firm
      onClose={() => undefined}
      className="max-sm:mx-4 max-sm:mt-auto max-sm:mb-[max(1rem,env(safe-area-inset-bottom))] sm:w-96"
    >
      <div className="flex flex-col items-center px-6 pt-9 pb-6 text-center">
        {caller && (
          <span className="relative">
            <span aria-hidden className="absolute inset-0 animate-halo rounded-full bg-accent" />
            <Avatar user={caller} size="xl" className="relative" />
          </span>
        )}
        <p className="mt-6 text-lg font-semibold">{name}</p>
        <p className="mt-1 text-soft">{call.video ? 'Incoming video call' : 'Incoming audio call'}</p>
        <div className="mt-8 grid w-full grid-cols-2 gap-3">
          <Button
            look="danger"
            className="min-h-13"
            icon={<PhoneOff aria-hidden className="size-5" />}
            onClick={() => void parley.decline(call)}
          >
            Decline
          </Button>
          <Button
            look="accent"
            className="min-h-13"
            icon={
              call.video ? <Video aria-hidden className="size-5" /> : <Phone aria-hidden className="size-5" />
            }
            onClick={() => parley.answer(call, call.video)}
          >
            Answer
          </Button>
          {call.video && (
            <Button
              look="quiet"
              className="col-span-2 text-soft"
              icon={<Phone aria-hidden className="size-4" />}
              onClick={() => parley.answer(call, false)}
            >
              Audio-only answer
            </Button>
          )}
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
