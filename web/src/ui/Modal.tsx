/* The browser's own dialog: it keeps focus inside, makes the rest inert, and needs no injected styles. */
import type { ReactNode } from 'react'
import { useLayoutEffect, useRef } from 'react'
import { cx } from './cx'

interface Props {
  label: string
  onClose: () => void
  /** Neither Escape nor a click beside it closes it. */
  firm?: boolean
  className?: string
  children: ReactNode
}

export function Modal({ label, onClose, firm = false, className, children }: Props) {
  const ref = useRef<HTMLDialogElement>(null)
  const leaving = useRef(false)
  // Before it is out of the page: only then does closing give the focus back to where it was.
  useLayoutEffect(() => {
    const dialog = ref.current
    if (!dialog) return
    leaving.current = false
    if (!dialog.open) dialog.showModal()
    // Not the first button: it could be pressed by what somebody is typing at this moment.
    const wanted = dialog.querySelector<HTMLElement>('[data-first]') ?? dialog
    wanted.focus()
    return () => {
      leaving.current = true
      dialog.close()
    }
  }, [])
  return (
    // The click that closes is only a shortcut: Escape and a button do the same.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={ref}
      tabIndex={-1}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault()
        if (!firm) onClose()
      }}
      onClose={() => {
        // Browsers close it on a second Escape without asking.
        if (firm && !leaving.current) ref.current?.showModal()
      }}
      onKeyDown={(event) => {
        if (firm && event.key === 'Escape') event.preventDefault()
      }}
      onClick={(event) => {
        if (!firm && event.target === ref.current) onClose()
      }}
      className={cx(
        'm-auto max-h-[calc(100dvh-2rem)] w-[min(28rem,calc(100vw-2rem))] animate-rise overflow-hidden rounded-tile',
        'border border-line bg-surface p-0 text-text shadow-float outline-none',
        className,
      )}
    >
      {children}
    </dialog>
  )
}
