/* One RTCPeerConnection and its two m-lines: microphone, then camera. The page offers, the server answers.
 *
 * The m-lines are there from the start, with or without tracks, so that neither a slow permission question nor
 * a camera that is switched on later needs another offer. */
import type { DeviceKind } from './devices'

export type PeerState = 'connecting' | 'connected' | 'disconnected' | 'failed'

export interface PeerHandlers {
  onState(state: PeerState): void
  /** A receiving track began or stopped to carry something. */
  onTracks(): void
}

export interface PeerLike {
  offer(iceRestart?: boolean): Promise<string>
  accept(answer: string): Promise<void>
  setTrack(kind: DeviceKind, track: MediaStreamTrack | null): Promise<void>
  /** The receiving halves, in the order of their m-lines. */
  receivers(): { mid: string; kind: 'audio' | 'video'; track: MediaStreamTrack }[]
  /** Rises while anything at all arrives from the server; null when that cannot be told. */
  heard(): Promise<number | null>
  close(): void
}

export type MakePeer = (
  iceServers: RTCIceServer[],
  tracks: Record<DeviceKind, MediaStreamTrack | null>,
  handlers: PeerHandlers,
) => PeerLike

const CAMERA_BITRATE = 1_500_000

export class Peer implements PeerLike {
  private readonly pc: RTCPeerConnection
  private readonly lines: Record<DeviceKind, RTCRtpTransceiver>
  private closed = false

  constructor(
    iceServers: RTCIceServer[],
    tracks: Record<DeviceKind, MediaStreamTrack | null>,
    handlers: PeerHandlers,
  ) {
    const pc = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' })
    this.pc = pc
    // One stream for both, so that receivers play them in step.
    const stream = new MediaStream()
    this.lines = {
      microphone: pc.addTransceiver(tracks.microphone ?? 'audio', {
        direction: 'sendrecv',
        streams: [stream],
      }),
      camera: pc.addTransceiver(tracks.camera ?? 'video', {
        direction: 'sendrecv',
        streams: [stream],
        sendEncodings: [{ maxBitrate: CAMERA_BITRATE }],
      }),
    }
    const report = () => {
      if (this.closed) return
      const ice = pc.iceConnectionState
      const all = pc.connectionState
      if (all === 'failed' || ice === 'failed') handlers.onState('failed')
      else if (ice === 'disconnected') handlers.onState('disconnected')
      else if (all === 'connected') handlers.onState('connected')
      else handlers.onState('connecting')
    }
    pc.addEventListener('connectionstatechange', report)
    pc.addEventListener('iceconnectionstatechange', report)
    pc.addEventListener('track', ({ track }) => {
      const changed = () => !this.closed && handlers.onTracks()
      track.addEventListener('unmute', changed)
      track.addEventListener('mute', changed)
      changed()
    })
  }

  async offer(iceRestart = false): Promise<string> {
    const offer = await this.pc.createOffer({ iceRestart })
    await this.pc.setLocalDescription(offer)
    // Candidates are not waited for: the server learns addresses from our checks.
    return this.pc.localDescription?.sdp ?? offer.sdp ?? ''
  }

  async accept(answer: string): Promise<void> {
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer })
  }

  async setTrack(kind: DeviceKind, track: MediaStreamTrack | null): Promise<void> {
    if (!this.closed) await this.lines[kind].sender.replaceTrack(track)
  }

  receivers(): { mid: string; kind: 'audio' | 'video'; track: MediaStreamTrack }[] {
    return this.pc
      .getTransceivers()
      .filter((line) => line.mid !== null)
      .map((line) => ({
        mid: line.mid as string,
        kind: line.receiver.track.kind as 'audio' | 'video',
        track: line.receiver.track,
      }))
  }

  async heard(): Promise<number | null> {
    let sum: number | null = null
    const stats = await this.pc.getStats()
    stats.forEach((entry: Record<string, unknown>) => {
      if (entry.type !== 'candidate-pair' && entry.type !== 'transport') return
      for (const field of ['responsesReceived', 'bytesReceived'])
        if (typeof entry[field] === 'number') sum = (sum ?? 0) + (entry[field] as number)
    })
    return sum
  }

  close(): void {
    this.closed = true
    this.pc.close()
  }
}
