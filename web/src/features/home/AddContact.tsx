import { t } from '@lingui/core/macro'
import { useQuery } from '@tanstack/react-query'
import { Check, Search, UserPlus, X } from 'lucide-react'
import { useEffect, useState } from 'react'
import { api, ApiError } from '../../api/client'
import type { User } from '../../api/types'
import { problemSentence } from '../../call/sentences'
import { parley, useParley } from '../../state/parley'
import { Alert } from '../../ui/Alert'
import { Avatar } from '../../ui/Avatar'
import { Button, IconButton } from '../../ui/Button'
import { Modal } from '../../ui/Modal'
import { Skeleton } from '../../ui/Skeleton'

function useSettled(value: string, ms: number): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}

export function AddContact({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('')
  const [problem, setProblem] = useState<ApiError | null>(null)
  const q = useSettled(text.trim().replace(/^@/, ''), 180)
  const found = useQuery({
    queryKey: ['users', q],
    queryFn: () => api.searchUsers(q),
    enabled: q.length > 0,
    placeholderData: (before) => (q ? before : undefined),
    staleTime: 10_000,
  })
  const add = async (user: User) => {
    setProblem(null)
    try {
      await parley.addContact(user.id)
    } catch (error) {
      if (error instanceof ApiError) setProblem(error)
    }
  }
  const failure = problem ?? (found.error instanceof ApiError ? found.error : null)
  return (
    <Modal
      label={t`Add contact`}
      onClose={onClose}
      className="max-sm:mx-auto max-sm:mt-4 max-sm:mb-auto sm:mt-[12dvh] sm:mb-auto"
    >
      <div className="flex items-center justify-between ps-6 pe-3 pt-3">
        <h2 className="text-base font-semibold">{t`Add contact`}</h2>
        <IconButton label={t`Close`} onClick={onClose}>
          <X aria-hidden className="size-5" />
        </IconButton>
      </div>
      <div className="px-6 pt-2 pb-4">
        <div className="relative">
          <Search aria-hidden className="absolute start-3.5 top-3.5 size-5 text-soft" />
          <input
            type="search"
            aria-label={t`Search people`}
            placeholder={t`Name or user name`}
            data-first
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={64}
            value={text}
            onChange={(event) => setText(event.target.value)}
            className="h-12 w-full rounded-control border border-strong bg-raised ps-11 pe-3 text-base placeholder:text-soft focus-visible:outline-offset-0 [&::-webkit-search-cancel-button]:hidden"
          />
        </div>
      </div>
      <div
        className="max-h-[50dvh] min-h-44 overflow-y-auto border-t border-line px-3 py-2"
        aria-live="polite"
      >
        {failure && (
          <div className="p-3">
            <Alert>{problemSentence(failure)}</Alert>
          </div>
        )}
        {q === '' && (
          <p className="px-3 py-10 text-center text-soft">
            {t`Type a name. People become contacts once they accept.`}
          </p>
        )}
        {q !== '' && found.isPending && (
          <div className="space-y-2 p-3">
            <Skeleton className="h-11" />
            <Skeleton className="h-11 w-4/5" />
          </div>
        )}
        {q !== '' && found.data?.length === 0 && (
          <p className="px-3 py-10 text-center text-soft">
            {t`Nobody called “${q}” here. Check the spelling, or ask for their user name.`}
          </p>
        )}
        {q !== '' && found.data && found.data.length > 0 && (
          <ul>
            {found.data.map((user) => (
              <Found key={user.id} user={user} onAdd={() => add(user)} />
            ))}
          </ul>
        )}
      </div>
    </Modal>
  )
}

function Found({ user, onAdd }: { user: User; onAdd: () => Promise<void> }) {
  const state = useParley(({ world }) => world.contacts[user.id]?.state)
  const isMe = useParley(({ world }) => world.me?.id === user.id)
  const [busy, setBusy] = useState(false)
  const name = user.display_name
  const add = async () => {
    setBusy(true)
    await onAdd()
    setBusy(false)
  }
  const done = (word: string) => (
    <span className="flex items-center gap-1.5 px-2 text-sm text-soft">
      <Check aria-hidden className="size-4" />
      {word}
    </span>
  )
  return (
    <li className="flex min-h-14 items-center gap-3 px-3 py-1.5">
      <Avatar user={user} />
      <div className="min-w-0 flex-1">
        <div className="truncate font-medium">{user.display_name}</div>
        <div className="truncate text-soft">@{user.username}</div>
      </div>
      {isMe ? (
        done(t`You`)
      ) : state === 'accepted' ? (
        done(t`Contact`)
      ) : state === 'outgoing' ? (
        done(t`Asked`)
      ) : state === 'blocked' ? (
        done(t`Blocked`)
      ) : (
        <Button
          aria-label={t`Add ${name}`}
          look="accent"
          busy={busy}
          icon={<UserPlus aria-hidden className="size-4" />}
          onClick={() => void add()}
        >
          {t`Add`}
        </Button>
      )}
    </li>
  )
}
