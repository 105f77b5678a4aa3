import { t } from '@lingui/core/macro'
import { useState } from 'react'
import type { Presence, User } from '../api/types'
import { cx } from './cx'

const SIZES = {
  sm: 'size-9 text-xs',
  md: 'size-11 text-sm',
  lg: 'size-16 text-lg',
  xl: 'size-28 text-[2.25rem]',
} as const

const DOTS: Record<Presence, string> = {
  online: 'bg-online',
  busy: 'bg-busy',
  away: 'bg-away',
  offline: 'bg-offline',
}

export function presenceWord(presence: Presence): string {
  switch (presence) {
    case 'online':
      return t`Online`
    case 'busy':
      return t`Busy`
    case 'away':
      return t`Away`
    case 'offline':
      return t`Offline`
  }
}

export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/)
  const first = (word: string | undefined) => (word ? ([...word][0] ?? '') : '')
  return (first(words[0]) + (words.length > 1 ? first(words.at(-1)) : '')).toLocaleUpperCase()
}

function hueOf(id: string): number {
  let sum = 7
  for (const char of id) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 9973
  return sum % 8
}

interface Props {
  user: Pick<User, 'id' | 'display_name' | 'avatar_url'>
  size?: keyof typeof SIZES
  presence?: Presence
  className?: string
}

/** Decorative: the name stands beside it wherever it is used. */
export function Avatar({ user, size = 'md', presence, className }: Props) {
  const [broken, setBroken] = useState<string | null>(null)
  const picture = user.avatar_url !== broken ? user.avatar_url : null
  return (
    <span aria-hidden className={cx('relative inline-block shrink-0', className)}>
      {picture ? (
        <img
          src={picture}
          alt=""
          onError={() => setBroken(picture)}
          className={cx('rounded-full object-cover', SIZES[size])}
        />
      ) : (
        <span
          className={cx(
            // Drawn, not written: the label of a button with a picture in it is not these letters.
            'flex select-none items-center justify-center rounded-full font-semibold tracking-wide text-white before:content-[attr(data-initials)]',
            SIZES[size],
            `hue-${hueOf(user.id)}`,
          )}
          data-initials={initialsOf(user.display_name)}
        />
      )}
      {presence && (
        <span
          className={cx(
            'absolute end-0 bottom-0 rounded-full ring-2 ring-surface transition-colors',
            size === 'xl' ? 'end-1.5 bottom-1.5 size-5 ring-4' : size === 'lg' ? 'size-4' : 'size-3',
            DOTS[presence],
          )}
        />
      )}
    </span>
  )
}
