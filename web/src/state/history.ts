import type { QueryClient } from '@tanstack/react-query'
import { useInfiniteQuery } from '@tanstack/react-query'
import { api } from '../api/client'
import type { Call } from '../api/types'
import { othersIn } from '../call/model'
import { parley } from './parley'

const KEY = ['calls']

export function useHistory() {
  return useInfiniteQuery({
    queryKey: KEY,
    queryFn: ({ pageParam }) => api.listCalls(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    staleTime: 30_000,
  })
}

export type History = ReturnType<typeof useHistory>

export const callsOf = (history: History): Call[] => history.data?.pages.flatMap((page) => page.items) ?? []

export function lastCallWith(calls: readonly Call[], meId: string): Map<string, Call> {
  const last = new Map<string, Call>()
  for (const call of calls)
    for (const { user } of othersIn(call, meId)) if (!last.has(user.id)) last.set(user.id, call)
  return last
}

const ended = (calls: Readonly<Record<string, Call>>): number =>
  Object.values(calls).filter((call) => call.state === 'ended').length

/** The history is fetched again when a call ended or was left, when something was left in one, and after every hello. */
export function keepHistoryFresh(queries: QueryClient): () => void {
  const refetch = () => void queries.invalidateQueries({ queryKey: KEY })
  const stopHello = parley.onHello(refetch)
  const stopWords = parley.onWords((callId) => {
    refetch()
    void queries.invalidateQueries({ queryKey: ['messages', callId] })
  })
  const stopStore = parley.store.subscribe((now, before) => {
    if (now.auth !== before.auth) queries.removeQueries({ queryKey: KEY })
    else if (before.session && !now.session) refetch()
    else if (now.world.calls !== before.world.calls && ended(now.world.calls) > ended(before.world.calls))
      refetch()
  })
  return () => {
    stopHello()
    stopWords()
    stopStore()
  }
}
