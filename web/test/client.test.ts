import { afterEach, expect, it, vi } from 'vitest'
import { api } from '../src/api/client'

afterEach(() => void vi.unstubAllGlobals())

const answers = (make: () => Response) =>
  vi.stubGlobal(
    'fetch',
    vi.fn(() => Promise.resolve(make())),
  )

/** The head of an answer has come; then the network goes away. */
const broken = () =>
  new ReadableStream({
    start: (body) => body.enqueue(new TextEncoder().encode('{"call":')),
    pull: (body) => body.error(new DOMException('signal timed out', 'TimeoutError')),
  })

it('takes an answer that breaks off for a lost network, which passes', async () => {
  answers(() => new Response(broken(), { status: 201, headers: { Location: '/media/1' } }))
  await expect(api.openMedia('c1', 'offer')).rejects.toMatchObject({ code: 'network', passing: true })
  await expect(api.updateMedia('/media/1', 'offer')).rejects.toMatchObject({ code: 'network' })
  await expect(api.sendMessage('c1', 'm1', 'hello')).rejects.toMatchObject({ code: 'network' })
})

it('gives on what came whole, also without a body', async () => {
  answers(() => new Response('answer', { status: 201, headers: { Location: '/media/1' } }))
  expect(await api.openMedia('c1', 'offer')).toEqual({ location: '/media/1', answer: 'answer' })
  answers(() => new Response(null, { status: 204 }))
  expect(await api.signOut()).toBeUndefined()
})
