import { t } from '@lingui/core/macro'
import {
  ChevronUp,
  Ellipsis,
  Hand,
  Mic,
  MicOff,
  MessageSquare,
  MonitorUp,
  MonitorX,
  Pause,
  PhoneOff,
  Play,
  SmilePlus,
  UserPlus,
  Video,
  VideoOff,
} from 'lucide-react'
import { DropdownMenu, Popover, Toolbar } from 'radix-ui'
import type { ReactNode } from 'react'
import { useState } from 'react'
import { screensCanBeShared } from '../../call/screen'
import type { SessionView } from '../../call/view'
import { parley, useParley } from '../../state/parley'
import { cx } from '../../ui/cx'
import { REACTIONS } from '../../ui/emojis'
import { mainLandmark } from '../../ui/landmark'
import { MoreMenu } from './MoreMenu'
import { useStage } from './view'

export type DeviceMenu = (props: { kind: 'microphone' | 'camera' }) => ReactNode

interface Props {
  session: SessionView
  faded: boolean
  wide: boolean
  DeviceMenu: DeviceMenu
}

export function Controls({ session, faded, wide, DeviceMenu }: Props) {
  const { microphoneOn, cameraOn, sharing, paused, hand } = session
  const panel = useStage((state) => state.panel)
  const unread = useParley((state) => state.chat?.unread ?? 0)
  const active = session.call !== null
  return (
    <Toolbar.Root
      aria-label={t`Call controls`}
      loop
      className={cx(
        'flex max-w-full items-center rounded-full bg-[#2a2926]/95 shadow-float ring-1 ring-white/10 transition-opacity duration-200',
        'max-sm:justify-between max-sm:gap-0.5 max-sm:p-1.5 max-[23.75rem]:gap-0 max-[23.75rem]:p-1 sm:gap-2 sm:p-2',
        'hover:opacity-100 focus-within:has-focus-visible:opacity-100',
        faded ? 'opacity-0' : 'opacity-100',
      )}
    >
      <Group>
        <Control
          name={microphoneOn ? t`Mute microphone` : t`Unmute microphone`}
          off={!microphoneOn}
          onClick={() => parley.toggleMicrophone()}
        >
          {microphoneOn ? <Mic aria-hidden className={ICON} /> : <MicOff aria-hidden className={ICON} />}
        </Control>
        {wide && (
          <DeviceButton name={t`Choose microphone and speaker`}>
            <DeviceMenu kind="microphone" />
          </DeviceButton>
        )}
      </Group>
      <Group>
        <Control
          name={cameraOn ? t`Turn camera off` : t`Turn camera on`}
          off={!cameraOn}
          onClick={() => parley.toggleCamera()}
        >
          {cameraOn ? <Video aria-hidden className={ICON} /> : <VideoOff aria-hidden className={ICON} />}
        </Control>
        {wide && (
          <DeviceButton name={t`Choose camera`}>
            <DeviceMenu kind="camera" />
          </DeviceButton>
        )}
      </Group>
      {screensCanBeShared() && (
        <Control
          name={sharing === 'on' ? t`Stop sharing` : t`Share screen`}
          pressed={sharing === 'on'}
          onClick={() => parley.toggleScreen()}
        >
          {sharing === 'on' ? (
            <MonitorX aria-hidden className={ICON} />
          ) : (
            <MonitorUp aria-hidden className={ICON} />
          )}
        </Control>
      )}
      {active && (
        <Control
          name={t`Chat`}
          expanded={panel === 'chat'}
          pressed={panel === 'chat'}
          describe={unread > 0 ? t`${unread} unread` : undefined}
          onClick={() => useStage.getState().togglePanel('chat')}
        >
          <MessageSquare aria-hidden className={ICON} />
          {unread > 0 && panel !== 'chat' && (
            <span
              aria-hidden
              data-count={unread > 99 ? '99+' : unread}
              className="absolute -end-0.5 -top-0.5 min-w-5 rounded-full bg-accent px-1 text-xs leading-5 font-semibold text-on-accent before:content-[attr(data-count)]"
            />
          )}
        </Control>
      )}
      {active && (
        <Control
          name={t`Add people`}
          expanded={panel === 'people'}
          pressed={panel === 'people'}
          onClick={() => useStage.getState().togglePanel('people')}
        >
          <UserPlus aria-hidden className={ICON} />
        </Control>
      )}
      {active && wide && (
        <Control
          name={hand ? t`Lower hand` : t`Raise hand`}
          pressed={hand}
          onClick={() => parley.toggleHand()}
        >
          <Hand aria-hidden className={ICON} />
        </Control>
      )}
      {active && wide && <React />}
      {active && (
        <Control
          name={paused ? t`Resume call` : t`Pause call`}
          accent={paused}
          words={paused && wide ? t`Resume call` : undefined}
          onClick={() => parley.togglePause()}
        >
          {paused ? <Play aria-hidden className={ICON} /> : <Pause aria-hidden className={ICON} />}
        </Control>
      )}
      <MoreMenu session={session} wide={wide}>
        <Toolbar.Button asChild>
          <DropdownMenu.Trigger aria-label={t`More`} data-tip={t`More`} className={cx(ROUND, PLAIN)}>
            <Ellipsis aria-hidden className={ICON} />
          </DropdownMenu.Trigger>
        </Toolbar.Button>
      </MoreMenu>
      <Control name={t`Leave call`} leave onClick={() => parley.leave()}>
        <PhoneOff aria-hidden className={ICON} />
      </Control>
    </Toolbar.Root>
  )
}

const ICON = 'size-5 sm:size-6'
/** Round where there is room; the narrowest phone has eight of them side by side. */
const ROUND =
  'tip relative inline-flex h-11 max-sm:w-11 max-sm:min-w-9 items-center justify-center rounded-full transition-colors duration-150 sm:h-13 sm:min-w-13'
const PLAIN = 'bg-white/12 text-white hover:bg-white/20 max-sm:bg-transparent'

function Group({ children }: { children: ReactNode }) {
  return <span className="max-sm:contents sm:relative sm:flex sm:items-center">{children}</span>
}

interface ControlProps {
  name: string
  off?: boolean
  leave?: boolean
  pressed?: boolean
  accent?: boolean
  expanded?: boolean
  describe?: string
  words?: string
  onClick: () => void
  children: ReactNode
}

function Control(props: ControlProps) {
  const { name, off, leave, pressed, accent, expanded, describe, words, onClick, children } = props
  return (
    <Toolbar.Button
      aria-label={name}
      aria-expanded={expanded}
      aria-description={describe}
      data-tip={name}
      onClick={onClick}
      className={cx(
        ROUND,
        leave
          ? 'bg-danger text-on-danger hover:bg-danger-hover sm:w-18'
          : accent
            ? 'gap-2 bg-accent px-3 text-on-accent hover:bg-accent-hover'
            : off || pressed
              ? 'bg-white text-[#21201d] hover:bg-white/90'
              : PLAIN,
      )}
    >
      {children}
      {words && <span className="pe-1 text-base font-semibold">{words}</span>}
    </Toolbar.Button>
  )
}

/** The little arrow beside microphone and camera. */
function DeviceButton({ name, children }: { name: string; children: ReactNode }) {
  return (
    <DropdownMenu.Root modal={false}>
      <Toolbar.Button asChild>
        <DropdownMenu.Trigger
          aria-label={name}
          data-tip={name}
          className="tip -ms-2 flex h-13 w-8 items-center justify-center rounded-e-full ps-1.5 text-white/80 transition-colors hover:bg-white/12 hover:text-white"
        >
          <ChevronUp aria-hidden className="size-4" />
        </DropdownMenu.Trigger>
      </Toolbar.Button>
      <DropdownMenu.Portal container={mainLandmark()}>
        <DropdownMenu.Content
          data-theme="dark"
          side="top"
          align="start"
          sideOffset={14}
          collisionPadding={12}
          className={MENU}
        >
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

export const MENU =
  'z-30 max-h-[calc(100dvh-6rem)] w-72 animate-fade overflow-y-auto rounded-tile border border-line bg-raised p-2 text-text shadow-float'

function React() {
  const [open, setOpen] = useState(false)
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Toolbar.Button asChild>
        <Popover.Trigger aria-label={t`React`} data-tip={t`React`} className={cx(ROUND, PLAIN)}>
          <SmilePlus aria-hidden className={ICON} />
        </Popover.Trigger>
      </Toolbar.Button>
      <Popover.Portal container={mainLandmark()}>
        <Popover.Content
          data-theme="dark"
          side="top"
          sideOffset={14}
          collisionPadding={12}
          aria-label={t`Reactions`}
          className="z-30 flex animate-fade gap-1 rounded-full border border-line bg-raised p-1.5 shadow-float"
        >
          {REACTIONS().map(([emoji, word]) => (
            <button
              key={emoji}
              type="button"
              aria-label={word}
              onClick={() => {
                parley.react(emoji)
                setOpen(false)
              }}
              className="flex size-11 items-center justify-center rounded-full text-[1.5rem] transition-colors hover:bg-sunken"
            >
              {emoji}
            </button>
          ))}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  )
}
