import { t } from '@lingui/core/macro'
import { CameraOff } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { Chosen, Device } from '../../call/devices'
import { takeDevices } from '../../call/devices'
import { speakersCanBeChosen } from '../../call/sounds'
import { parley, useParley } from '../../state/parley'
import { Button } from '../../ui/Button'
import { LevelMeter } from './LevelMeter'

/** The same choice as the menus, for a thumb; and how one looks and sounds before others see it. */
export function DevicePanel() {
  const { microphones, cameras, speakers } = useParley((state) => state.devices)
  useEffect(() => void parley.refreshDevices(), [])
  const voice = useParley((state) => state.session?.voice ?? null)
  return (
    <div className="min-h-0 flex-1 space-y-5 overflow-y-auto p-4">
      <OwnPicture />
      <div className="space-y-2">
        <Choice label={t`Microphone`} kind="microphone" devices={microphones} />
        {voice && <LevelMeter track={voice} label={t`Microphone level`} />}
      </div>
      {speakersCanBeChosen() && <Choice label={t`Speaker`} kind="speaker" devices={speakers} />}
      <Choice label={t`Camera`} kind="camera" devices={cameras} />
    </div>
  )
}

function Choice({ label, kind, devices }: { label: string; kind: keyof Chosen; devices: readonly Device[] }) {
  const chosen = useParley((state) => state.chosen[kind])
  const value = devices.some(({ id }) => id === chosen) ? chosen : (devices[0]?.id ?? '')
  return (
    <label className="block text-sm font-medium">
      <span className="mb-1.5 block">{label}</span>
      <select
        value={value}
        disabled={devices.length === 0}
        onChange={({ target }) => parley.choose(kind, target.value)}
        className="block h-12 w-full rounded-control border border-strong bg-raised px-3 text-base"
      >
        {devices.length === 0 && <option value="">{t`None found`}</option>}
        {devices.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

/** What the camera sees. While it is off, it can be tried without anybody else seeing it. */
function OwnPicture() {
  const sent = useParley((state) => (state.session?.cameraOn ? state.session.self : null))
  const camera = useParley((state) => state.chosen.camera)
  const [wanted, setWanted] = useState(false)
  const [tried, setTried] = useState<MediaStream | null>(null)
  const [failed, setFailed] = useState(false)
  const trying = wanted && !sent
  useEffect(() => {
    if (!trying) return
    let over = false
    let track: MediaStreamTrack | null = null
    const want = { microphone: false, camera: true }
    void takeDevices(want, undefined, { microphone: '', camera }).then((taken) => {
      track = taken.camera.track
      if (over) return track?.stop()
      setFailed(!track)
      setTried(track && new MediaStream([track]))
    })
    return () => {
      over = true
      track?.stop()
      setTried(null)
    }
  }, [trying, camera])
  const video = useRef<HTMLVideoElement>(null)
  const stream = sent ?? tried
  useEffect(() => {
    if (video.current && video.current.srcObject !== stream) video.current.srcObject = stream
  }, [stream])
  return (
    <div className="space-y-2">
      <div className="relative aspect-video overflow-hidden rounded-tile bg-tile text-white">
        {stream ? (
          <video
            ref={video}
            aria-label={t`Your camera`}
            autoPlay
            playsInline
            muted
            className="size-full -scale-x-100 object-cover"
          />
        ) : (
          <div className="flex size-full flex-col items-center justify-center gap-3">
            <CameraOff aria-hidden className="size-7 text-white/70" />
            <Button onClick={() => setWanted(true)}>{t`Try the camera`}</Button>
          </div>
        )}
      </div>
      <p role="status" className="min-h-5 text-xs text-soft">
        {tried && !sent ? t`Only you see this.` : failed && !sent ? t`The camera did not start` : ''}
      </p>
    </div>
  )
}
