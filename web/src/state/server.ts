import { useQuery } from '@tanstack/react-query'
import type { ServerNews } from '../api/account'
import { account } from '../api/account'

const UNLESS_TOLD: ServerNews = { version: '', signups: 'open', password_min: 15 }

/** What this server allows; the usual until it has said. */
export function useServer(): ServerNews {
  const server = useQuery({ queryKey: ['server'], queryFn: () => account.server(), staleTime: Infinity })
  return server.data ?? UNLESS_TOLD
}
