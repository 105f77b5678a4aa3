/* One's own account, as the screens change it. */
import type { Status } from '../api/account'
import { account } from '../api/account'
import type { User } from '../api/types'
import { parley } from './parley'

export type { Status } from '../api/account'

/** What only the person sees of the own account. */
export const statusOf = (me: User): Status => ('status' in me ? (me.status as Status) : 'available')

export async function rename(displayName: string): Promise<void> {
  parley.setMe(await account.rename(displayName))
}

export async function setStatus(status: Status): Promise<void> {
  // Shown at once: it is one's own word.
  const { me } = parley.store.getState().world
  if (me) parley.setMe({ ...me, status } as User)
  try {
    parley.setMe(await account.setStatus(status))
  } catch (error) {
    if (me) parley.setMe(me)
    throw error
  }
}

const SIDE = 512

/** The middle of a picture, square and small: nobody uploads eight megabytes for a thumbnail. */
async function squared(file: Blob): Promise<Blob> {
  try {
    const picture = await createImageBitmap(file, { imageOrientation: 'from-image' })
    const side = Math.min(picture.width, picture.height)
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = Math.min(SIDE, side)
    const left = (picture.width - side) / 2
    const top = (picture.height - side) / 2
    canvas.getContext('2d')?.drawImage(picture, left, top, side, side, 0, 0, canvas.width, canvas.height)
    picture.close()
    // What may be see-through stays so.
    const type = file.type === 'image/jpeg' ? file.type : 'image/png'
    const small = await new Promise<Blob | null>((done) => canvas.toBlob(done, type, 0.9))
    return small ?? file
  } catch {
    // Not a picture that this browser knows: the server says whether it does.
    return file
  }
}

export async function changePicture(file: Blob, onProgress: (part: number) => void): Promise<void> {
  parley.setMe(await account.putAvatar(await squared(file), onProgress))
}

export async function removePicture(): Promise<void> {
  await account.deleteAvatar()
  const { me } = parley.store.getState().world
  if (me) parley.setMe({ ...me, avatar_url: null })
}
