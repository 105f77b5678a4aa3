import { useEffect, useRef } from 'react'
import { watchLevel } from '../../call/level'
import { cx } from '../../ui/cx'

/** Moves while the microphone hears something. Drawn past React: it changes many times a second. */
export function LevelMeter({
  track,
  label,
  className,
}: {
  track: MediaStreamTrack
  /** Without one it is a decoration: what it shows, one hears oneself. */
  label?: string
  className?: string
}) {
  const meter = useRef<HTMLSpanElement>(null)
  const bar = useRef<HTMLSpanElement>(null)
  useEffect(
    () =>
      watchLevel(track, (level) => {
        if (bar.current) bar.current.style.scale = `${level} 1`
        if (label !== undefined) meter.current?.setAttribute('aria-valuenow', String(Math.round(level * 100)))
      }),
    [track, label],
  )
  return (
    <span
      ref={meter}
      {...(label === undefined
        ? { 'aria-hidden': true }
        : {
            role: 'meter',
            'aria-label': label,
            'aria-valuemin': 0,
            'aria-valuemax': 100,
            'aria-valuenow': 0,
          })}
      className={cx('block h-1.5 overflow-hidden rounded-full bg-sunken', className)}
    >
      <span
        ref={bar}
        className="block h-full origin-left scale-x-0 rounded-full bg-accent transition-[scale] duration-75 rtl:origin-right"
      />
    </span>
  )
}
