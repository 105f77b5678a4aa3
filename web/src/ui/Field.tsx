import { t } from '@lingui/core/macro'
import type { InputHTMLAttributes } from 'react'
import { useId, useState } from 'react'
import { cx } from './cx'

interface Props extends InputHTMLAttributes<HTMLInputElement> {
  label: string
  hint?: string
  error?: string
}

export function Field({ label, hint, error, type = 'text', className, ...rest }: Props) {
  const id = useId()
  const [shown, setShown] = useState(false)
  const secret = type === 'password'
  const note = error ?? hint
  return (
    <div className={className}>
      <label htmlFor={id} className="mb-1.5 block text-sm font-medium">
        {label}
      </label>
      <div className="relative">
        <input
          id={id}
          type={secret && shown ? 'text' : type}
          aria-invalid={error ? true : undefined}
          aria-describedby={note ? `${id}-note` : undefined}
          {...rest}
          className={cx(
            'block h-12 w-full rounded-control border bg-raised px-3.5 text-base transition-colors duration-150',
            'placeholder:text-soft focus-visible:outline-offset-0',
            error ? 'border-danger' : 'border-strong hover:border-text',
            secret && 'pe-18',
          )}
        />
        {secret && (
          <button
            type="button"
            aria-pressed={shown}
            onClick={() => setShown(!shown)}
            className="absolute inset-y-0 end-0 min-w-14 rounded-control px-3 text-sm font-medium text-soft hover:text-text"
          >
            {shown ? t`Hide` : t`Show`}
          </button>
        )}
      </div>
      {note && (
        <p id={`${id}-note`} className={cx('mt-1.5 text-sm', error ? 'text-danger-text' : 'text-soft')}>
          {note}
        </p>
      )}
    </div>
  )
}
