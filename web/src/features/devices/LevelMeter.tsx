import { useEffect, useRef } from 'react'
import { watchLevel } from '../../call/level'
import { cx } from '../../ui/cx'

/** Moves while the microphone hears something. Drawn past React: it changes many times a second. */
export function LevelMeter({ track, className }: { track: MediaStreamTrack; className?: string }) {
  const bar = useRef<HTMLSpanElement>(null)
  useEffect(
    () =>
      watchLevel(track, (level) => {
        if (bar.current) bar.current.style.scale = `${level} 1`
      }),
    [track],
  )
  return (
    <span
      // What a meter shows, one hears oneself.
      aria-hidden
      className={cx('block h-1.5 overflow-hidden rounded-full bg-sunken', className)}
    >
      <span
        ref={bar}
        className="block h-full origin-left scale-x-0 rounded-full bg-accent transition-[scale] duration-75 rtl:origin-right"
      />
    </span>
  )
}
