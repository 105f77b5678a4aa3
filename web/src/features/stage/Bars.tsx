import { t } from '@lingui/core/macro'
import type { Bars as Count } from '../../call/stats'
import { cx } from '../../ui/cx'

export const barsWord = (bars: Count): string =>
  ({ 1: t`Very weak connection`, 2: t`Weak connection`, 3: t`Fair connection`, 4: t`Good connection` })[bars]

/** Four bars, of which so many are full. */
export function Bars({ bars, className }: { bars: Count; className?: string }) {
  return (
    <svg
      viewBox="0 0 16 16"
      role="img"
      aria-label={barsWord(bars)}
      className={cx(
        'size-3.5 shrink-0',
        bars === 1 ? 'text-[#f2897e]' : bars === 2 ? 'text-[#dcae4f]' : 'text-current',
        className,
      )}
    >
      {[1, 2, 3, 4].map((n) => (
        <rect
          key={n}
          x={(n - 1) * 4 + 0.5}
          y={16 - n * 4}
          width="3"
          height={n * 4}
          rx="1"
          fill="currentColor"
          opacity={n <= bars ? 1 : 0.3}
        />
      ))}
    </svg>
  )
}
