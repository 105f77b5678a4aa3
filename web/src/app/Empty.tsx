/* Screens for when there is nothing else to show: an address that leads nowhere, a page that broke. */
import { t } from '@lingui/core/macro'
import type { ReactNode } from 'react'
import { Component } from 'react'
import { Link } from 'react-router'
import { Button } from '../ui/Button'
import { Logo } from '../ui/Logo'

function Notice({ title, text, children }: { title: string; text: string; children: ReactNode }) {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center p-6 text-center">
      <Logo className="size-14" />
      <h1 className="mt-6 text-lg font-semibold">{title}</h1>
      <p className="mt-2 max-w-md text-base text-soft text-balance">{text}</p>
      <div className="mt-6 flex flex-wrap justify-center gap-2">{children}</div>
    </main>
  )
}

export function NotFound() {
  return (
    <Notice
      title={t`There is nothing here`}
      text={t`The address may be mistyped, or what it led to is gone.`}
    >
      <Link
        to="/"
        className="inline-flex min-h-11 items-center rounded-control bg-accent px-4 text-sm font-medium text-on-accent hover:bg-accent-hover"
      >
        {t`Back to everybody`}
      </Link>
    </Notice>
  )
}

/** Whatever breaks while it is drawn, or cannot be loaded because the server has a newer page meanwhile. */
export class Broken extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false }

  static getDerivedStateFromError() {
    return { broken: true }
  }

  override render() {
    if (!this.state.broken) return this.props.children
    return (
      <Notice
        title={t`Something went wrong`}
        text={t`This part of Parley could not be shown. Loading the page again usually helps; a call that goes on is still there.`}
      >
        <Button look="accent" onClick={() => location.reload()}>
          {t`Load the page again`}
        </Button>
      </Notice>
    )
  }
}
