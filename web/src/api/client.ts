/* The HTTP API as functions. Every failure is an ApiError; repeating is done here, and only where the
 * interface says that repeating changes nothing. */
import createClient from 'openapi-fetch'
import type { paths } from './schema.gen'
import type { Call, CallRings, Contact, IceServer, Message, Muted, Problem, ProblemCode, User } from './types'

export const BASE = '/api/v1'
const TIMEOUT_MS = 12_000

export type ErrorCode = ProblemCode | 'network' | 'unknown'

export class ApiError extends Error {
  readonly status: number
  readonly code: ErrorCode
  readonly field: string | undefined
  readonly call: Call | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, more: Partial<Omit<ApiError, 'code' | 'message'>> = {}) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.status = more.status ?? 0
    this.field = more.field
    this.call = more.call
    this.retryAfterMs = more.retryAfterMs
  }

  /** The request may well succeed when it is sent again. */
  get passing(): boolean {
    return this.code === 'network' || this.status === 503 || this.status === 502 || this.status === 500
  }
}

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))

function errorFrom(response: Response, body: unknown): ApiError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Partial<Problem> & {
    call?: Call
  }
  const after = Number(response.headers.get('Retry-After') ?? Number.NaN)
  return new ApiError(
    problem.code ?? 'unknown',
    problem.detail || problem.title || `HTTP ${response.status}`,
    {
      status: response.status,
      field: problem.field,
      call: problem.call,
      retryAfterMs: Number.isFinite(after) ? after * 1000 : undefined,
    },
  )
}

/** Repeats what failed in passing: a worker that died under the request, a database that is away. */
async function insist<T>(attempt: () => Promise<T>, repeats: number): Promise<T> {
  for (let n = 0; ; n++) {
    try {
      return await attempt()
    } catch (error) {
      if (n >= repeats || !(error instanceof ApiError) || !error.passing) throw error
      if ((error.retryAfterMs ?? 0) > 3000) throw error
      await pause(error.retryAfterMs ?? 200 * 2 ** n + Math.random() * 200)
    }
  }
}

/** With its body: a network may go away between the head of an answer and its end. */
const timedFetch = async (request: Request): Promise<Response> => {
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    const { status, statusText, headers } = answer
    const body = await answer.arrayBuffer()
    return new Response(body.byteLength > 0 ? body : null, { status, statusText, headers })
  } catch {
    throw new ApiError('network', 'The server cannot be reached.')
  }
}

const client = createClient<paths>({ baseUrl: BASE, fetch: timedFetch })

type Outcome<T> = Promise<{ data?: T; error?: unknown; response: Response }>

function take<T>(attempt: () => Outcome<T>, repeats = 2): Promise<T> {
  return insist(async () => {
    const { data, error, response } = await attempt()
    if (!response.ok) throw errorFrom(response, error)
    return data as T
  }, repeats)
}

/** For what docs/openapi.yaml does not describe yet. */
export function requestJson<T>(method: string, path: string, body?: unknown, repeats = 2): Promise<T> {
  return insist(async () => {
    const response = await timedFetch(
      new Request(BASE + path, {
        method,
        headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      }),
    )
    const answer: unknown = response.status === 204 ? null : await response.json().catch(() => null)
    if (!response.ok) throw errorFrom(response, answer)
    return answer as T
  }, repeats)
}

async function sendSdp(url: string, method: 'POST' | 'PATCH', sdp: string): Promise<Response> {
  const response = await timedFetch(
    new Request(url, {
      method,
      headers: { 'Content-Type': 'application/sdp', Accept: 'application/sdp, application/problem+json' },
      body: sdp,
    }),
  )
  if (!response.ok) throw errorFrom(response, await response.json().catch(() => null))
  return response
}

const callPath = (id: string) => ({ params: { path: { call_id: id } } })
const memberPath = (id: string, userId: string) => ({ params: { path: { call_id: id, user_id: userId } } })
const userPath = (id: string) => ({ params: { path: { user_id: id } } })

export const api = {
  async signUp(body: {
    username: string
    display_name: string
    password: string
    invite?: string
  }): Promise<User> {
    return (await take(() => client.POST('/accounts', { body }), 0)).user
  },
  async signIn(body: { username: string; password: string }): Promise<User> {
    return (await take(() => client.POST('/sessions', { body }), 1)).user
  },
  async signOut(): Promise<void> {
    await take(() => client.DELETE('/sessions/current'))
  },
  async me(): Promise<User> {
    return (await take(() => client.GET('/me'), 1)).user
  },

  /** Who is signed in; null when nobody is. */
  async current(): Promise<User | null> {
    return (await take(() => client.GET('/sessions/current'), 1)).user
  },
  async updateContact(
    userId: string,
    body: { nickname?: string | null; favourite?: boolean; blocked?: boolean },
  ): Promise<Contact> {
    return (await take(() => client.PATCH('/contacts/{user_id}', { ...userPath(userId), body }))).contact
  },
  async searchUsers(q: string): Promise<User[]> {
    return (await take(() => client.GET('/users', { params: { query: { q } } }))).items
  },
  async putContact(userId: string): Promise<Contact> {
    return (await take(() => client.PUT('/contacts/{user_id}', userPath(userId)))).contact
  },
  async deleteContact(userId: string): Promise<void> {
    await take(() => client.DELETE('/contacts/{user_id}', userPath(userId)))
  },

  async startCall(id: string, invite: string[], video: boolean): Promise<CallRings> {
    return take(() => client.POST('/calls', { body: { id, invite, video } }))
  },
  async listCalls(before?: string): Promise<{ items: Call[]; next: string | null }> {
    return take(() => client.GET('/calls', { params: { query: before ? { before } : {} } }))
  },
  async getCall(id: string): Promise<Call> {
    return (await take(() => client.GET('/calls/{call_id}', callPath(id)))).call
  },
  async answerCall(id: string): Promise<Call> {
    return (await take(() => client.POST('/calls/{call_id}/answer', callPath(id)))).call
  },
  async declineCall(id: string): Promise<Call> {
    return (await take(() => client.POST('/calls/{call_id}/decline', callPath(id)))).call
  },
  async leaveCall(id: string): Promise<Call> {
    return (await take(() => client.POST('/calls/{call_id}/leave', callPath(id)), 4)).call
  },
  async updateMember(
    id: string,
    body: { muted?: Partial<Muted>; paused?: boolean; hand?: boolean; sharing?: boolean },
  ): Promise<Call> {
    return (await take(() => client.PATCH('/calls/{call_id}/members/me', { ...callPath(id), body }))).call
  },

  async invite(id: string, invite: string[]): Promise<Call> {
    return (await take(() => client.POST('/calls/{call_id}/invite', { ...callPath(id), body: { invite } })))
      .call
  },
  async endCall(id: string): Promise<Call> {
    return (await take(() => client.POST('/calls/{call_id}/end', callPath(id)))).call
  },
  async setLocked(id: string, locked: boolean): Promise<Call> {
    return (await take(() => client.PATCH('/calls/{call_id}', { ...callPath(id), body: { locked } }))).call
  },
  async muteMember(id: string, userId: string): Promise<Call> {
    const options = { ...memberPath(id, userId), body: { muted: { audio: true as const } } }
    return (await take(() => client.PATCH('/calls/{call_id}/members/{user_id}', options))).call
  },
  async removeMember(id: string, userId: string): Promise<Call> {
    return (await take(() => client.DELETE('/calls/{call_id}/members/{user_id}', memberPath(id, userId))))
      .call
  },
  /** Oldest first, those after `after`. */
  async listMessages(id: string, after: number): Promise<{ items: Message[]; next: string | null }> {
    const params = { path: { call_id: id }, query: { after } }
    return take(() => client.GET('/calls/{call_id}/messages', { params }))
  },
  /** Repeated by the chat, which keeps the order. */
  async sendMessage(id: string, messageId: string, text: string): Promise<Message> {
    const body = { id: messageId, text }
    return (await take(() => client.POST('/calls/{call_id}/messages', { ...callPath(id), body }), 0)).message
  },
  /** So far one has read what was left in that call. */
  async markRead(id: string, seq: number): Promise<void> {
    await take(() => client.PUT('/calls/{call_id}/messages/read', { ...callPath(id), body: { seq } }))
  },

  async iceServers(): Promise<IceServer[]> {
    return (await take(() => client.GET('/ice-servers'), 0)).items
  },
  /** Not repeated here: a second POST would replace the transport that the first one made. */
  async openMedia(callId: string, offer: string): Promise<{ location: string; answer: string }> {
    const response = await sendSdp(`${BASE}/calls/${encodeURIComponent(callId)}/media`, 'POST', offer)
    return { location: response.headers.get('Location') ?? '', answer: await response.text() }
  },
  async updateMedia(location: string, offer: string): Promise<string> {
    return (await sendSdp(location, 'PATCH', offer)).text()
  },
}

export type Api = typeof api

/** Sends a file, and says how far it is (0 to 1): fetch cannot. */
export function upload<T>(path: string, file: Blob, onProgress: (part: number) => void): Promise<T> {
  return new Promise<T>((done, failed) => {
    const request = new XMLHttpRequest()
    request.open('PUT', BASE + path)
    request.responseType = 'text'
    request.setRequestHeader('Content-Type', file.type)
    request.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total)
    })
    request.addEventListener('error', () => failed(new ApiError('network', 'The server cannot be reached.')))
    request.addEventListener('load', () => {
      let body: unknown = null
      try {
        body = request.responseText ? JSON.parse(request.responseText) : null
      } catch {
        // Then the status says enough.
      }
      if (request.status >= 200 && request.status < 300) done(body as T)
      else failed(errorFrom(new Response(null, { status: request.status || 500 }), body))
    })
    request.send(file)
  })
}
