import type { PointerEvent } from 'react'
import { useEffect, useRef, useState } from 'react'
import { parley } from '../../state/parley'
import { useStage } from './view'

/** True while the last thing that somebody did was done by keyboard. */
let byKeyboard = false
if (typeof addEventListener === 'function') {
  addEventListener('pointerdown', () => (byKeyboard = false), { capture: true })
  addEventListener(
    'keydown',
    ({ key }) => {
      if (key === 'Tab' || key.startsWith('Arrow')) byKeyboard = true
    },
    { capture: true },
  )
}

/** Nothing was touched for so long. Who uses the keyboard is never idle: they see where they are. */
export function useIdle(ms: number): boolean {
  const [idle, setIdle] = useState(false)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>
    const stir = () => {
      setIdle(false)
      clearTimeout(timer)
      timer = setTimeout(() => setIdle(!byKeyboard), ms)
    }
    const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const
    for (const event of events) addEventListener(event, stir, { passive: true })
    stir()
    return () => {
      clearTimeout(timer)
      for (const event of events) removeEventListener(event, stir)
    }
  }, [ms])
  return idle
}

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable)

const presses = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('button, a, [role^=menuitem], summary') !== null

/** As elsewhere: M V D C R W T ?, and Space to talk. */
export function useKeys(): void {
  useEffect(() => {
    const actions: Record<string, () => void> = {
      m: () => parley.toggleMicrophone(),
      v: () => parley.toggleCamera(),
      d: () => parley.toggleScreen(),
      c: () => useStage.getState().togglePanel('chat'),
      r: () => parley.toggleHand(),
      w: () => useStage.getState().toggleLayout(),
      t: () => useStage.getState().togglePanel('details'),
      '?': () => useStage.setState(({ help }) => ({ help: !help })),
    }
    const down = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return
      // A dialog has keys of its own.
      if (document.querySelector('dialog:modal') && event.key !== '?') return
      if (event.key === ' ') {
        // On a button that was reached by keyboard, Space presses it.
        if (byKeyboard && presses(event.target)) return
        event.preventDefault()
        if (document.activeElement instanceof HTMLElement && presses(document.activeElement))
          document.activeElement.blur()
        if (!event.repeat) parley.holdToTalk(true)
        return
      }
      const action = event.repeat ? undefined : actions[event.key.toLowerCase()]
      if (!action) return
      // C would be the first letter in the text field that it opens.
      event.preventDefault()
      action()
    }
    const up = (event: KeyboardEvent) => {
      if (event.key === ' ') parley.holdToTalk(false)
    }
    const away = () => parley.holdToTalk(false)
    addEventListener('keydown', down)
    addEventListener('keyup', up)
    addEventListener('blur', away)
    return () => {
      removeEventListener('keydown', down)
      removeEventListener('keyup', up)
      removeEventListener('blur', away)
    }
  }, [])
}

/** The screen stays awake while people talk. */
export function useWakeLock(on: boolean): void {
  useEffect(() => {
    if (!on || !('wakeLock' in navigator)) return
    let lock: WakeLockSentinel | null = null
    let over = false
    const take = async () => {
      if (document.visibilityState !== 'visible') return
      try {
        const taken = await navigator.wakeLock.request('screen')
        if (over) void taken.release()
        else lock = taken
      } catch {
        // Low battery, or not allowed: then the screen sleeps.
      }
    }
    void take()
    document.addEventListener('visibilitychange', take)
    return () => {
      over = true
      document.removeEventListener('visibilitychange', take)
      void lock?.release().catch(() => undefined)
    }
  }, [on])
}

/** The height that a keyboard on the screen leaves; null where nothing is in the way. */
export function useVisibleHeight(): number | null {
  const [height, setHeight] = useState<number | null>(null)
  useEffect(() => {
    const view = window.visualViewport
    if (!view) return
    const measure = () => {
      const covered = window.innerHeight - view.height
      setHeight(covered > 80 && view.scale === 1 ? view.height : null)
    }
    view.addEventListener('resize', measure)
    return () => view.removeEventListener('resize', measure)
  }, [])
  return height
}

const SWIPE_PX = 60

interface Swipe {
  onPointerDown(event: PointerEvent): void
  onPointerUp(event: PointerEvent): void
  onPointerCancel(): void
}

/** A finger that went aside: -1 to the left, 1 to the right. */
export function useSwipe(swiped: (way: -1 | 1) => void): Swipe {
  const from = useRef<{ id: number; x: number; y: number } | null>(null)
  return {
    onPointerDown({ pointerType, pointerId: id, clientX: x, clientY: y }) {
      // Two fingers mean something else.
      from.current = pointerType === 'touch' && from.current === null ? { id, x, y } : null
    },
    onPointerUp({ pointerId, clientX, clientY }) {
      const start = from.current
      from.current = null
      if (start?.id !== pointerId) return
      const [dx, dy] = [clientX - start.x, clientY - start.y]
      if (Math.abs(dx) >= SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy)) swiped(dx < 0 ? -1 : 1)
    },
    onPointerCancel() {
      from.current = null
    },
  }
}
