/* The camera's layers: up to three sizes of one picture, each an encoding with a rid of its own (RFC 8853), lowest
 * first. The server forwards to each receiver the smallest that fills its tile, and says which ones nobody watches. */

export const RIDS = ['q', 'h', 'f'] as const
export type Rid = (typeof RIDS)[number]

export interface Encoding {
  rid: Rid
  active: boolean
  scaleResolutionDownBy: number
  maxBitrate: number
}

const FULL_HEIGHT = 720
const FULL_BITRATE = 1_700_000
const LEAST_BITRATE = 100_000
/** Half the size needs less than a third of the bits. */
const BITRATE_POWER = 1.75
/** A camera of this height still gives three, two layers; the lowest is never smaller than a stamp. */
const THREE_FROM = 540
const TWO_FROM = 270

export const bitrateFor = (height: number): number =>
  Math.round(
    Math.max(LEAST_BITRATE, FULL_BITRATE * Math.min(1, height / FULL_HEIGHT) ** BITRATE_POWER) / 1000,
  ) * 1000

/** What to send of a camera whose shorter side is `height`; all rids, those that it is too small for inactive. */
export function encodingsFor(height: number | null, wanted: ReadonlySet<string> = new Set(RIDS)): Encoding[] {
  const full = height ?? FULL_HEIGHT
  const count = full >= THREE_FROM ? 3 : full >= TWO_FROM ? 2 : 1
  // Whoever wants more than the camera has gets the most there is.
  const tooLarge = RIDS.slice(count).some((rid) => wanted.has(rid))
  return RIDS.map((rid, i) => {
    const scale = 2 ** Math.max(0, count - 1 - i)
    return {
      rid,
      active: i < count && (wanted.has(rid) || (tooLarge && i === count - 1)),
      scaleResolutionDownBy: scale,
      maxBitrate: bitrateFor(full / scale),
    }
  })
}

/** The shorter side of what a camera gives: a phone held upright has no larger picture. */
export function heightOf(track: MediaStreamTrack | null): number | null {
  const { width, height } = track?.getSettings() ?? {}
  return width && height ? Math.min(width, height) : null
}
