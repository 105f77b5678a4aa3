import type { DeviceKind, DeviceState } from '../../call/devices'
import { troubled } from '../../call/devices'
import type { SessionView } from '../../call/session'
import { parley } from '../../state/parley'
import { Button } from '../../ui/Button'

export interface Trouble {
  kinds: DeviceKind[]
  title: string
  text: string
  without: string
}

const WHAT: Record<string, string> = {
  camera: 'Camera',
  microphone: 'Microphone',
  both: 'Camera and microphone',
}

function words(what: string, state: DeviceState): { title: string; text: string } {
  const it = what === 'both' ? 'them' : 'it'
  switch (state) {
    case 'refused':
      return {
        title: `${WHAT[what]} refused`,
        text: `Allow ${it} for this page in your browser’s address bar, then try again.`,
      }
    case 'in_use':
      return {
        title: `${WHAT[what]} in use`,
        text: `Another program seems to hold ${it}. Close it there, then try again.`,
      }
    case 'none':
      return {
        title: `No ${WHAT[what]?.toLowerCase()} found`,
        text: `Plug ${it} in and try again, or go on without.`,
      }
    case 'unplugged':
      return { title: `${WHAT[what]} unplugged`, text: `Plug ${it} in again, or use another one.` }
    default:
      return { title: `${WHAT[what]} did not start`, text: 'Try again, or go on without.' }
  }
}

export function troubleOf(session: Pick<SessionView, 'microphone' | 'camera'>): Trouble | null {
  const { microphone, camera } = session
  if (troubled(microphone) && microphone === camera)
    return { kinds: ['microphone', 'camera'], ...words('both', microphone), without: 'Just listen and watch' }
  if (troubled(microphone))
    return { kinds: ['microphone'], ...words('microphone', microphone), without: 'Just listen' }
  if (troubled(camera))
    return { kinds: ['camera'], ...words('camera', camera), without: 'Join without video' }
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
          Try again
        </Button>
        <Button onClick={() => parley.withoutDevices(trouble.kinds)}>{trouble.without}</Button>
      </div>
    </div>
  )
}
