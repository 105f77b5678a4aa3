import { t } from '@lingui/core/macro'
import { Hand, MicOff, MonitorUp, Pin, PinOff } from 'lucide-react'
import type { User } from '../../api/types'
import { nameOf } from '../../call/sentences'
import type { RemoteTile, ScreenTile, SessionView } from '../../call/view'
import { useParley } from '../../state/parley'
import { Avatar } from '../../ui/Avatar'
import { cx } from '../../ui/cx'
import { Bars } from './Bars'
import { Picture } from './Picture'
import { useStage } from './view'

type Size = 'small' | 'large'

function word(tile: RemoteTile, session: SessionView): string | null {
  if (tile.member.state === 'reconnecting' || session.media === 'reconnecting') return t`Reconnecting…`
  if (tile.member.state === 'paused') return t`paused`
  if (tile.member.muted.video || session.paused) return null
  if (tile.picture === 'weak') return t`Weak connection`
  if (tile.picture === 'paused') return t`paused`
  if (session.media === 'opening' || tile.picture === 'waiting') return t`Connecting…`
  return null
}

const FIGURE = 'group relative size-full overflow-hidden rounded-tile bg-tile text-white'

export function Remote({ tile, session, size }: { tile: RemoteTile; session: SessionView; size: Size }) {
  const { member, stream, picture } = tile
  const { user, muted } = member
  const id = user.id
  const speaks = useParley((state) => state.speaking.ids.includes(id))
  const weak = useParley((state) => {
    const bars = state.flow?.people[id]?.bars
    return bars !== undefined && bars <= 2 ? bars : null
  })
  const contact = useParley((state) => state.world.contacts[id])
  const name = nameOf(user, contact)
  const says = word(tile, session)
  const away = member.state === 'paused' || session.paused
  // What is too much for the connection is not sent: a picture that stands still would look like a fault.
  const live = picture === 'live' && !muted.video && member.state !== 'paused' && session.media !== 'opening'
  const dim = member.state === 'reconnecting' || session.media === 'reconnecting'
  return (
    <figure aria-label={user.display_name} className={FIGURE}>
      <Picture
        stream={stream}
        covered={!live}
        className={cx(live && (dim || away) && 'opacity-40', 'absolute inset-0')}
      />
      {!live && (
        <div className="absolute inset-0 flex animate-fade flex-col items-center justify-center gap-4">
          <Avatar user={user} size={size === 'large' ? 'xl' : 'lg'} className={cx(dim && 'grayscale')} />
        </div>
      )}
      {says && <Says large={size === 'large'}>{says}</Says>}
      <Foot name={name} silent={muted.audio} small={size === 'small'} weak={weak} />
      {member.hand && <RaisedHand small={size === 'small'} />}
      <PinButton tileKey={id} name={name} />
      <Reactions userId={id} />
      <Ring on={speaks && !muted.audio && !session.paused} />
    </figure>
  )
}

export function ScreenOf({
  screen,
  session,
  size,
}: {
  screen: ScreenTile
  session: SessionView
  size: Size
}) {
  const { user } = screen.member
  const name = user.display_name
  const { picture } = screen
  const live = picture === 'live'
  return (
    <figure aria-label={t`Screen of ${name}`} className={cx(FIGURE, 'bg-black')}>
      <Picture
        stream={screen.stream}
        covered={!live}
        whole
        className={cx(session.media === 'reconnecting' && 'opacity-40', 'absolute inset-0')}
      />
      {!live && (
        <Says large={size === 'large'}>
          {picture === 'weak' ? t`Weak connection` : t`The screen is coming…`}
        </Says>
      )}
      <Foot name={t`Screen of ${name}`} small={size === 'small'} screen />
      <PinButton tileKey={`screen ${user.id}`} name={t`Screen of ${name}`} />
    </figure>
  )
}

/** What is shared from here: small, or it would show itself in itself. */
export function OwnScreen({ me, session }: { me: User; session: SessionView }) {
  const name = me.display_name
  return (
    <figure aria-label={t`Screen of ${name}`} className={cx(FIGURE, 'bg-black')}>
      <Picture stream={session.shared} covered={session.paused} whole className="absolute inset-0" />
      <Foot name={t`You share this`} small screen />
    </figure>
  )
}

export function Self({ me, session, className }: { me: User; session: SessionView; className?: string }) {
  const speaks = useParley((state) => state.speaking.ids.includes(me.id))
  const weak = useParley((state) => {
    const bars = state.flow?.own.bars
    return bars !== undefined && bars <= 2 ? bars : null
  })
  const shown = session.cameraOn && session.self !== null
  return (
    <figure aria-label={me.display_name} className={cx(FIGURE, className)}>
      <Picture
        stream={session.self}
        mirrored
        still={session.paused}
        covered={!shown}
        className={cx('absolute inset-0', session.paused && 'opacity-60 blur-md')}
      />
      {!shown && (
        <div className="absolute inset-0 flex items-center justify-center pb-4">
          <Avatar user={me} size="md" />
        </div>
      )}
      <Foot
        name={session.paused ? t`You · paused` : t`You`}
        silent={!session.microphoneOn}
        small
        weak={weak}
      />
      {session.hand && <RaisedHand small />}
      <Reactions userId={me.id} />
      <Ring on={speaks && session.microphoneOn && !session.paused} />
    </figure>
  )
}

/** Below the face where there is room, and above it in a low tile. */
function Says({ large, children }: { large: boolean; children: string }) {
  return (
    <div className="pointer-events-none absolute inset-0 [container-type:size]">
      <div
        className={cx(
          'absolute inset-x-0 top-2 flex justify-center',
          large && '[@container(height>=17rem)]:top-[calc(50%+5.5rem)]',
        )}
      >
        <span
          className={cx(
            'scrim animate-fade rounded-full bg-black/65',
            large ? 'px-3.5 py-1.5 text-sm' : 'px-2 py-0.5 text-xs',
          )}
        >
          {children}
        </span>
      </div>
    </div>
  )
}

interface FootProps {
  name: string
  silent?: boolean
  small?: boolean
  weak?: 1 | 2 | 3 | 4 | null
  screen?: boolean
}

function Foot({ name, silent, small, weak = null, screen }: FootProps) {
  return (
    <figcaption
      className={cx(
        'scrim absolute start-2 bottom-2 flex max-w-[calc(100%-1rem)] items-center gap-1.5 rounded-control bg-black/60 px-2 py-1 font-medium',
        small ? 'text-xs touch:start-1 touch:bottom-1 touch:px-1.5 touch:py-0' : 'text-sm',
      )}
    >
      {silent && <MicOff aria-label={t`Microphone off`} role="img" className="size-3.5 shrink-0" />}
      {screen && <MonitorUp aria-hidden className="size-3.5 shrink-0" />}
      <span className="truncate">{name}</span>
      {weak !== null && <Bars bars={weak} />}
    </figcaption>
  )
}

/** Above the name even in the low tiles of a phone's strip. */
function RaisedHand({ small }: { small: boolean }) {
  return (
    <span
      className={cx(
        'absolute start-2 top-2 animate-rise rounded-full bg-[#f4d06f] p-1.5 text-[#2b2411]',
        small && 'touch:start-1 touch:top-1 touch:p-1',
      )}
    >
      <Hand role="img" aria-label={t`Hand is up`} className={cx('size-4', small && 'touch:size-3.5')} />
    </span>
  )
}

/** Whoever speaks has a ring; it lies over the picture and moves nothing. */
function Ring({ on }: { on: boolean }) {
  return (
    <span
      aria-hidden
      data-speaks={on || undefined}
      className={cx(
        'pointer-events-none absolute inset-0 rounded-tile ring-3 ring-[#62c487] ring-inset transition-opacity duration-150',
        on ? 'opacity-100' : 'opacity-0',
      )}
    />
  )
}

function PinButton({ tileKey, name }: { tileKey: string; name: string }) {
  const pinned = useStage((state) => state.pinned === tileKey)
  const alone = useParley(({ session }) =>
    session ? session.tiles.length + session.screens.length < 2 && !pinned : true,
  )
  if (alone) return null
  const Icon = pinned ? PinOff : Pin
  return (
    <button
      type="button"
      aria-label={pinned ? t`Unpin ${name}` : t`Pin ${name}`}
      aria-pressed={pinned}
      onClick={() => useStage.getState().pin(tileKey)}
      className={cx(
        'absolute end-2 top-2 flex size-11 items-center justify-center rounded-full transition-opacity duration-150 touch:end-0 touch:top-0',
        // Where nothing hovers it is small, and always there: nobody taps what they do not see.
        // In the corner, off the name below in the low tiles of a strip.
        'focus-visible:opacity-100 group-hover:opacity-100 touch:items-start touch:justify-end touch:p-1 touch:opacity-100',
        pinned ? 'opacity-100' : 'opacity-0',
      )}
    >
      <span className="flex size-11 items-center justify-center rounded-full bg-black/60 touch:size-7">
        <Icon aria-hidden className="size-5 touch:size-3.5" />
      </span>
    </button>
  )
}

function Reactions({ userId }: { userId: string }) {
  const reactions = useParley((state) => state.reactions.filter((one) => one.userId === userId))
  return (
    <span aria-hidden className="pointer-events-none absolute inset-x-0 bottom-8 flex justify-center gap-1">
      {reactions.slice(-5).map(({ key, emoji }) => (
        <span key={key} className="animate-float text-[2.25rem] leading-none">
          {emoji}
        </span>
      ))}
    </span>
  )
}
