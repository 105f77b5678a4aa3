import { useId } from 'react'
import { cx } from '../../ui/cx'

interface Props<T extends string> {
  title: string
  value: T
  options: readonly { value: T; label: string; hint?: string; lang?: string }[]
  onChoose: (value: T) => void
}

export function Radios<T extends string>({ title, value, options, onChoose }: Props<T>) {
  const name = useId()
  return (
    <fieldset>
      <legend className="mb-1.5 font-medium">{title}</legend>
      <div className="flex flex-wrap gap-2">
        {options.map((option) => (
          <label
            key={option.value}
            lang={option.lang}
            className={cx(
              option.hint ? 'basis-40' : 'basis-30',
              'flex min-h-11 flex-1 cursor-pointer items-start gap-3 rounded-control border border-line bg-raised px-3.5 py-3 transition-colors hover:bg-sunken has-checked:border-accent has-checked:bg-tint has-checked:text-on-tint has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent',
            )}
          >
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => onChoose(option.value)}
              className="mt-0.5 size-4 shrink-0 accent-accent outline-none"
            />
            <span>
              <span className="block">{option.label}</span>
              {option.hint && <span className="block text-xs opacity-90">{option.hint}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
