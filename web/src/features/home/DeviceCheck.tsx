import { t } from '@lingui/core/macro'
import { Camera, CameraOff, CheckCircle2, Volume2 } from 'lucide-react'
import { useCallback, useEffect, useId, useRef, useState } from 'react'
import type { Chosen, DeviceState, Devices, Taken } from '../../call/devices'
import { listDevices, noDevices, takeDevices, troubled } from '../../call/devices'
import { ring } from '../../call/ringtone'
import { speakersCanBeChosen } from '../../call/sounds'
import { parley, useParley } from '../../state/parley'
import { Alert } from '../../ui/Alert'
import { Button } from '../../ui/Button'
import { cx } from '../../ui/cx'

const SOUND_MS = 1_800

/** Own picture and a moving bar, so that the first call works. The camera runs only while this is watched. */
export function DeviceCheck({ compact = false }: { compact?: boolean }) {
  const [taken, setTaken] = useState<Taken | null>(null)
  const [asking, setAsking] = useState(false)
  const chosen = useParley((state) => state.chosen)
  const [devices, setDevices] = useState<Devices>(noDevices)
  const holding = useRef<Taken | null>(null)
  const alive = useRef(true)
  const attempt = useRef(0)

  const letGo = useCallback(() => {
    holding.current?.camera.track?.stop()
    holding.current?.microphone.track?.stop()
    holding.current = null
  }, [])
  useEffect(() => {
    alive.current = true
    return () => {
      alive.current = false
      letGo()
    }
  }, [letGo])

  const checking = taken !== null
  useEffect(() => {
    if (!checking) return
    const look = () => void listDevices().then(setDevices, () => undefined)
    navigator.mediaDevices?.addEventListener('devicechange', look)
    return () => navigator.mediaDevices?.removeEventListener('devicechange', look)
  }, [checking])

  const start = async (wanted: Chosen) => {
    const mine = ++attempt.current
    setAsking(true)
    letGo()
    const got = await takeDevices({ microphone: true, camera: true }, undefined, wanted)
    // Another choice was made meanwhile, or the check is over.
    if (!alive.current || mine !== attempt.current) {
      got.camera.track?.stop()
      got.microphone.track?.stop()
      return
    }
    holding.current = got
    setTaken(got)
    setAsking(false)
    setDevices(await listDevices().catch(() => noDevices))
  }
  const stop = () => {
    letGo()
    setTaken(null)
  }
  const choose = (kind: keyof Chosen, id: string) => {
    parley.choose(kind, id)
    if (kind !== 'speaker') void start({ ...chosen, [kind]: id })
  }
  const failed = taken !== null && (troubled(taken.camera.state) || troubled(taken.microphone.state))

  if (!taken)
    return (
      <section
        aria-label={t`Camera and microphone`}
        className={cx(
          'flex flex-wrap items-center gap-x-4 gap-y-3 rounded-tile',
          !compact && 'border border-line bg-surface p-4',
        )}
      >
        <Camera aria-hidden className="size-5 shrink-0 text-accent" />
        <p className={cx('min-w-40 flex-1', compact && 'text-base text-soft')}>
          {t`See and hear yourself before others do.`}
        </p>
        <Button look={compact ? 'accent' : 'plain'} busy={asking} onClick={() => void start(chosen)}>
          {t`Check camera and microphone`}
        </Button>
      </section>
    )
  return (
    <section
      aria-label={t`Camera and microphone`}
      className={cx('overflow-hidden rounded-tile', !compact && 'border border-line bg-surface')}
    >
      <div className={cx('aspect-video overflow-hidden bg-tile', compact && 'rounded-tile')}>
        {taken.camera.track ? (
          <Preview track={taken.camera.track} />
        ) : (
          <div className="flex size-full items-center justify-center text-white/70">
            <CameraOff aria-hidden className="size-8" />
          </div>
        )}
      </div>
      <div className={cx('space-y-4', compact ? 'pt-4' : 'p-4')}>
        {failed && (
          <Alert>
            <p>{words(taken)}</p>
            <Button className="mt-3" busy={asking} onClick={() => void start(chosen)}>
              {t`Try again`}
            </Button>
          </Alert>
        )}
        {taken.microphone.track && <Level track={taken.microphone.track} />}
        <div className="grid gap-3 sm:grid-cols-2">
          <Choice
            label={t`Camera`}
            value={chosen.camera}
            options={devices.cameras}
            onChoose={(id) => choose('camera', id)}
          />
          <Choice
            label={t`Microphone`}
            value={chosen.microphone}
            options={devices.microphones}
            onChoose={(id) => choose('microphone', id)}
          />
          {speakersCanBeChosen() && (
            <Choice
              label={t`Speaker`}
              value={chosen.speaker}
              options={devices.speakers}
              onChoose={(id) => choose('speaker', id)}
            />
          )}
        </div>
        <div className="flex flex-wrap gap-2">
          <SoundTest speaker={chosen.speaker} />
          <Button look="quiet" className="text-soft" onClick={stop}>
            {t`Stop the check`}
          </Button>
        </div>
      </div>
    </section>
  )
}

function words({ camera, microphone }: Taken): string {
  const both = camera.state === microphone.state
  const one = (state: DeviceState, sentences: [string, string, string, string]) => {
    if (state === 'refused') return sentences[0]
    if (state === 'in_use') return sentences[1]
    return state === 'none' ? sentences[2] : sentences[3]
  }
  if (both)
    return one(camera.state, [
      t`Camera and microphone were refused. Allow them for this page in your browser’s address bar.`,
      t`Another program seems to hold your camera and microphone. Close it there.`,
      t`No camera and no microphone were found. Plug them in.`,
      t`Camera and microphone did not start.`,
    ])
  if (troubled(camera.state))
    return one(camera.state, [
      t`The camera was refused. Allow it for this page in your browser’s address bar.`,
      t`Another program seems to hold your camera. Close it there.`,
      t`No camera was found. You can call without one.`,
      t`The camera did not start.`,
    ])
  return one(microphone.state, [
    t`The microphone was refused. Allow it for this page in your browser’s address bar.`,
    t`Another program seems to hold your microphone. Close it there.`,
    t`No microphone was found. Plug one in, or others will not hear you.`,
    t`The microphone did not start.`,
  ])
}

function Preview({ track }: { track: MediaStreamTrack }) {
  const ref = useRef<HTMLVideoElement>(null)
  useEffect(() => {
    const video = ref.current
    if (!video) return
    video.srcObject = new MediaStream([track])
    void video.play().catch(() => undefined)
  }, [track])
  return (
    <video
      ref={ref}
      aria-label={t`Your camera`}
      autoPlay
      playsInline
      muted
      className="size-full -scale-x-100 object-cover"
    />
  )
}

const HEARD_AT = 0.06

/** How loud the microphone is, as it is. */
function Level({ track }: { track: MediaStreamTrack }) {
  const meter = useRef<HTMLDivElement>(null)
  const bar = useRef<HTMLDivElement>(null)
  const [heard, setHeard] = useState(false)
  useEffect(() => {
    if (typeof AudioContext === 'undefined') return
    const context = new AudioContext()
    const analyser = context.createAnalyser()
    analyser.fftSize = 1024
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    let level = 0
    let frame = 0
    const draw = () => {
      analyser.getFloatTimeDomainData(samples)
      let sum = 0
      for (const sample of samples) sum += sample * sample
      // The square root of the loudness looks as loud as it sounds; it falls slowly.
      level = Math.max(Math.min(1, Math.sqrt(Math.sqrt(sum / samples.length)) * 1.4), level * 0.93)
      if (level > HEARD_AT * 3) setHeard(true)
      if (bar.current) bar.current.style.transform = `scaleX(${level.toFixed(3)})`
      meter.current?.setAttribute('aria-valuenow', String(Math.round(level * 100)))
      frame = requestAnimationFrame(draw)
    }
    frame = requestAnimationFrame(draw)
    return () => {
      cancelAnimationFrame(frame)
      void context.close()
    }
  }, [track])
  return (
    <div>
      <div
        ref={meter}
        role="meter"
        aria-label={t`Microphone level`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={0}
        className="h-2 overflow-hidden rounded-full bg-sunken"
      >
        <div ref={bar} className="size-full origin-left scale-x-0 bg-accent rtl:origin-right" />
      </div>
      <p role="status" className="mt-2 flex items-center gap-2 text-soft">
        {heard ? (
          <>
            <CheckCircle2 aria-hidden className="size-4 text-accent" />
            {t`Your microphone works.`}
          </>
        ) : (
          t`Say something: the bar should move.`
        )}
      </p>
    </div>
  )
}

interface ChoiceProps {
  label: string
  value: string
  options: readonly { id: string; name: string }[]
  onChoose: (id: string) => void
}

function Choice({ label, value, options, onChoose }: ChoiceProps) {
  const id = useId()
  if (options.length === 0) return null
  const known = options.some((option) => option.id === value) ? value : (options[0]?.id ?? '')
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 block font-medium">
        {label}
      </label>
      <select
        id={id}
        value={known}
        onChange={(event) => onChoose(event.target.value)}
        className="h-11 w-full rounded-control border border-strong bg-raised px-3 text-sm text-ellipsis"
      >
        {options.map((option) => (
          <option key={option.id} value={option.id}>
            {option.name}
          </option>
        ))}
      </select>
    </div>
  )
}

function SoundTest({ speaker }: { speaker: string }) {
  const [playing, setPlaying] = useState(false)
  useEffect(() => {
    if (!playing) return
    const silence = ring(speaker)
    const timer = setTimeout(() => setPlaying(false), SOUND_MS)
    return () => {
      clearTimeout(timer)
      silence()
    }
  }, [playing, speaker])
  return (
    <Button icon={<Volume2 aria-hidden className="size-4" />} onClick={() => setPlaying(true)}>
      {playing ? t`You should hear a ring` : t`Test the sound`}
    </Button>
  )
}
