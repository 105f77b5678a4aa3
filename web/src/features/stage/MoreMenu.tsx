import { t } from '@lingui/core/macro'
import {
  Activity,
  Eye,
  EyeOff,
  Fullscreen,
  Hand,
  Keyboard,
  LayoutGrid,
  Minimize,
  PhoneMissed,
  PictureInPicture2,
  PanelRight,
  Radio,
  SlidersHorizontal,
} from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import type { ReactNode } from 'react'
import { useSyncExternalStore } from 'react'
import type { SessionView } from '../../call/view'
import { parley, useParley } from '../../state/parley'
import { REACTIONS } from '../../ui/emojis'
import { mainLandmark } from '../../ui/landmark'
import { MENU } from './Controls'
import { useStage } from './view'

interface Props {
  session: SessionView
  wide: boolean
  children: ReactNode
}

export function MoreMenu({ session, wide, children }: Props) {
  const { layout, selfHidden, togglePanel, toggleLayout } = useStage()
  const full = useDocument(['fullscreenchange'], () => document.fullscreenElement !== null)
  const small = useDocument(PIP_EVENTS, () => Boolean(document.pictureInPictureElement))
  const mine = useParley(({ world }) => world.me?.id === session.call?.started_by)
  return (
    <DropdownMenu.Root modal={false}>
      {children}
      <DropdownMenu.Portal container={mainLandmark()}>
        <DropdownMenu.Content
          data-theme="dark"
          side="top"
          align="end"
          sideOffset={14}
          collisionPadding={12}
          className={MENU}
          onCloseAutoFocus={(event) => {
            // Whatever was chosen here may have taken the focus by now.
            if (document.activeElement !== document.body) event.preventDefault()
          }}
        >
          {!wide && session.call && (
            <>
              <div className="flex justify-between pb-1">
                {REACTIONS().map(([emoji, word]) => (
                  <DropdownMenu.Item
                    key={emoji}
                    aria-label={word}
                    onSelect={() => parley.react(emoji)}
                    className="flex size-11 items-center justify-center rounded-full text-[1.5rem] outline-none data-highlighted:bg-sunken"
                  >
                    {emoji}
                  </DropdownMenu.Item>
                ))}
              </div>
              <Item icon={Hand} onSelect={() => parley.toggleHand()}>
                {session.hand ? t`Lower hand` : t`Raise hand`}
              </Item>
              <Line />
            </>
          )}
          <Item icon={layout === 'grid' ? PanelRight : LayoutGrid} onSelect={toggleLayout} keys="W">
            {layout === 'grid' ? t`Speaker view` : t`Grid view`}
          </Item>
          <Item
            icon={selfHidden ? Eye : EyeOff}
            onSelect={() => useStage.setState({ selfHidden: !selfHidden })}
          >
            {selfHidden ? t`Show myself` : t`Hide myself`}
          </Item>
          {document.fullscreenEnabled && (
            <Item icon={full ? Minimize : Fullscreen} onSelect={toggleFullScreen}>
              {full ? t`Leave full screen` : t`Full screen`}
            </Item>
          )}
          {document.pictureInPictureEnabled && session.tiles.length > 0 && (
            <Item icon={PictureInPicture2} onSelect={togglePictureInPicture}>
              {small ? t`Close small window` : t`Picture in picture`}
            </Item>
          )}
          <Item icon={Activity} onSelect={() => togglePanel('details')} keys="T">
            {t`Connection details`}
          </Item>
          {wide && (
            <Item icon={Keyboard} onSelect={() => useStage.setState({ help: true })} keys="?">
              {t`Keyboard shortcuts`}
            </Item>
          )}
          <Item icon={SlidersHorizontal} onSelect={() => togglePanel('devices')}>
            {t`Devices`}
          </Item>
          {session.call?.state === 'active' && (
            <Item icon={Radio} onSelect={() => useStage.setState({ streams: true })}>
              {t`Stream links…`}
            </Item>
          )}
          {mine && session.call?.state === 'active' && (
            <>
              <Line />
              <Item icon={PhoneMissed} danger onSelect={() => void parley.endForAll()}>
                {t`End for everybody`}
              </Item>
            </>
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

const Line = () => <DropdownMenu.Separator className="mx-1 my-2 h-px bg-line" />

interface ItemProps {
  icon: typeof Eye
  onSelect: () => void
  keys?: string
  danger?: boolean
  children: string
}

function Item({ icon: Icon, onSelect, keys, danger, children }: ItemProps) {
  return (
    <DropdownMenu.Item
      onSelect={onSelect}
      className={`flex min-h-11 items-center gap-3 rounded-control px-3 text-sm outline-none select-none data-highlighted:bg-sunken ${danger ? 'text-danger-text' : ''}`}
    >
      <Icon aria-hidden className="size-5 shrink-0" />
      <span className="flex-1">{children}</span>
      {keys && (
        <kbd
          aria-hidden
          className="rounded border border-line px-1.5 text-xs text-soft pointer-coarse:hidden"
        >
          {keys}
        </kbd>
      )}
    </DropdownMenu.Item>
  )
}

const PIP_EVENTS = ['enterpictureinpicture', 'leavepictureinpicture'] as const

/** What the document says now, also when the browser's own keys or buttons changed it. */
function useDocument(events: readonly string[], now: () => boolean): boolean {
  return useSyncExternalStore((changed) => {
    for (const event of events) document.addEventListener(event, changed, { capture: true })
    return () => {
      for (const event of events) document.removeEventListener(event, changed, { capture: true })
    }
  }, now)
}

function toggleFullScreen(): void {
  const done = document.fullscreenElement
    ? document.exitFullscreen()
    : document.documentElement.requestFullscreen()
  done.catch(() => undefined)
}

/** The picture that has the stage, or the first one. */
function togglePictureInPicture(): void {
  if (document.pictureInPictureElement) {
    document.exitPictureInPicture().catch(() => undefined)
    return
  }
  const videos = ['[data-main] video', '[data-layout] video'].flatMap((which) => [
    ...document.querySelectorAll<HTMLVideoElement>(which),
  ])
  const shown = videos.find((video) => video.videoWidth > 0 && !video.classList.contains('opacity-0'))
  if (shown) shown.requestPictureInPicture().catch(() => undefined)
  else parley.toast(t`There is no picture to show right now`)
}
