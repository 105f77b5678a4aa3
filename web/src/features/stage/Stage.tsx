import { t } from '@lingui/core/macro'
import { ChevronLeft, ChevronRight } from 'lucide-react'
import type { ReactNode } from 'react'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { User } from '../../api/types'
import type { SessionView } from '../../call/view'
import { parley, useParley } from '../../state/parley'
import { cx } from '../../ui/cx'
import { useSwipe } from './hooks'
import { arrange } from './layout'
import { OwnScreen, Remote, ScreenOf, Self } from './Tiles'
import { useStage } from './view'

const TELL_AFTER_MS = 300
/** A tile less wide than this has small marks. */
const LARGE_FROM = 300

interface Props {
  me: User
  session: SessionView
  /** Own picture is a tile among the others. */
  withSelf: boolean
}

export function Stage({ me, session, withSelf }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const [size, setSize] = useState({ width: 0, height: 0 })
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const sizes = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height })
    })
    sizes.observe(element)
    return () => sizes.disconnect()
  }, [])

  const { layout, pinned, page } = useStage()
  const speaker = useParley((state) => state.speaking.main)
  const { tiles, screens } = session
  const people = tiles.map((tile) => tile.member.user.id)
  const shared = screens.map((screen) => `screen ${screen.member.user.id}`)
  const own = session.sharing === 'on' ? ['own screen'] : []
  const keys = [...shared, ...people, ...(withSelf ? [me.id] : []), ...own]
  const wanted = pinned !== null && keys.includes(pinned) ? pinned : null
  const speaking = layout === 'speaker' && keys.length > 1 ? speaker : null
  const first = layout === 'speaker' && keys.length > 1 ? (people[0] ?? null) : null
  const main =
    wanted ??
    shared.at(-1) ??
    (speaking !== null && people.includes(speaking) ? speaking : null) ??
    first ??
    (own.length > 0 && people.length === 1 ? (people[0] ?? null) : null)
  const all = keys.join('\n')
  const {
    boxes,
    pages,
    page: at,
    strip,
  } = useMemo(
    () => arrange({ keys: all.split('\n'), main, always: me.id, ...size, page }),
    [all, main, me.id, size, page],
  )
  useTellView(session, boxes)
  // In a row from left to right: the speaker, then the pages of the grid.
  const swipe = useSwipe((way) => {
    if (keys.length < 2) return
    const { toggleLayout } = useStage.getState()
    if (way === -1) {
      if (layout === 'speaker') toggleLayout()
      else if (at + 1 < pages) useStage.setState({ page: at + 1 })
    } else if (layout === 'grid') {
      if (at > 0) useStage.setState({ page: at - 1 })
      else toggleLayout()
    }
  })

  const place = (key: string, draw: (large: boolean) => ReactNode) => {
    const one = boxes.get(key)
    if (!one) return null
    const { x: insetInlineStart, y: top, width, height } = one
    return (
      <div
        key={key}
        data-main={key === main || undefined}
        style={{ insetInlineStart, top, width, height }}
        className="absolute transition-[inset,width,height] duration-180 ease-calm"
      >
        {draw(width >= LARGE_FROM)}
      </div>
    )
  }
  return (
    <div
      ref={box}
      {...swipe}
      // The page number has a line of its own: it covers nobody's name.
      className={cx('relative size-full touch-pan-y touch-pinch-zoom', pages > 1 && 'pb-5')}
      data-layout={main === null ? 'grid' : 'speaker'}
    >
      {screens.map((screen) =>
        place(`screen ${screen.member.user.id}`, (large) => (
          <ScreenOf screen={screen} session={session} size={large ? 'large' : 'small'} />
        )),
      )}
      {tiles.map((tile) =>
        place(tile.member.user.id, (large) => (
          <Remote tile={tile} session={session} size={large ? 'large' : 'small'} />
        )),
      )}
      {withSelf && place(me.id, () => <Self me={me} session={session} />)}
      {own.length > 0 && place('own screen', () => <OwnScreen me={me} session={session} />)}
      {pages > 1 && (
        <div
          className={cx(
            'pointer-events-none absolute start-1 top-0 bottom-5 z-10 flex items-center justify-between *:pointer-events-auto',
            // Beside the strip, not over the pin buttons of its small tiles.
            strip === 'beside' ? 'end-[calc(max(19%,7.5rem)+0.75rem)]' : 'end-1',
          )}
        >
          <PageButton label={t`Previous page`} to={at - 1} last={pages - 1}>
            <ChevronLeft aria-hidden className="size-6 rtl:-scale-x-100" />
          </PageButton>
          <PageButton label={t`Next page`} to={at + 1} last={pages - 1}>
            <ChevronRight aria-hidden className="size-6 rtl:-scale-x-100" />
          </PageButton>
          <p className="absolute inset-x-0 top-full text-center text-xs leading-5 text-white/75 tabular-nums">
            {at + 1} / {pages}
          </p>
        </div>
      )}
    </div>
  )
}

function PageButton(props: { label: string; to: number; last: number; children: ReactNode }) {
  const possible = props.to >= 0 && props.to <= props.last
  return (
    <button
      type="button"
      aria-label={props.label}
      disabled={!possible}
      onClick={() => useStage.setState({ page: props.to })}
      className={cx(
        'flex size-11 items-center justify-center rounded-full bg-black/60 transition-opacity hover:bg-black/80',
        !possible && 'opacity-0',
      )}
    >
      {props.children}
    </button>
  )
}

/** Tells the server what is on the screen and how large, so that it sends no more. */
function useTellView(session: SessionView, boxes: ReadonlyMap<string, { height: number }>): void {
  const told = useRef('')
  const { tiles, screens, media } = session
  const height = (key: string) => Math.round((boxes.get(key)?.height ?? 0) * devicePixelRatio)
  const view = [
    ...tiles.map(({ member: { user } }) => ({
      member: user.id,
      kind: 'camera' as const,
      height: height(user.id),
    })),
    ...screens.map(({ member: { user } }) => ({
      member: user.id,
      kind: 'screen' as const,
      height: height(`screen ${user.id}`),
    })),
  ].slice(0, 64)
  const text = JSON.stringify(view)
  useEffect(() => {
    if (media !== 'connected' || boxes.size === 0 || told.current === text) return
    const timer = setTimeout(() => {
      told.current = text
      parley.shows(JSON.parse(text) as typeof view)
    }, TELL_AFTER_MS)
    return () => clearTimeout(timer)
  }, [text, media, boxes.size])
}
