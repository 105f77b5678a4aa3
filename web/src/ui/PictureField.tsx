import { t } from '@lingui/core/macro'
import { Camera, Trash2 } from 'lucide-react'
import { useId, useState } from 'react'
import type { User } from '../api/types'
import { Alert } from './Alert'
import { Avatar } from './Avatar'
import { Button } from './Button'

interface Props {
  user: User
  onPick(file: File, onProgress: (part: number) => void): Promise<void>
  onRemove?: (() => Promise<void>) | undefined
  /** A sentence for what went wrong. */
  explain(error: unknown): string
}

/** Own picture: pick a file, see it arrive. */
export function PictureField({ user, onPick, onRemove, explain }: Props) {
  const id = useId()
  const [part, setPart] = useState<number | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const run = async (work: () => Promise<void>) => {
    setProblem(null)
    setPart(0)
    try {
      await work()
    } catch (error) {
      setProblem(explain(error))
    }
    setPart(null)
  }
  return (
    <div className="space-y-3">
      {problem && <Alert>{problem}</Alert>}
      <div className="flex items-center gap-5">
        <Avatar user={user} size="xl" className="[&>*]:size-20! [&>*]:text-xl!" />
        <div className="min-w-0 flex-1">
          <div className="flex flex-wrap gap-2">
            <label
              htmlFor={id}
              className="inline-flex min-h-11 cursor-pointer items-center gap-2 rounded-control border border-line bg-raised px-4 text-sm font-medium transition-colors focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-accent hover:bg-sunken"
            >
              <Camera aria-hidden className="size-4" />
              {user.avatar_url ? t`Change picture` : t`Choose a picture`}
              <input
                id={id}
                type="file"
                accept="image/png,image/jpeg,image/webp,image/gif"
                disabled={part !== null}
                className="sr-only"
                onChange={(event) => {
                  const file = event.target.files?.[0]
                  event.target.value = ''
                  if (file) void run(() => onPick(file, setPart))
                }}
              />
            </label>
            {user.avatar_url && onRemove && (
              <Button
                look="quiet"
                className="text-soft"
                icon={<Trash2 aria-hidden className="size-4" />}
                onClick={() => void run(onRemove)}
              >
                {t`Remove picture`}
              </Button>
            )}
          </div>
          {part === null ? (
            <p className="mt-2 text-soft">{t`Without one, people see your initials.`}</p>
          ) : (
            <progress
              aria-label={t`Uploading the picture`}
              value={part > 0 ? part : undefined}
              className="mt-3 h-1.5 w-full max-w-60 accent-accent"
            />
          )}
        </div>
      </div>
    </div>
  )
}
