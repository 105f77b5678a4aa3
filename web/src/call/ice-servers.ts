/* Where a connection may be relayed: asked for before a call needs it, and kept while the credentials are good. */
import type { Api } from '../api/client'

const FOR_MS = 10 * 60_000
const WITHIN_MS = 600

export class IceServers {
  private readonly api: Pick<Api, 'iceServers'>
  private asked: { at: number; servers: Promise<RTCIceServer[]> } | null = null

  constructor(api: Pick<Api, 'iceServers'>) {
    this.api = api
  }

  forget(): void {
    this.asked = null
  }

  /** A call does not wait for TURN: the server itself is reachable without. */
  get(): Promise<RTCIceServer[]> {
    const now = Date.now()
    if (!this.asked || now - this.asked.at > FOR_MS) {
      const servers = this.api.iceServers().catch((): RTCIceServer[] => {
        this.asked = null
        return []
      })
      this.asked = { at: now, servers }
    }
    const enough = new Promise<RTCIceServer[]>((done) => setTimeout(() => done([]), WITHIN_MS))
    return Promise.race([this.asked.servers, enough])
  }
}
