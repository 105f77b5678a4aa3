import { t } from '@lingui/core/macro'
import { ArrowLeft, Ban, Pencil, Phone, Star, UserMinus, Video } from 'lucide-react'
import type { FormEvent } from 'react'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { ApiError } from '../../api/client'
import type { Call, Contact } from '../../api/types'
import { othersIn } from '../../call/model'
import { nameOf, problemSentence } from '../../call/sentences'
import type { History } from '../../state/history'
import { parley } from '../../state/parley'
import { Alert } from '../../ui/Alert'
import { Avatar, presenceWord } from '../../ui/Avatar'
import { Button, IconButton } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Field } from '../../ui/Field'
import { Modal } from '../../ui/Modal'
import { attempt } from './attempt'
import { HistoryList } from './HistoryList'

interface Props {
  contact: Contact
  contacts: Readonly<Record<string, Contact>>
  calls: readonly Call[]
  history: History
  meId: string
}

type Asking = 'remove' | 'block' | 'nickname' | null

export function PersonPanel({ contact, contacts, calls, history, meId }: Props) {
  const [asking, setAsking] = useState<Asking>(null)
  const navigate = useNavigate()
  const { user, presence, favourite, nickname } = contact
  const name = nameOf(user, contact)
  const shared = calls.filter((call) => othersIn(call, meId).some((member) => member.user.id === user.id))
  const close = () => setAsking(null)
  const remove = async () => {
    close()
    if (await attempt(parley.removeContact(user.id))) void navigate('/')
  }
  const block = async () => {
    close()
    if (await attempt(parley.updateContact(user.id, { blocked: true }))) void navigate('/')
  }
  return (
    <div className="mx-auto w-full max-w-xl px-5 pt-3 pb-10 wide:pt-[7dvh]">
      <Link
        to="/"
        className="-ms-2 mb-4 inline-flex min-h-11 items-center gap-2 rounded-control px-2 font-medium text-soft hover:bg-sunken wide:hidden"
      >
        <ArrowLeft aria-hidden className="size-5 rtl:-scale-x-100" />
        {t`Everybody`}
      </Link>
      <div className="flex flex-col items-center text-center">
        <Avatar user={user} size="xl" presence={presence} className="[&>span:last-child]:ring-bg" />
        <div className="mt-5 flex max-w-full items-center gap-1">
          <span aria-hidden className="size-11" />
          <h1 className="min-w-0 text-xl font-semibold wrap-anywhere">{name}</h1>
          <IconButton
            label={t`Favourite`}
            aria-pressed={favourite}
            onClick={() => void attempt(parley.updateContact(user.id, { favourite: !favourite }))}
          >
            <Star aria-hidden className={cx('size-5', favourite ? 'fill-current text-away' : 'text-soft')} />
          </IconButton>
        </div>
        <p className="mt-1 text-soft">
          {nickname && <>{user.display_name} · </>}@{user.username} · {presenceWord(presence)}
        </p>
        <div className="mt-6 flex flex-wrap justify-center gap-3">
          <Button
            look="accent"
            className="min-h-12 px-6"
            icon={<Video aria-hidden className="size-5" />}
            aria-label={t`Start video call`}
            onClick={() => parley.startCall(user, true)}
          >
            {t`Video call`}
          </Button>
          <Button
            className="min-h-12 px-6"
            icon={<Phone aria-hidden className="size-5" />}
            aria-label={t`Start audio call`}
            onClick={() => parley.startCall(user, false)}
          >
            {t`Audio call`}
          </Button>
        </div>
      </div>
      <section className="mt-10" aria-label={t`Calls together`}>
        <h2 className="mb-1 text-xs font-medium text-soft">{t`Calls together`}</h2>
        <HistoryList
          calls={shared}
          history={history}
          meId={meId}
          contacts={contacts}
          named={false}
          empty={t`You and ${name} have not called yet.`}
        />
      </section>
      <hr className="mt-8 border-line" />
      <div className="-mx-4 flex flex-wrap gap-x-2 pt-4">
        <Button
          look="quiet"
          className="text-soft"
          icon={<Pencil aria-hidden className="size-4" />}
          onClick={() => setAsking('nickname')}
        >
          {nickname ? t`Change nickname` : t`Give a nickname`}
        </Button>
        <Button
          look="quiet"
          className="text-soft"
          icon={<UserMinus aria-hidden className="size-4" />}
          onClick={() => setAsking('remove')}
        >
          {t`Remove contact`}
        </Button>
        <Button
          look="quiet"
          className="text-soft"
          icon={<Ban aria-hidden className="size-4" />}
          onClick={() => setAsking('block')}
        >
          {t`Block`}
        </Button>
      </div>
      {asking === 'nickname' && <Nickname contact={contact} onClose={close} />}
      {asking === 'remove' && (
        <Question
          label={t`Remove ${name}`}
          title={t`Remove ${name} from your contacts?`}
          text={t`You will no longer see when ${name} is around, and neither of you can call the other. You can ask again at any time.`}
          yes={t`Yes, remove`}
          onYes={() => void remove()}
          onClose={close}
        />
      )}
      {asking === 'block' && (
        <Question
          label={t`Block ${name}`}
          title={t`Block ${name}?`}
          text={t`${name} can no longer find you, call you or write to you, and is not told. You can unblock at any time.`}
          yes={t`Yes, block`}
          onYes={() => void block()}
          onClose={close}
        />
      )}
    </div>
  )
}

interface QuestionProps {
  label: string
  title: string
  text: string
  yes: string
  onYes: () => void
  onClose: () => void
}

function Question({ label, title, text, yes, onYes, onClose }: QuestionProps) {
  return (
    <Modal label={label} onClose={onClose}>
      <div className="p-6">
        <h2 className="text-base font-semibold">{title}</h2>
        <p className="mt-2 text-soft">{text}</p>
        <div className="mt-6 flex justify-end gap-2">
          <Button data-first onClick={onClose}>
            {t`Keep`}
          </Button>
          <Button look="danger" onClick={onYes}>
            {yes}
          </Button>
        </div>
      </div>
    </Modal>
  )
}

function Nickname({ contact, onClose }: { contact: Contact; onClose: () => void }) {
  const [text, setText] = useState(contact.nickname ?? '')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | undefined>()
  const fullName = contact.user.display_name
  const save = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      await parley.updateContact(contact.user.id, { nickname: text.trim() || null })
      onClose()
    } catch (error) {
      setProblem(error instanceof ApiError ? problemSentence(error) : String(error))
      setBusy(false)
    }
  }
  return (
    <Modal label={t`Nickname`} onClose={onClose}>
      <form className="space-y-4 p-6" onSubmit={(event) => void save(event)}>
        {problem && <Alert>{problem}</Alert>}
        <Field
          label={t`Nickname for ${fullName}`}
          hint={t`Only you see it. Leave it empty for the real name.`}
          maxLength={64}
          data-first
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <div className="mt-6 flex justify-end gap-2">
          <Button onClick={onClose}>{t`Cancel`}</Button>
          <Button type="submit" look="accent" busy={busy}>
            {t`Save`}
          </Button>
        </div>
      </form>
    </Modal>
  )
}
