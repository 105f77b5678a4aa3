import { useEffect, useRef, useState } from 'react'
import { cx } from '../../ui/cx'

interface Props {
  stream: MediaStream | null
  /** Own picture: silent, and as in a mirror. */
  self?: boolean
  covered: boolean
  onBlocked?: (play: () => void) => void
  className?: string
}

/** How much of a picture may be cut off before bars are better than missing heads. */
const CROP_UP_TO = 0.3

export function Picture({ stream, self = false, covered, onBlocked, className }: Props) {
  const ref = useRef<HTMLVideoElement>(null)
  const [fit, setFit] = useState<'cover' | 'contain'>('cover')

  useEffect(() => {
    const video = ref.current
    if (!video) return
    if (video.srcObject !== stream) video.srcObject = stream
    if (stream && video.paused)
      video.play().catch((error: unknown) => {
        const blocked = error instanceof DOMException && error.name === 'NotAllowedError'
        if (blocked) onBlocked?.(() => void video.play().catch(() => undefined))
      })
  })

  useEffect(() => {
    const video = ref.current
    if (!video || self) return
    const measure = () => {
      const box = video.clientWidth / video.clientHeight
      const picture = video.videoWidth / video.videoHeight
      if (!(box > 0) || !(picture > 0)) return
      const cut = 1 - Math.min(box, picture) / Math.max(box, picture)
      setFit(cut > CROP_UP_TO ? 'contain' : 'cover')
    }
    video.addEventListener('resize', measure)
    const sizes = new ResizeObserver(measure)
    sizes.observe(video)
    return () => {
      video.removeEventListener('resize', measure)
      sizes.disconnect()
    }
  }, [self])

  return (
    <video
      ref={ref}
      autoPlay
      playsInline
      muted={self}
      className={cx(
        'size-full transition-opacity duration-200',
        fit === 'cover' ? 'object-cover' : 'object-contain',
        self && '-scale-x-100',
        covered && 'opacity-0',
        className,
      )}
    />
  )
}
