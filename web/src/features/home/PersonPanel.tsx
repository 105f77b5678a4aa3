import { ArrowLeft, Phone, UserMinus, Video } from 'lucide-react'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { ApiError } from '../../api/client'
import type { Call, Contact } from '../../api/types'
import { problemSentence } from '../../call/controller'
import { othersIn } from '../../call/model'
import { nameOf } from '../../call/sentences'
import type { History } from '../../state/history'
import { parley } from '../../state/parley'
import { Avatar, presenceWord } from '../../ui/Avatar'
import { Button } from '../../ui/Button'
import { Modal } from '../../ui/Modal'
import { HistoryList } from './HistoryList'

interface Props {
  contact: Contact
  contacts: Readonly<Record<string, Contact>>
  calls: readonly Call[]
  history: History
  meId: string
}

export function PersonPanel({ contact, contacts, calls, history, meId }: Props) {
  const [asking, setAsking] = useState(false)
  const navigate = useNavigate()
  const { user, presence } = contact
  const name = nameOf(user, contact)
  const shared = calls.filter((call) => othersIn(call, meId).some((member) => member.user.id === user.id))
  const remove = async () => {
    setAsking(false)
    try {
      await parley.removeContact(user.id)
      void navigate('/')
    } catch (error) {
      parley.say(error instanceof ApiError ? problemSentence(error) : String(error), 'error')
    }
  }
  return (
    <div className="mx-auto w-full max-w-xl px-5 pt-3 pb-10 wide:pt-[9dvh]">
      <Link
        to="/"
        className="-ms-2 mb-4 inline-flex min-h-11 items-center gap-2 rounded-control px-2 font-medium text-soft hover:bg-sunken wide:hidden"
      >
        <ArrowLeft aria-hidden className="size-5 rtl:-scale-x-100" />
        Everybody
      </Link>
      <div className="flex flex-col items-center text-center">
        <Avatar user={user} size="xl" presence={presence} className="[&>span:last-child]:ring-bg" />
        <h1 className="mt-5 text-xl font-semibold">{name}</h1>
        <p className="mt-1 text-soft">
          @{user.username} · {presenceWord(presence)}
        </p>
        <div className="mt-6 flex flex-wrap justify-center gap-3">
          <Button
            look="accent"
            className="min-h-12 px-6"
            icon={<Video aria-hidden className="size-5" />}
            aria-label="Start video call"
            onClick={() => parley.startCall(user, true)}
          >
            Video call
          </Button>
          <Button
            className="min-h-12 px-6"
            icon={<Phone aria-hidden className="size-5" />}
            aria-label="Start audio call"
            onClick={() => parley.startCall(user, false)}
          >
            Audio call
          </Button>
        </div>
      </div>
      <section className="mt-10" aria-label="Calls together">
        <h2 className="mb-1 text-xs font-medium text-soft">Calls together</h2>
        <HistoryList
          calls={shared}
          history={history}
          meId={meId}
          contacts={contacts}
          named={false}
          empty={`You and ${name} have not called yet.`}
        />
      </section>
      <div className="mt-8 border-t border-line pt-4">
        <Button
          look="quiet"
          className="-ms-4 text-danger-text"
          icon={<UserMinus aria-hidden className="size-4" />}
          onClick={() => setAsking(true)}
        >
          Remove contact
        </Button>
      </div>
      {asking && (
        <Modal label={`Remove ${name}`} onClose={() => setAsking(false)}>
          <div className="p-6">
            <h2 className="text-base font-semibold">Remove {name} from your contacts?</h2>
            <p className="mt-2 text-soft">
              You will no longer see when {name} is around, and neither of you can call the other. You can ask
              again at any time.
            </p>
            <div className="mt-6 flex justify-end gap-2">
              <Button data-first onClick={() => setAsking(false)}>
                Keep
              </Button>
              <Button look="danger" onClick={() => void remove()}>
                Yes, remove
              </Button>
            </div>
          </div>
        </Modal>
      )}
    </div>
  )
}
