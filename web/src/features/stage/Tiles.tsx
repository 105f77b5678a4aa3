import { MicOff } from 'lucide-react'
import type { User } from '../../api/types'
import type { RemoteTile, SessionView } from '../../call/session'
import { Avatar } from '../../ui/Avatar'
import { cx } from '../../ui/cx'
import { Picture } from './Picture'

function word(tile: RemoteTile, session: SessionView): string | null {
  if (tile.member.state === 'reconnecting' || session.media === 'reconnecting') return 'Reconnecting…'
  if (tile.member.state === 'paused') return 'paused'
  if (tile.member.muted.video) return null
  if (tile.picture === 'weak') return 'Weak connection'
  if (tile.picture === 'paused') return 'paused'
  if (session.media === 'opening' || tile.picture === 'waiting') return 'Connecting…'
  return null
}

export function Remote({
  tile,
  session,
  onBlocked,
}: {
  tile: RemoteTile
  session: SessionView
  onBlocked: (play: () => void) => void
}) {
  const { member, stream, picture } = tile
  const { user, muted } = member
  const says = word(tile, session)
  const live = (picture === 'live' || picture === 'weak') && !muted.video && session.media !== 'opening'
  const dim = says === 'Reconnecting…'
  return (
    <figure
      aria-label={user.display_name}
      className="relative size-full overflow-hidden rounded-tile bg-tile text-white"
    >
      <Picture
        stream={stream}
        covered={!live}
        onBlocked={onBlocked}
        className={cx(dim && 'opacity-40', 'absolute inset-0')}
      />
      {!live && (
        <div className="absolute inset-0 flex animate-fade flex-col items-center justify-center gap-4">
          <Avatar user={user} size="xl" className={cx(dim && 'opacity-50')} />
        </div>
      )}
      {says && (
        <div className="absolute inset-x-0 top-[calc(50%+5.5rem)] flex justify-center">
          <span className="scrim animate-fade rounded-full bg-black/55 px-3.5 py-1.5 text-sm">{says}</span>
        </div>
      )}
      <Foot name={user.display_name} silent={muted.audio} />
    </figure>
  )
}

function Foot({ name, silent, small }: { name: string; silent: boolean; small?: boolean }) {
  return (
    <figcaption
      className={cx(
        'scrim absolute start-2 bottom-2 flex max-w-[calc(100%-1rem)] items-center gap-1.5 rounded-control bg-black/50 px-2 py-1 font-medium',
        small ? 'text-xs' : 'text-sm',
      )}
    >
      {silent && <MicOff aria-label="Microphone off" className="size-3.5 shrink-0" />}
      <span className="truncate">{name}</span>
    </figcaption>
  )
}

export function Self({ me, session, className }: { me: User; session: SessionView; className?: string }) {
  const shown = session.cameraOn && session.self !== null
  return (
    <figure
      aria-label={me.display_name}
      className={cx(
        'overflow-hidden rounded-tile bg-tile text-white shadow-float ring-1 ring-white/10',
        className,
      )}
    >
      <Picture stream={session.self} self covered={!shown} />
      {!shown && (
        <div className="absolute inset-0 flex items-center justify-center pb-4">
          <Avatar user={me} size="md" />
        </div>
      )}
      <Foot name="You" silent={!session.microphoneOn} small />
    </figure>
  )
}
