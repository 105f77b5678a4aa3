import { Volume2 } from 'lucide-react'
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import type { User } from '../../api/types'
import { ringBack } from '../../call/ringtone'
import { elapsedWords, listNames, nameOf } from '../../call/sentences'
import type { SessionView } from '../../call/session'
import { parley, useParley } from '../../state/parley'
import { useLinkLost } from '../../state/useLinkLost'
import { Avatar } from '../../ui/Avatar'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Controls } from './Controls'
import { DeviceTrouble, troubleOf } from './DeviceTrouble'
import { bestGrid } from './grid'
import { SelfCorner } from './SelfCorner'
import { Remote } from './Tiles'

const FADES_AFTER_MS = 4_000
const ASKING_FOR_MS = 1_500

export default function CallScreen({ me }: { me: User }) {
  const session = useParley((state) => state.session)
  return session ? <Screen me={me} session={session} /> : <div className="h-dvh bg-stage" />
}

function Screen({ me, session }: { me: User; session: SessionView }) {
  const [blocked, setBlocked] = useState<(() => void) | null>(null)
  const onBlocked = useCallback((play: () => void) => setBlocked(() => play), [])
  const idle = useIdle(FADES_AFTER_MS)
  const lost = useLinkLost()
  const contacts = useParley(({ world }) => world.contacts)
  const talking = session.tiles.length > 0
  const faded = idle && talking && session.media === 'connected' && !troubleOf(session)
  const names = listNames(session.people.map((user) => nameOf(user, contacts[user.id])))
  useKeys()
  useWakeLock(talking)
  useEffect(() => {
    const before = document.title
    document.title = `${names} · Parley`
    return () => void (document.title = before)
  }, [names])

  return (
    <main
      data-theme="dark"
      className="relative flex h-dvh flex-col overflow-hidden bg-stage text-white select-none"
      aria-label={`Call with ${names}`}
    >
      <header
        className={cx(
          'flex min-h-13 items-center gap-3 ps-[max(1.25rem,env(safe-area-inset-left))] pe-5 pt-[env(safe-area-inset-top)]',
          'transition-opacity duration-200',
          faded && !lost && 'opacity-0',
        )}
      >
        <h1 className="truncate text-sm font-semibold">{talking ? names : 'Parley'}</h1>
        {session.since !== null && <Elapsed since={session.since} />}
        <p role="status" className="ms-auto flex items-center gap-2 text-sm text-white/80">
          {(lost || session.media === 'reconnecting') && (
            <>
              <span aria-hidden className="size-2 animate-breathe rounded-full bg-away" />
              {lost ? 'Connection lost, reconnecting…' : 'Reconnecting…'}
            </>
          )}
        </p>
      </header>

      <div className="relative min-h-0 flex-1 px-2 sm:px-3">
        {talking ? (
          <Stage session={session} onBlocked={onBlocked} />
        ) : (
          <Waiting session={session} names={names} />
        )}
        <SelfCorner me={me} session={session} />
        <div className="pointer-events-none absolute inset-x-0 top-3 z-20 flex flex-col items-center gap-3 *:pointer-events-auto">
          <DeviceTrouble session={session} />
          <Asking session={session} />
          {blocked && (
            <Button
              look="accent"
              icon={<Volume2 aria-hidden className="size-5" />}
              onClick={() => {
                setBlocked(null)
                blocked()
              }}
            >
              Click to hear
            </Button>
          )}
        </div>
      </div>

      <div className="flex justify-center pt-3 pb-[max(0.875rem,env(safe-area-inset-bottom))]">
        <Controls session={session} faded={faded} />
      </div>
    </main>
  )
}

function Stage({ session, onBlocked }: { session: SessionView; onBlocked: (play: () => void) => void }) {
  const box = useRef<HTMLDivElement>(null)
  const [size, setSize] = useState({ width: 16, height: 9 })
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const sizes = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height })
    })
    sizes.observe(element)
    return () => sizes.disconnect()
  }, [])
  const { columns, rows } = bestGrid(session.tiles.length, size.width, size.height)
  return (
    <div
      ref={box}
      className="grid size-full gap-2"
      style={{
        gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
        gridTemplateRows: `repeat(${rows}, minmax(0, 1fr))`,
      }}
    >
      {session.tiles.map((tile) => (
        <Remote key={tile.member.user.id} tile={tile} session={session} onBlocked={onBlocked} />
      ))}
    </div>
  )
}

/** Before anybody else is there. */
function Waiting({ session, names }: { session: SessionView; names: string }) {
  const calling = session.origin === 'outgoing' || session.call?.state === 'ringing'
  useEffect(() => (calling ? ringBack() : undefined), [calling])
  const [person] = session.people
  return (
    <div className="flex size-full flex-col items-center justify-center rounded-tile bg-tile pb-16 text-center">
      {person && (
        <span className="relative">
          {calling && <span aria-hidden className="absolute inset-0 animate-halo rounded-full bg-accent" />}
          <Avatar user={person} size="xl" className="relative" />
        </span>
      )}
      <p className="mt-7 px-6 text-xl font-semibold">{names}</p>
      <p role="status" className="mt-2 text-base text-white/75">
        {calling ? 'Calling…' : 'Connecting…'}
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
      Your browser asks whether Parley may use your{' '}
      {session.camera === 'asking' ? 'camera and microphone' : 'microphone'}.
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

function useIdle(ms: number): boolean {
  const [idle, setIdle] = useState(false)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>
    const stir = () => {
      setIdle(false)
      clearTimeout(timer)
      timer = setTimeout(() => setIdle(true), ms)
    }
    const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const
    for (const event of events) addEventListener(event, stir, { passive: true })
    stir()
    return () => {
      clearTimeout(timer)
      for (const event of events) removeEventListener(event, stir)
    }
  }, [ms])
  return idle
}

/** M and V, as elsewhere. */
function useKeys(): void {
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return
      if (event.key === 'm' || event.key === 'M') parley.toggleMicrophone()
      else if (event.key === 'v' || event.key === 'V') parley.toggleCamera()
    }
    addEventListener('keydown', key)
    return () => removeEventListener('keydown', key)
  }, [])
}

/** The screen stays awake while people talk. */
function useWakeLock(on: boolean): void {
  useEffect(() => {
    if (!on || !('wakeLock' in navigator)) return
    let lock: WakeLockSentinel | null = null
    let over = false
    const take = async () => {
      if (document.visibilityState !== 'visible') return
      try {
        const taken = await navigator.wakeLock.request('screen')
        if (over) void taken.release()
        else lock = taken
      } catch {
        // Low battery, or not allowed: then the screen sleeps.
      }
    }
    void take()
    document.addEventListener('visibilitychange', take)
    return () => {
      over = true
      document.removeEventListener('visibilitychange', take)
      void lock?.release().catch(() => undefined)
    }
  }, [on])
}
