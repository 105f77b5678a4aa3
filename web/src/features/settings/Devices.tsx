import { t } from '@lingui/core/macro'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Monitor, Smartphone } from 'lucide-react'
import { account } from '../../api/account'
import { whenWords } from '../../call/sentences'
import { Alert } from '../../ui/Alert'
import { Button } from '../../ui/Button'
import { Skeleton } from '../../ui/Skeleton'
import { agentWords } from './agent'
import { useWork } from './useWork'

export const SIGN_INS = ['sessions']

export function Devices() {
  const signIns = useQuery({ queryKey: SIGN_INS, queryFn: () => account.listSignIns() })
  const queries = useQueryClient()
  const work = useWork()
  if (signIns.isPending)
    return (
      <div role="status" aria-label={t`Loading your devices`} className="space-y-3">
        <Skeleton className="h-11" />
        <Skeleton className="h-11 w-4/5" />
      </div>
    )
  if (signIns.isError)
    return (
      <div className="flex flex-wrap items-center gap-3 text-soft">
        {t`Your devices could not be loaded.`}
        <Button onClick={() => void signIns.refetch()}>{t`Load devices again`}</Button>
      </div>
    )
  const revoke = (id: string) =>
    void work.run(async () => {
      await account.revoke(id)
      await queries.invalidateQueries({ queryKey: SIGN_INS })
    })
  const all = signIns.data.toSorted((a, b) => Number(b.current) - Number(a.current))
  return (
    <div className="space-y-3">
      <p className="text-soft">{t`Where you are signed in. Sign out what you do not know, and change your password.`}</p>
      {work.problem && <Alert>{work.problem}</Alert>}
      <ul className="divide-y divide-line">
        {all.map((signIn) => {
          const { words, phone } = agentWords(signIn.user_agent)
          const Icon = phone ? Smartphone : Monitor
          const seen = whenWords(signIn.last_seen_at)
          return (
            <li key={signIn.id} className="flex min-h-16 items-center gap-3 py-2">
              <Icon aria-hidden className="size-5 shrink-0 text-soft" />
              <span className="min-w-0 flex-1">
                <span className="block truncate font-medium">{words}</span>
                <span className="block truncate text-soft">
                  {signIn.current ? t`This device` : t`Last seen ${seen}`}
                </span>
              </span>
              {!signIn.current && (
                <Button aria-label={t`End the sign-in of ${words}`} onClick={() => revoke(signIn.id)}>
                  {t`End`}
                </Button>
              )}
            </li>
          )
        })}
      </ul>
    </div>
  )
}
