/* One's own account: name, status, picture, password, devices, data. */
import { requestJson, upload } from './client'
import type { components } from './schema.gen'

export type Me = components['schemas']['Me']
export type Status = components['schemas']['Status']
export type SignIn = components['schemas']['Session']
export type ServerNews = { version: string; signups: 'open' | 'invite' | 'closed'; password_min: number }

interface MeAnswer {
  user: Me
}

export const account = {
  async server(): Promise<ServerNews> {
    return (await requestJson<{ server: ServerNews }>('GET', '/server')).server
  },
  async rename(displayName: string): Promise<Me> {
    return (await requestJson<MeAnswer>('PATCH', '/me', { display_name: displayName })).user
  },
  async setStatus(status: Status): Promise<Me> {
    return (await requestJson<MeAnswer>('PATCH', '/me', { status })).user
  },
  async putAvatar(picture: Blob, onProgress: (part: number) => void): Promise<Me> {
    return (await upload<MeAnswer>('/me/avatar', picture, onProgress)).user
  },
  async deleteAvatar(): Promise<void> {
    await requestJson('DELETE', '/me/avatar')
  },
  async changePassword(current: string, fresh: string): Promise<void> {
    await requestJson('PUT', '/me/password', { current, new: fresh }, 0)
  },
  async listSignIns(): Promise<SignIn[]> {
    return (await requestJson<{ items: SignIn[] }>('GET', '/sessions')).items
  },
  async revoke(id: string): Promise<void> {
    await requestJson('DELETE', `/sessions/${encodeURIComponent(id)}`)
  },
  async remove(password: string): Promise<void> {
    await requestJson('DELETE', '/me', { password }, 0)
  },
  /** Everything there is, as a file to save. */
  async exported(): Promise<Blob> {
    const everything = await requestJson<unknown>('GET', '/me/export')
    return new Blob([JSON.stringify(everything, null, 2)], { type: 'application/json' })
  },
}
