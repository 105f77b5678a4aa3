/* Stream links of a call: for programs that send into it (WHIP) or watch it (WHEP). */
import { requestJson } from './client'
import type { components } from './schema.gen'

export type Stream = components['schemas']['Stream']
export type StreamKind = components['schemas']['StreamKind']
/** With what opens it, which is not shown again. */
export type NewStream = Stream & { token: string }

const at = (callId: string) => `/calls/${encodeURIComponent(callId)}/streams`

export async function listStreams(callId: string): Promise<Stream[]> {
  return (await requestJson<{ items: Stream[] }>('GET', at(callId))).items
}

/** Not repeated: each makes another link. */
export async function createStream(callId: string, kind: StreamKind, name: string): Promise<NewStream> {
  return (await requestJson<{ stream: NewStream }>('POST', at(callId), { kind, name }, 0)).stream
}

export async function deleteStream(callId: string, streamId: string): Promise<void> {
  await requestJson('DELETE', `${at(callId)}/${encodeURIComponent(streamId)}`)
}
