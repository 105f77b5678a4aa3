import { t } from '@lingui/core/macro'
import type { DeviceKind, DeviceState } from '../../call/devices'
import { troubled } from '../../call/devices'
import type { SessionView } from '../../call/view'
import { parley } from '../../state/parley'
import { Button } from '../../ui/Button'

export interface Trouble {
  kinds: DeviceKind[]
  title: string
  text: string
  without: string
  /** The system lets it go on, once somebody touches the page. */
  tap: boolean
}

type What = DeviceKind | 'both'

function words(what: What, state: DeviceState): { title: string; text: string } {
  const pick = (camera: string, microphone: string, both: string) => ({ camera, microphone, both })[what]
  switch (state) {
    case 'refused':
      return {
        title: pick(t`Camera refused`, t`Microphone refused`, t`Camera and microphone refused`),
        text:
          what === 'both'
            ? t`Allow them for this page in your browser’s address bar, then try again.`
            : t`Allow it for this page in your browser’s address bar, then try again.`,
      }
    case 'in_use':
      return {
        title: pick(t`Camera in use`, t`Microphone in use`, t`Camera and microphone in use`),
        text: t`Another program seems to use it. Close it there, then try again.`,
      }
    case 'none':
      return {
        title: pick(t`No camera found`, t`No microphone found`, t`No camera and no microphone found`),
        text: t`Plug one in and try again, or go on without.`,
      }
    case 'unplugged':
      return {
        title: pick(t`Camera unplugged`, t`Microphone unplugged`, t`Camera and microphone unplugged`),
        text: t`Plug it in again, or go on without.`,
      }
    case 'interrupted':
      return {
        title: pick(t`Camera interrupted`, t`Microphone interrupted`, t`Camera and microphone interrupted`),
        text: t`A phone call or another app has it. It comes back when that is over, or with a tap.`,
      }
    default:
      return {
        title: pick(
          t`The camera did not start`,
          t`The microphone did not start`,
          t`Camera and microphone did not start`,
        ),
        text: t`Try again, or go on without.`,
      }
  }
}

export function troubleOf(session: Pick<SessionView, 'microphone' | 'camera'>): Trouble | null {
  const { microphone, camera } = session
  if (troubled(microphone) && microphone === camera)
    return {
      kinds: ['microphone', 'camera'],
      ...words('both', microphone),
      without: t`Just listen and watch`,
      tap: microphone === 'interrupted',
    }
  if (troubled(microphone))
    return {
      kinds: ['microphone'],
      ...words('microphone', microphone),
      without: t`Just listen`,
      tap: microphone === 'interrupted',
    }
  if (troubled(camera))
    return {
      kinds: ['camera'],
      ...words('camera', camera),
      without: t`Join without video`,
      tap: camera === 'interrupted',
    }
  return null
}

export function DeviceTrouble({ session }: { session: SessionView }) {
  const trouble = troubleOf(session)
  if (!trouble) return null
  return (
    <div
      role="alert"
      className="w-[min(26rem,calc(100vw-2rem))] animate-rise rounded-tile border border-line bg-raised p-5 text-text shadow-float"
    >
      <p className="text-base font-semibold">{trouble.title}</p>
      <p className="mt-1 text-soft">{trouble.text}</p>
      <div className="mt-4 flex flex-wrap gap-2">
        <Button look="accent" onClick={() => parley.retryDevices(trouble.kinds)}>
          {trouble.tap ? t`Tap to resume` : t`Try again`}
        </Button>
        <Button onClick={() => parley.withoutDevices(trouble.kinds)}>{trouble.without}</Button>
      </div>
    </div>
  )
}
