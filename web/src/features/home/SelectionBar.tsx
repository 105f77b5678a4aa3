import { plural, t } from '@lingui/core/macro'
import { Phone, Video, X } from 'lucide-react'
import type { User } from '../../api/types'
import { parley } from '../../state/parley'
import { Avatar } from '../../ui/Avatar'
import { Button, IconButton } from '../../ui/Button'

interface Props {
  people: readonly User[]
  onClear: () => void
}

/** Several people, one call. */
export function SelectionBar({ people, onClear }: Props) {
  const call = (video: boolean) => {
    parley.startCall(people, video)
    onClear()
  }
  return (
    <div role="status" className="contents">
      {people.length > 0 && (
        <section
          aria-label={t`Selected people`}
          className="sticky bottom-0 z-10 animate-rise border-t border-line bg-raised px-4 pt-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] shadow-float"
        >
          <div className="flex items-center gap-3">
            <span className="flex -space-x-3 rtl:space-x-reverse">
              {people.slice(0, 3).map((user) => (
                <Avatar key={user.id} user={user} size="sm" className="rounded-full ring-2 ring-raised" />
              ))}
            </span>
            <p className="min-w-0 flex-1 truncate font-medium">
              {plural(people.length, { one: 'Call # person', other: 'Call # people' })}
            </p>
            <IconButton label={t`Clear selection`} onClick={onClear}>
              <X aria-hidden className="size-5 text-soft" />
            </IconButton>
          </div>
          <div className="mt-2 flex gap-2">
            <Button
              look="accent"
              className="flex-1"
              icon={<Video aria-hidden className="size-5" />}
              onClick={() => call(true)}
            >
              {t`Call selected`}
            </Button>
            <Button icon={<Phone aria-hidden className="size-5" />} onClick={() => call(false)}>
              {t`Audio only`}
            </Button>
          </div>
        </section>
      )}
    </div>
  )
}
