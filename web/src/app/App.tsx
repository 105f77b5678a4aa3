import { t } from '@lingui/core/macro'
import { useLingui } from '@lingui/react'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { Navigate, Route, Routes, useLocation, useNavigate } from 'react-router'
import type { AppState } from '../call/state'
import { SignIn, SignUp } from '../features/auth/AuthPage'
import { HomePage } from '../features/home/HomePage'
import { HeldCall } from '../features/ringing/HeldCall'
import { IncomingCall } from '../features/ringing/IncomingCall'
import { CallDock } from '../features/stage/CallDock'
import { parley, useParley } from '../state/parley'
import { useOffline } from '../state/useOffline'
import { Logo } from '../ui/Logo'
import { Broken, NotFound } from './Empty'

const loadCallScreen = () => import('./CallPage')
const CallScreen = lazy(loadCallScreen)
const SettingsPage = lazy(() => import('../features/settings/SettingsPage'))

export function App() {
  const auth = useParley((state) => state.auth)
  // Another language draws the page anew: nothing below is memoized.
  useLingui()
  return (
    <Broken>
      <Screen auth={auth} />
    </Broken>
  )
}

function Screen({ auth }: { auth: AppState['auth'] }) {
  switch (auth) {
    case 'unknown':
      return <Splash />
    case 'unreachable':
      return <Unreachable />
    case 'signed_out':
      return (
        <Routes>
          <Route path="/sign-in" element={<SignIn />} />
          <Route path="/sign-up" element={<SignUp />} />
          <Route path="*" element={<Navigate to="/sign-in" replace />} />
        </Routes>
      )
    case 'signed_in':
      return <SignedIn />
  }
}

function SignedIn() {
  const me = useParley(({ world }) => world.me)
  const inCall = useLocation().pathname.startsWith('/call/')
  useFollowCall()
  // So that the click on a call finds its screen loaded.
  useEffect(() => {
    const timer = setTimeout(() => void loadCallScreen().catch(() => undefined), 500)
    return () => clearTimeout(timer)
  }, [])
  return (
    <>
      <Routes>
        <Route path="/" element={<HomePage />} />
        <Route
          path="/settings"
          element={<Suspense fallback={null}>{me && <SettingsPage me={me} />}</Suspense>}
        />
        <Route path="/people/:personId" element={<HomePage />} />
        <Route
          path="/call/:callId"
          element={
            <Suspense fallback={<div className="h-dvh bg-stage" />}>{me && <CallScreen me={me} />}</Suspense>
          }
        />
        <Route path="/sign-in" element={<Navigate to="/" replace />} />
        <Route path="/sign-up" element={<Navigate to="/" replace />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
      {!inCall && <CallDock />}
      <HeldCall docked={!inCall} />
      <IncomingCall />
    </>
  )
}

/** The address follows the call: there while it lasts, Home when it is over; and after a reload, back into it. */
function useFollowCall(): void {
  const active = useParley((state) => state.session !== null)
  const id = useParley((state) => state.session?.call?.id ?? null)
  const ready = useParley((state) => state.world.ready)
  const { pathname } = useLocation()
  const navigate = useNavigate()
  const was = useRef({ active: false, id: null as string | null })
  const opened = useRef(pathname)

  useEffect(() => {
    const before = was.current
    was.current = { active, id }
    const at = /^\/call\/([^/]+)/.exec(pathname)?.[1]
    if (active) {
      if (!before.active && !at) void navigate(`/call/${id ?? 'new'}`)
      else if (id !== null && at && at !== id) void navigate(`/call/${id}`, { replace: true })
      return
    }
    if (!at) return
    if (before.active) {
      void navigate('/', { replace: true })
      return
    }
    if (!ready) return
    const call = opened.current === pathname ? parley.resumable() : null
    opened.current = ''
    if (call && call.id === decodeURIComponent(at)) parley.returnTo(call)
    else void navigate('/', { replace: true })
  }, [active, id, pathname, ready, navigate])
}

function Unreachable() {
  const offline = useOffline()
  return (
    <Splash
      words={
        offline
          ? t`You are offline. Parley comes back by itself once there is a network.`
          : t`The server cannot be reached. Trying again…`
      }
    />
  )
}

const SLOW_MS = 4_000

function Splash({ words }: { words?: string }) {
  const [slow, setSlow] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), SLOW_MS)
    return () => clearTimeout(timer)
  }, [])
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center gap-5 p-6">
      <Logo className="size-14 animate-breathe" />
      <h1 className="sr-only">Parley</h1>
      <p role="status" className="min-h-5 text-center text-soft">
        {words ?? (slow && t`The connection is slow. Still trying…`)}
      </p>
    </main>
  )
}
