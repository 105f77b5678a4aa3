import { useEffect, useRef, useState } from 'react'
import { cx } from '../../ui/cx'

interface Props {
  stream: MediaStream | null
  /** Own camera: as in a mirror. */
  mirrored?: boolean
  covered: boolean
  /** Nothing is ever cut off: a screen. */
  whole?: boolean
  /** The last picture stands still. */
  still?: boolean
  className?: string
}

/** How much of a picture may be cut off before bars are better than missing heads. */
const CROP_UP_TO = 0.3

/** At once, or, where the browser does not play by itself (a phone that saves its battery), with the next touch. */
function playWhenAllowed(video: HTMLVideoElement): void {
  video.play().catch((error: unknown) => {
    if (!(error instanceof DOMException && error.name === 'NotAllowedError')) return
    const again = () => {
      if (video.isConnected && video.srcObject && video.paused) video.play().catch(() => undefined)
    }
    addEventListener('click', again, { once: true })
  })
}

/** Pictures only: what is heard is played elsewhere, whatever is on the screen. */
export function Picture({ stream, mirrored, covered, whole = false, still = false, className }: Props) {
  const ref = useRef<HTMLVideoElement>(null)
  const [cropped, setCropped] = useState(true)

  useEffect(() => {
    const video = ref.current
    if (!video) return
    if (video.srcObject !== stream) video.srcObject = stream
    if (still) video.pause()
    else if (stream && video.paused) playWhenAllowed(video)
  })

  useEffect(() => {
    const video = ref.current
    if (!video || mirrored || whole) return
    const measure = () => {
      const box = video.clientWidth / video.clientHeight
      const picture = video.videoWidth / video.videoHeight
      if (!(box > 0) || !(picture > 0)) return
      setCropped(1 - Math.min(box, picture) / Math.max(box, picture) <= CROP_UP_TO)
    }
    video.addEventListener('resize', measure)
    const sizes = new ResizeObserver(measure)
    sizes.observe(video)
    return () => {
      video.removeEventListener('resize', measure)
      sizes.disconnect()
    }
  }, [mirrored, whole])

  return (
    <video
      ref={ref}
      autoPlay
      playsInline
      muted
      className={cx(
        'size-full transition-[opacity,filter] duration-200',
        cropped && !whole ? 'object-cover' : 'object-contain',
        mirrored && '-scale-x-100',
        covered && 'opacity-0',
        className,
      )}
    />
  )
}
