import type { QueryClient } from '@tanstack/react-query'
import { useInfiniteQuery } from '@tanstack/react-query'
import { api } from '../api/client'
import type { Call } from '../api/types'
import { isGone, memberOf, othersIn } from '../call/model'
import { parley } from './parley'

const KEY = ['calls']
const OPEN_EVERY_MS = 15_000

const isWithoutMe = (call: Call): boolean => {
  const { me } = parley.store.getState().world
  const mine = me && memberOf(call, me.id)
  return mine != null && isGone(mine)
}

/** It goes on without this person, who is told nothing more of it: neither that it ended nor that it was locked. */
const goesOn = (call: Call): boolean => call.state === 'active' && isWithoutMe(call)

export function useHistory() {
  return useInfiniteQuery({
    queryKey: KEY,
    queryFn: ({ pageParam }) => api.listCalls(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    staleTime: 30_000,
    refetchInterval: ({ state }) =>
      state.data?.pages.some(({ items }) => items.some(goesOn)) === true && OPEN_EVERY_MS,
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

type Calls = Readonly<Record<string, Call>>

/** Something became of a call that this person is not in any more: the server's word that they left it, or its end. */
const newsOfThePast = (before: Calls, now: Calls): boolean =>
  before !== now &&
  Object.entries(now).some(
    ([id, call]) => before[id] !== call && (call.state === 'ended' || isWithoutMe(call)),
  )

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
    else if (newsOfThePast(before.world.calls, now.world.calls)) refetch()
  })
  return () => {
    stopHello()
    stopWords()
    stopStore()
  }
}
