import { t } from '@lingui/core/macro'
import { PhoneCall } from 'lucide-react'
import { useMemo, useState } from 'react'
import { Navigate, useParams } from 'react-router'
import { ongoingCall, unreadFrom } from '../../call/model'
import { otherName } from '../../call/sentences'
import { callsOf, lastCallWith, useHistory } from '../../state/history'
import { parley, useParley } from '../../state/parley'
import { useLinkLost } from '../../state/useLinkLost'
import { useOffline } from '../../state/useOffline'
import { useWide } from '../../state/useMedia'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Logo } from '../../ui/Logo'
import { AccountMenu } from './AccountMenu'
import { AddContact } from './AddContact'
import { ContactList } from './ContactList'
import { DeviceCheck } from './DeviceCheck'
import { HistoryList } from './HistoryList'
import { NoticeBar } from './NoticeBar'
import { NotifyPrompt } from './NotifyPrompt'
import { PersonPanel } from './PersonPanel'
import { SelectionBar } from './SelectionBar'
import { useWelcome, Welcome } from './Welcome'

export function HomePage() {
  const { personId } = useParams()
  const [adding, setAdding] = useState(false)
  const { me, contacts, ready } = useParley(({ world }) => world)
  const lost = useLinkLost()
  const history = useHistory()
  const calls = useMemo(() => callsOf(history), [history])
  const meId = me?.id ?? ''
  const last = useMemo(() => lastCallWith(calls, meId), [calls, meId])
  const unread = useMemo(() => unreadFrom(calls), [calls])
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set())
  const wide = useWide()
  const first = useWelcome(meId)
  if (!me) return null
  const chosen = personId ? contacts[personId] : undefined
  const person = chosen?.state === 'accepted' ? chosen : undefined
  if (personId && ready && !person) return <Navigate to="/" replace />
  const selected = [...picked].flatMap((id) =>
    contacts[id]?.state === 'accepted' ? [contacts[id].user] : [],
  )
  const selection = {
    ids: picked,
    toggle: (id: string) =>
      setPicked((before) => {
        const after = new Set(before)
        if (!after.delete(id)) after.add(id)
        return after
      }),
  }
  const name = me.display_name
  const somebody = Object.values(contacts).some(({ state }) => state === 'accepted')
  const hints = (
    <>
      {first && <Welcome me={me} onFind={() => setAdding(true)} />}
      {!first && somebody && <NotifyPrompt />}
      {!first && <DeviceCheck />}
    </>
  )

  // Where the greeting beside the list has no room, the page still has a name.
  const Brand = wide ? 'span' : 'h1'

  return (
    <main className="wide:grid wide:h-dvh wide:grid-cols-[23.5rem_1fr]">
      <div
        className={cx(
          'flex min-h-dvh flex-col wide:min-h-0 wide:border-e wide:border-line wide:bg-surface',
          person && 'max-[899.98px]:hidden',
        )}
      >
        <header className="sticky top-0 z-10 flex items-center justify-between bg-bg px-4 pt-[max(0.75rem,env(safe-area-inset-top))] pb-2 wide:bg-surface">
          <span className="flex items-center gap-2.5">
            <Logo className="size-8" />
            <Brand className="text-base font-semibold tracking-tight">Parley</Brand>
          </span>
          <AccountMenu me={me} />
        </header>
        <LostStrip shown={lost} />
        <section className="min-h-0 flex-1 pt-1 wide:overflow-y-auto wide:pb-6" aria-label={t`Contacts`}>
          <OngoingCall />
          {first && !wide && <div className="mx-4 mb-5">{hints}</div>}
          <ContactList
            contacts={Object.values(contacts)}
            last={last}
            unread={unread}
            meId={meId}
            ready={ready}
            selection={selection}
            onAdd={() => setAdding(true)}
          />
          <section className="mt-8 px-4 pb-10 wide:hidden" aria-label={t`Latest calls`}>
            {(history.isPending || history.isError || calls.length > 0) && (
              <>
                <h2 className="mb-1 text-xs font-medium text-soft">{t`Latest calls`}</h2>
                <HistoryList
                  calls={calls.slice(0, 10)}
                  history={history}
                  meId={meId}
                  contacts={contacts}
                  named
                  empty=""
                />
              </>
            )}
          </section>
          {!first && !wide && ready && <div className="space-y-4 px-4 pb-10">{hints}</div>}
        </section>
        <SelectionBar people={selected} onClear={() => setPicked(new Set())} />
      </div>
      <div className={cx('wide:min-h-0 wide:overflow-y-auto', !person && 'max-[899.98px]:hidden')}>
        {person ? (
          <PersonPanel
            key={person.user.id}
            contact={person}
            contacts={contacts}
            calls={calls}
            history={history}
            meId={meId}
          />
        ) : (
          <div className="mx-auto w-full max-w-xl px-8 pt-[7dvh] pb-10">
            <h1 className="text-xl font-semibold">{t`Hello, ${name}`}</h1>
            <p className="mt-2 text-base text-soft">
              {!ready || Object.keys(contacts).length > 0
                ? t`Choose somebody on the left, or call straight from the list.`
                : t`Calls begin with a contact. Find somebody by name and ask.`}
            </p>
            {wide && <div className="mt-8 space-y-4">{hints}</div>}
            <section className="mt-8" aria-label={t`Latest calls`}>
              <h2 className="mb-1 text-xs font-medium text-soft">{t`Latest calls`}</h2>
              <HistoryList
                calls={calls}
                history={history}
                meId={meId}
                contacts={contacts}
                named
                empty={t`No calls yet. They will be listed here.`}
              />
            </section>
          </div>
        )}
      </div>
      {adding && <AddContact onClose={() => setAdding(false)} />}
      <NoticeBar />
    </main>
  )
}

function LostStrip({ shown }: { shown: boolean }) {
  const offline = useOffline()
  return (
    <div role="status" className="px-4">
      {(shown || offline) && (
        <p className="mb-3 flex animate-fade items-center gap-2.5 rounded-control bg-sunken px-3.5 py-2.5 text-soft">
          <span aria-hidden className="size-2 shrink-0 animate-breathe rounded-full bg-away" />
          {offline
            ? t`You are offline. Parley comes back by itself once there is a network.`
            : t`Connection lost, reconnecting…`}
        </p>
      )}
    </div>
  )
}

/** In a call, but not in this tab: after a reload, or because it is open elsewhere. */
function OngoingCall() {
  const call = useParley(({ world, session }) => (session ? null : ongoingCall(world)))
  const { me, contacts } = useParley(({ world }) => world)
  const elsewhere = useParley((state) => call !== null && state.elsewhere === call.id)
  const onOther = useParley((state) => call !== null && state.onOther === call.id)
  if (!call || !me) return null
  const name = otherName(call, me.id, contacts)
  return (
    <section
      aria-label={t`Call in progress`}
      className="mx-4 mb-4 animate-fade rounded-tile bg-tint p-4 text-on-tint"
    >
      <p className="flex items-center gap-2.5 font-medium">
        <PhoneCall aria-hidden className="size-4 shrink-0" />
        {t`You are in a call with ${name}`}
      </p>
      {elsewhere && <p className="mt-1">{t`It is open in another tab.`}</p>}
      {onOther && <p className="mt-1">{t`It is open on another device.`}</p>}
      <div className="mt-3 flex gap-2">
        {!onOther && (
          <Button look="accent" className="flex-1" onClick={() => parley.returnTo(call)}>
            {elsewhere ? t`Move it here` : t`Return to call`}
          </Button>
        )}
        <Button onClick={() => void parley.leaveOngoing(call)}>{t`Leave call`}</Button>
      </div>
    </section>
  )
}
