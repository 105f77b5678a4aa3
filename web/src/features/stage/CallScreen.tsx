import { plural, t } from '@lingui/core/macro'
import { Pause, Volume2 } from 'lucide-react'
import type { ReactNode } from 'react'
import { useEffect, useState } from 'react'
import type { Member, User } from '../../api/types'
import { ringBack } from '../../call/ringtone'
import { elapsedWords, listNames, nameOf } from '../../call/sentences'
import type { SessionView } from '../../call/view'
import { parley, useParley } from '../../state/parley'
import { useLinkLost } from '../../state/useLinkLost'
import { useMedia } from '../../state/useMedia'
import { useOffline } from '../../state/useOffline'
import { Avatar } from '../../ui/Avatar'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'
import type { DeviceMenu } from './Controls'
import { Controls } from './Controls'
import { Details } from './Details'
import { DeviceTrouble, troubleOf } from './DeviceTrouble'
import { Help } from './Help'
import { useIdle, useKeys, useVisibleHeight, useWakeLock } from './hooks'
import { floats } from './layout'
import { SelfCorner } from './SelfCorner'
import { SidePanel } from './SidePanel'
import { Stage } from './Stage'
import { Streams, WatchedMark } from './Streams'
import { Toasts, useHappenings } from './Toasts'
import { useStage } from './view'

const FADES_AFTER_MS = 4_000
const ASKING_FOR_MS = 1_500

/** What other features put into the call. */
export interface Parts {
  chat: ReactNode
  people: ReactNode
  devices: ReactNode
  DeviceMenu: DeviceMenu
}

export function CallScreen({ me, parts }: { me: User; parts: Parts }) {
  const session = useParley((state) => state.session)
  return session ? <Screen me={me} session={session} parts={parts} /> : <div className="h-dvh bg-stage" />
}

function Screen({ me, session, parts }: { me: User; session: SessionView; parts: Parts }) {
  const idle = useIdle(FADES_AFTER_MS)
  const offline = useOffline()
  const lost = useLinkLost() || offline
  const wide = useMedia('(width >= 640px) and (height >= 480px)')
  const height = useVisibleHeight()
  const contacts = useParley(({ world }) => world.contacts)
  const { panel, help, streams, selfHidden } = useStage()
  const { paused, tiles, screens, sharing } = session
  const talking = tiles.length > 0
  const linkless = lost || session.media === 'reconnecting'
  const faded =
    idle && talking && session.media === 'connected' && !troubleOf(session) && !paused && panel === null
  const names = listNames(session.people.map((user) => nameOf(user, contacts[user.id])))
  const floating = floats(tiles.length + screens.length + (sharing === 'on' ? 1 : 0))
  useKeys()
  useWakeLock(talking)
  useHappenings(session.call, me.id)
  useEffect(() => () => useStage.getState().reset(), [])
  useEffect(() => parley.chatOpen(panel === 'chat'), [panel])
  useEffect(() => {
    const before = document.title
    document.title = `${names} · Parley`
    return () => void (document.title = before)
  }, [names])

  return (
    <main
      data-theme="dark"
      style={height === null ? undefined : { height }}
      className="relative flex h-dvh flex-col overflow-hidden bg-stage text-white select-none"
      aria-label={t`Call with ${names}`}
    >
      <header
        className={cx(
          'flex min-h-13 items-center gap-3 px-[max(1.25rem,env(safe-area-inset-left),env(safe-area-inset-right))] pt-[env(safe-area-inset-top)] [@media(height<480px)]:min-h-8',
          'transition-opacity duration-200',
          faded && !lost && 'opacity-0',
        )}
      >
        {/* A phone has room for one of them. */}
        <h1 className={cx('truncate text-sm font-semibold', linkless && 'max-sm:sr-only')}>
          {talking ? names : 'Parley'}
        </h1>
        {session.since !== null && <Elapsed since={session.since} />}
        <WatchedMark call={session.call} />
        <p role="status" className="ms-auto flex items-center gap-2 text-sm text-white/80">
          {linkless && (
            <>
              <span aria-hidden className="size-2 shrink-0 animate-breathe rounded-full bg-away" />
              {offline ? t`You are offline` : lost ? t`Connection lost, reconnecting…` : t`Reconnecting…`}
            </>
          )}
        </p>
      </header>

      <div className="relative flex min-h-0 flex-1 gap-2 px-[max(0.5rem,env(safe-area-inset-left),env(safe-area-inset-right))] sm:px-[max(0.75rem,env(safe-area-inset-left),env(safe-area-inset-right))]">
        <div className="relative min-w-0 flex-1">
          {talking ? (
            <Stage me={me} session={session} withSelf={!selfHidden && !floating} />
          ) : (
            <Waiting session={session} names={names} />
          )}
          {floating && !selfHidden && <SelfCorner me={me} session={session} />}
          {paused && <Paused />}
          {session.noRoom && <NoRoom />}
          <div className="pointer-events-none absolute inset-x-0 top-3 z-20 flex flex-col items-center gap-3 *:pointer-events-auto">
            <DeviceTrouble session={session} />
            <Asking session={session} />
            {session.soundBlocked && (
              <Button
                look="accent"
                icon={<Volume2 aria-hidden className="size-5" />}
                onClick={() => parley.hear()}
              >
                {t`Click to hear`}
              </Button>
            )}
            <Toasts />
          </div>
        </div>
        {panel === 'chat' && <SidePanel title={t`Messages`}>{parts.chat}</SidePanel>}
        {panel === 'people' && <SidePanel title={t`People`}>{parts.people}</SidePanel>}
        {panel === 'devices' && <SidePanel title={t`Devices`}>{parts.devices}</SidePanel>}
        {panel === 'details' && (
          <SidePanel title={t`Connection details`}>
            <Details me={me} session={session} />
          </SidePanel>
        )}
      </div>

      <div className="flex justify-center px-1 pt-3 pb-[max(0.875rem,env(safe-area-inset-bottom))] [@media(height<480px)]:py-1.5">
        <Controls session={session} faded={faded} wide={wide} DeviceMenu={parts.DeviceMenu} />
      </div>
      {help && <Help />}
      {streams && session.call && <Streams call={session.call} meId={me.id} />}
    </main>
  )
}

/** Waits with the person; "Leave call" is in the toolbar. */
function NoRoom() {
  return (
    <div className="pointer-events-none absolute inset-x-0 top-0 z-10 flex animate-fade justify-center p-4 sm:p-8">
      <div
        role="alert"
        className="max-w-lg rounded-tile bg-black px-5 py-4 text-center text-balance shadow-lg"
      >
        <p className="text-lg font-semibold">{t`The server is full at the moment`}</p>
        <p className="mt-1 text-base text-white/80">
          {t`You will join as soon as there is room, without doing anything. Or leave the call and try again later.`}
        </p>
      </div>
    </div>
  )
}

/** The way back is the one large button, in the toolbar. */
function Paused() {
  return (
    <div className="pointer-events-none absolute inset-0 z-10 flex animate-fade flex-col items-center justify-center rounded-tile bg-black/55 p-6 text-center">
      <span className="rounded-full bg-black/60 p-5">
        <Pause aria-hidden className="size-9" />
      </span>
      <p
        role="status"
        className="scrim mt-5 max-w-md rounded-tile bg-black/60 px-4 py-2 text-lg font-semibold text-balance"
      >
        {t`You paused — others cannot see or hear you`}
      </p>
    </div>
  )
}

const awaited = ({ state }: Member) => state === 'invited' || state === 'ringing' || state === 'reconnecting'

/** Before anybody else is there, and when everybody else has gone. */
function Waiting({ session, names }: { session: SessionView; names: string }) {
  const calling = session.origin === 'outgoing' || session.call?.state === 'ringing'
  useEffect(() => (calling ? ringBack() : undefined), [calling])
  const [person] = session.people
  if (session.call?.state === 'active' && !session.call.members.some(awaited))
    return (
      <div className="flex size-full flex-col items-center justify-center rounded-tile bg-tile p-6 pb-16 text-center short:pb-2">
        <p className="text-xl font-semibold">{t`Nobody else is here`}</p>
        <p role="status" className="mt-2 text-base text-white/75">
          {t`Wait for others, add people, or leave the call.`}
        </p>
      </div>
    )
  return (
    <div className="flex size-full flex-col items-center justify-center rounded-tile bg-tile pb-16 text-center short:pb-2">
      {person && (
        <span className="relative">
          {calling && <span aria-hidden className="absolute inset-0 animate-halo rounded-full bg-accent" />}
          <Avatar user={person} size="xl" className="relative" />
        </span>
      )}
      <p className="mt-7 line-clamp-3 px-6 text-xl font-semibold">{names}</p>
      <p role="status" className="mt-2 text-base text-white/75">
        {calling ? t`Calling…` : t`Connecting…`}
      </p>
      <p role="status" className="mt-1 min-h-6 text-base text-white/75">
        {calling && session.ringsOn > 0 && (
          <span className="animate-fade">
            {plural(session.ringsOn, { one: 'Ringing on # device', other: 'Ringing on # devices' })}
          </span>
        )}
      </p>
    </div>
  )
}

function Asking({ session }: { session: SessionView }) {
  const asking = session.microphone === 'asking' || session.camera === 'asking'
  const [long, setLong] = useState(false)
  useEffect(() => {
    if (!asking) return
    const timer = setTimeout(() => setLong(true), ASKING_FOR_MS)
    return () => {
      clearTimeout(timer)
      setLong(false)
    }
  }, [asking])
  if (!asking || !long) return null
  return (
    <p
      role="status"
      className="max-w-[calc(100vw-2rem)] animate-rise rounded-tile border border-line bg-raised px-5 py-3.5 text-text shadow-float"
    >
      {session.camera === 'asking'
        ? t`Your browser asks whether Parley may use your camera and microphone.`
        : t`Your browser asks whether Parley may use your microphone.`}
    </p>
  )
}

function Elapsed({ since }: { since: number }) {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return <span className="text-sm text-white/75 tabular-nums">{elapsedWords(now - since)}</span>
}
