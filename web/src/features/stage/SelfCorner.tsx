import type { PointerEvent } from 'react'
import { useRef, useState } from 'react'
import type { User } from '../../api/types'
import type { SessionView } from '../../call/view'
import { cx } from '../../ui/cx'
import { Self } from './Tiles'

type Corner = { bottom: boolean; end: boolean }

/** Own picture in a corner, over the only other one; dragged, it goes to the corner that it was let go near to. */
export function SelfCorner({ me, session }: { me: User; session: SessionView }) {
  const box = useRef<HTMLDivElement>(null)
  const [corner, setCorner] = useState<Corner>({ bottom: true, end: true })
  const [drag, setDrag] = useState<{ x: number; y: number } | null>(null)
  const from = useRef({ x: 0, y: 0 })

  const down = (event: PointerEvent<HTMLDivElement>) => {
    from.current = { x: event.clientX, y: event.clientY }
    event.currentTarget.setPointerCapture(event.pointerId)
    setDrag({ x: 0, y: 0 })
  }
  const move = (event: PointerEvent) => {
    if (drag) setDrag({ x: event.clientX - from.current.x, y: event.clientY - from.current.y })
  }
  const up = () => {
    const area = box.current?.parentElement?.getBoundingClientRect()
    const mine = box.current?.getBoundingClientRect()
    setDrag(null)
    if (!area || !mine) return
    const right = mine.x + mine.width / 2 > area.x + area.width / 2
    const ltr = getComputedStyle(document.documentElement).direction !== 'rtl'
    setCorner({ bottom: mine.y + mine.height / 2 > area.y + area.height / 2, end: right === ltr })
  }
  return (
    <div
      ref={box}
      data-movable
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      style={drag ? { transform: `translate(${drag.x}px, ${drag.y}px)` } : undefined}
      className={cx(
        'absolute z-10 w-26 touch-none rounded-tile shadow-float ring-1 ring-white/10 select-none landscape:max-sm:w-36 sm:w-56',
        'h-max [@media(height<480px)]:w-36',
        drag ? 'cursor-grabbing' : 'cursor-grab transition-transform duration-150',
        corner.bottom ? 'bottom-3' : 'top-3',
        corner.end ? 'end-4 sm:end-6' : 'start-4 sm:start-6',
      )}
    >
      <div className="relative aspect-3/4 sm:aspect-video landscape:aspect-video">
        <Self me={me} session={session} />
      </div>
    </div>
  )
}
