import type { ButtonHTMLAttributes, ReactNode } from 'react'
import { cx } from './cx'

type Look = 'accent' | 'plain' | 'quiet' | 'danger'

const LOOKS: Record<Look, string> = {
  accent: 'bg-accent text-on-accent hover:bg-accent-hover',
  plain: 'border border-line bg-raised text-text hover:bg-sunken',
  quiet: 'hover:bg-sunken',
  danger: 'bg-danger text-on-danger hover:bg-danger-hover',
}

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look
  icon?: ReactNode
  busy?: boolean
  wide?: boolean
}

export function Button({ look = 'plain', icon, busy, wide, className, children, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : rest.onClick}
      className={cx(
        'inline-flex min-h-11 items-center justify-center gap-2 rounded-control px-4 text-sm font-medium',
        'transition-colors duration-150 ease-calm disabled:opacity-50',
        LOOKS[look],
        wide && 'w-full',
        busy && 'opacity-70',
        className,
      )}
    >
      {icon}
      {children}
    </button>
  )
}

interface IconProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string
  look?: Look
}

export function IconButton({ label, look = 'quiet', className, children, ...rest }: IconProps) {
  return (
    <button
      type="button"
      aria-label={label}
      {...rest}
      className={cx(
        'inline-flex size-11 shrink-0 items-center justify-center rounded-control transition-colors duration-150 ease-calm',
        LOOKS[look],
        className,
      )}
    >
      {children}
    </button>
  )
}
