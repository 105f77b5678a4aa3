import { t } from '@lingui/core/macro'
import { X } from 'lucide-react'
import type { ReactNode } from 'react'
import { useEffect, useLayoutEffect, useRef } from 'react'
import { IconButton } from '../../ui/Button'
import { useStage } from './view'

/** Where one was: of a menu, which is gone in a moment, the button that opened it. */
function opener(): Element | null {
  const menu = document.activeElement?.closest('[role=menu]')
  return menu ? document.getElementById(menu.getAttribute('aria-labelledby') ?? '') : document.activeElement
}

/** Pushes the stage aside where there is room, lies over it on a phone. Never modal: the call goes on beside it. */
export function SidePanel({ title, children }: { title: string; children: ReactNode }) {
  const ref = useRef<HTMLElement>(null)
  const from = useRef<Element | null>(null)
  // Before a menu that led here is taken out of the page.
  useLayoutEffect(() => void (from.current = opener()), [])
  useEffect(() => {
    ref.current?.querySelector<HTMLElement>('[data-first]')?.focus({ preventScroll: true })
    return () => {
      // Back to where one came from, unless one went elsewhere meanwhile.
      if (document.activeElement === document.body && from.current instanceof HTMLElement)
        from.current.focus()
    }
  }, [])
  return (
    // Escape is a shortcut for the button.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <aside
      ref={ref}
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key === 'Escape') useStage.setState({ panel: null })
      }}
      className="z-20 flex min-h-0 animate-fade flex-col overflow-hidden border-line bg-surface text-text select-text max-sm:absolute max-sm:inset-x-0 max-sm:top-0 max-sm:bottom-0 sm:w-88 sm:shrink-0 sm:rounded-tile sm:border"
    >
      <header className="flex items-center justify-between gap-2 border-b border-line py-1.5 ps-4 pe-1.5">
        <h2 className="text-base font-semibold">{title}</h2>
        <IconButton label={t`Close panel`} onClick={() => useStage.setState({ panel: null })}>
          <X aria-hidden className="size-5" />
        </IconButton>
      </header>
      {children}
    </aside>
  )
}
