import { t } from '@lingui/core/macro'
import { ArrowLeft } from 'lucide-react'
import type { ReactNode } from 'react'
import { useEffect, useRef } from 'react'
import { Link } from 'react-router'
import type { User } from '../../api/types'
import { Appearance } from './Appearance'
import { Data } from './Data'
import { Devices } from './Devices'
import { Password } from './Password'
import { Profile } from './Profile'

export default function SettingsPage({ me }: { me: User }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    const before = document.title
    document.title = `${t`Settings`} · Parley`
    heading.current?.focus()
    return () => void (document.title = before)
  }, [])
  return (
    <main className="mx-auto w-full max-w-2xl px-4 pt-[max(0.75rem,env(safe-area-inset-top))] pb-24">
      <Link
        to="/"
        className="-ms-2 inline-flex min-h-11 items-center gap-2 rounded-control px-2 font-medium text-soft hover:bg-sunken"
      >
        <ArrowLeft aria-hidden className="size-5 rtl:-scale-x-100" />
        {t`Back to everybody`}
      </Link>
      <h1 ref={heading} tabIndex={-1} className="mt-3 mb-6 text-xl font-semibold outline-none">
        {t`Settings`}
      </h1>
      <div className="space-y-5">
        <Group title={t`You`}>
          <Profile me={me} />
        </Group>
        <Group title={t`Appearance and notifications`}>
          <Appearance />
        </Group>
        <Group title={t`Password`}>
          <Password username={me.username} />
        </Group>
        <Group title={t`Your devices`}>
          <Devices />
        </Group>
        <Group title={t`Your data`}>
          <Data me={me} />
        </Group>
      </div>
    </main>
  )
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title} className="rounded-tile border border-line bg-surface p-5 sm:p-6">
      <h2 className="mb-4 text-base font-semibold">{title}</h2>
      {children}
    </section>
  )
}
