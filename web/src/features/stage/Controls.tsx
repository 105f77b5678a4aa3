import { Mic, MicOff, PhoneOff, Video, VideoOff } from 'lucide-react'
import { Toolbar } from 'radix-ui'
import type { ReactNode } from 'react'
import type { SessionView } from '../../call/session'
import { parley } from '../../state/parley'
import { cx } from '../../ui/cx'

export function Controls({ session, faded }: { session: SessionView; faded: boolean }) {
  const { microphoneOn, cameraOn } = session
  return (
    <Toolbar.Root
      aria-label="Call controls"
      loop
      className={cx(
        'flex items-center gap-2 rounded-full bg-[#2a2926]/95 p-2 shadow-float ring-1 ring-white/10 transition-opacity duration-200',
        'hover:opacity-100 focus-within:has-focus-visible:opacity-100',
        faded ? 'opacity-0' : 'opacity-100',
      )}
    >
      <Control
        name={microphoneOn ? 'Mute microphone' : 'Unmute microphone'}
        off={!microphoneOn}
        onClick={() => parley.toggleMicrophone()}
      >
        {microphoneOn ? <Mic aria-hidden className="size-6" /> : <MicOff aria-hidden className="size-6" />}
      </Control>
      <Control
        name={cameraOn ? 'Turn camera off' : 'Turn camera on'}
        off={!cameraOn}
        onClick={() => parley.toggleCamera()}
      >
        {cameraOn ? <Video aria-hidden className="size-6" /> : <VideoOff aria-hidden className="size-6" />}
      </Control>
      <Control name="Leave call" leave onClick={() => parley.leave()}>
        <PhoneOff aria-hidden className="size-6" />
      </Control>
    </Toolbar.Root>
  )
}

interface ControlProps {
  name: string
  off?: boolean
  leave?: boolean
  onClick: () => void
  children: ReactNode
}

function Control({ name, off, leave, onClick, children }: ControlProps) {
  return (
    <Toolbar.Button
      aria-label={name}
      data-tip={name}
      onClick={onClick}
      className={cx(
        'tip inline-flex h-13 items-center justify-center rounded-full transition-colors duration-150',
        leave
          ? 'w-18 bg-danger text-on-danger hover:bg-danger-hover'
          : off
            ? 'w-13 bg-white text-[#21201d] hover:bg-white/90'
            : 'w-13 bg-white/12 text-white hover:bg-white/20',
      )}
    >
      {children}
    </Toolbar.Button>
  )
}
