import { t } from '@lingui/core/macro'
import { Trans } from '@lingui/react/macro'
import type { FormEvent, ReactNode } from 'react'
import { useEffect, useRef, useState } from 'react'
import { Link } from 'react-router'
import { ApiError } from '../../api/client'
import { problemSentence } from '../../call/sentences'
import { setFlag } from '../../state/flags'
import { parley } from '../../state/parley'
import { useOffline } from '../../state/useOffline'
import { useServer } from '../../state/server'
import { Alert } from '../../ui/Alert'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Logo } from '../../ui/Logo'

interface FrameProps {
  title: string
  lead: string
  busy: boolean
  children: ReactNode
}

function Frame({ title, lead, busy, children }: FrameProps) {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center px-4 py-10">
      <div className="w-full max-w-[25rem]">
        <div className="mb-8 flex items-center justify-center gap-3">
          <Logo className="size-10" />
          <span className="text-lg font-semibold tracking-tight">Parley</span>
        </div>
        <div className="rounded-tile border border-line bg-surface p-6 sm:p-8">
          <h1 className="text-lg font-semibold">{title}</h1>
          <p className="mt-1 mb-6 text-sm text-soft">{lead}</p>
          {children}
          <Network busy={busy} />
        </div>
      </div>
    </main>
  )
}

const SLOW_MS = 4_000

/** What the network keeps from us, said where one waits for it. */
function Network({ busy }: { busy: boolean }) {
  const offline = useOffline()
  const [slow, setSlow] = useState(false)
  useEffect(() => {
    if (!busy) return
    const timer = setTimeout(() => setSlow(true), SLOW_MS)
    return () => {
      clearTimeout(timer)
      setSlow(false)
    }
  }, [busy])
  return (
    <p role="status" className="text-sm text-soft not-empty:mt-4">
      {offline
        ? t`You are offline. Connect to a network and try again; what you typed stays here.`
        : slow && t`The connection is slow. Still trying…`}
    </p>
  )
}

function useSubmit(run: () => Promise<void>) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<ApiError | null>(null)
  const alive = useRef(true)
  useEffect(() => {
    alive.current = true
    return () => void (alive.current = false)
  }, [])
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    setProblem(null)
    try {
      await run()
    } catch (error) {
      if (alive.current)
        setProblem(error instanceof ApiError ? error : new ApiError('unknown', String(error)))
    } finally {
      if (alive.current) setBusy(false)
    }
  }
  return { busy, problem, setProblem, submit }
}

export function SignIn() {
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const { signups } = useServer()
  const { busy, problem, submit } = useSubmit(() => parley.signIn(username.trim().toLowerCase(), password))
  return (
    <Frame title={t`Welcome back`} lead={t`Sign in to see who is around.`} busy={busy}>
      <form onSubmit={submit} className="space-y-4">
        {problem && (
          <Alert>
            {problem.code === 'bad_credentials'
              ? t`User name and password do not match.`
              : problemSentence(problem)}
          </Alert>
        )}
        <Field
          label={t`Username`}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          autoFocus
          value={username}
          onChange={(event) => setUsername(event.target.value)}
        />
        <Field
          label={t`Password`}
          name="password"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <Button type="submit" look="accent" wide busy={busy} className="mt-2 min-h-12">
          <Trans>Sign in</Trans>
        </Button>
      </form>
      {signups !== 'closed' && (
        <p className="mt-6 text-center text-sm text-soft">
          <Trans>New here?</Trans>{' '}
          <Link
            to="/sign-up"
            className="inline-block py-3 font-medium text-on-tint underline-offset-4 hover:underline"
          >
            <Trans>Create account</Trans>
          </Link>
        </p>
      )}
    </Frame>
  )
}

const FIELDS = ['display_name', 'username', 'password', 'invite'] as const
type FieldName = (typeof FIELDS)[number]

function fieldProblem(problem: ApiError | null, least: number): { field: FieldName; text: string } | null {
  if (problem?.code === 'username_taken')
    return { field: 'username', text: t`Somebody has this user name. Try another one.` }
  if (problem?.code === 'invite_required')
    return { field: 'invite', text: t`This invitation is not known, or was used up. Ask for a new one.` }
  const field = FIELDS.find((name) => name === problem?.field)
  if (!problem || !field) return null
  const TEXT: Record<FieldName, string> = {
    display_name: t`Between 1 and 64 characters.`,
    username: t`3 to 32 characters: small letters, digits, dot, dash and underscore.`,
    password: t`Between ${least} and 256 characters.`,
    invite: t`This is not an invitation.`,
  }
  return { field, text: TEXT[field] }
}

/** An invitation may come as a link: /sign-up?invite=… */
const inviteInAddress = (): string => new URLSearchParams(location.search).get('invite') ?? ''

export function SignUp() {
  const [values, setValues] = useState({
    display_name: '',
    username: '',
    password: '',
    invite: inviteInAddress(),
  })
  const set = (name: FieldName) => (event: { target: { value: string } }) =>
    setValues((now) => ({ ...now, [name]: event.target.value }))
  const { busy, problem, submit } = useSubmit(async () => {
    await parley.signUp(
      values.display_name.trim(),
      values.username.trim().toLowerCase(),
      values.password,
      values.invite.trim() || undefined,
    )
    const me = parley.store.getState().world.me
    if (me) setFlag(`welcome.${me.id}`, 'open')
  })
  const { signups, password_min: least } = useServer()
  const wrong = fieldProblem(problem, least)
  const error = (name: FieldName) => (wrong?.field === name ? wrong.text : undefined)
  return (
    <Frame title={t`Create your account`} lead={t`One account for all your devices.`} busy={busy}>
      <form onSubmit={submit} className="space-y-4" noValidate>
        {problem && (
          <Alert>{wrong ? t`That cannot be used yet. See below.` : problemSentence(problem)}</Alert>
        )}
        <Field
          label={t`Display name`}
          name="name"
          autoComplete="name"
          required
          autoFocus
          maxLength={64}
          hint={t`What others see.`}
          error={error('display_name')}
          value={values.display_name}
          onChange={set('display_name')}
        />
        <Field
          label={t`Username`}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          maxLength={32}
          hint={t`How others find you. Small letters, digits, . _ -`}
          error={error('username')}
          value={values.username}
          onChange={set('username')}
        />
        <Field
          label={t`Password`}
          name="password"
          type="password"
          autoComplete="new-password"
          required
          hint={t`At least ${least} characters. A few words are easiest to remember.`}
          error={error('password')}
          value={values.password}
          onChange={set('password')}
        />
        {signups === 'invite' && (
          <Field
            label={t`Invitation`}
            name="invite"
            autoComplete="off"
            spellCheck={false}
            required
            maxLength={64}
            hint={t`Accounts here are by invitation. Whoever runs this server gives you one.`}
            error={error('invite')}
            value={values.invite}
            onChange={set('invite')}
          />
        )}
        <Button type="submit" look="accent" wide busy={busy} className="mt-2 min-h-12">
          <Trans>Create account</Trans>
        </Button>
      </form>
      <p className="mt-6 text-center text-sm text-soft">
        <Trans>Have an account?</Trans>{' '}
        <Link
          to="/sign-in"
          className="inline-block py-3 font-medium text-on-tint underline-offset-4 hover:underline"
        >
          <Trans>Sign in</Trans>
        </Link>
      </p>
    </Frame>
  )
}
