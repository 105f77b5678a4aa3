import { t } from '@lingui/core/macro'
import { UserPlus, X } from 'lucide-react'
import { useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { ApiError } from '../../api/client'
import type { User } from '../../api/types'
import { problemSentence } from '../../call/sentences'
import { changePicture, removePicture, rename } from '../../state/account'
import { setFlag, useFlag } from '../../state/flags'
import { Button, IconButton } from '../../ui/Button'
import { cx } from '../../ui/cx'
import { Field } from '../../ui/Field'
import { PictureField } from '../../ui/PictureField'
import { DeviceCheck } from './DeviceCheck'

const flagOf = (userId: string) => `welcome.${userId}`

export const useWelcome = (userId: string): boolean => useFlag(flagOf(userId)) === 'open'

const explain = (error: unknown): string =>
  error instanceof ApiError ? problemSentence(error) : String(error)

/** The first visit: three short steps beside everything else, each of which can be skipped. */
export function Welcome({ me, onFind }: { me: User; onFind: () => void }) {
  const [step, setStep] = useState(0)
  const [name, setName] = useState(me.display_name)
  const [problem, setProblem] = useState<string | undefined>()
  const [busy, setBusy] = useState(false)
  const heading = useRef<HTMLHeadingElement>(null)
  const close = () => setFlag(flagOf(me.id), null)
  const go = (to: number) => {
    flushSync(() => setStep(to))
    heading.current?.focus()
  }
  const next = async () => {
    const wanted = name.trim()
    if (step === 0 && wanted !== '' && wanted !== me.display_name) {
      setBusy(true)
      setProblem(undefined)
      try {
        await rename(wanted)
      } catch (error) {
        setBusy(false)
        return setProblem(explain(error))
      }
      setBusy(false)
    }
    if (step === 2) close()
    else go(step + 1)
  }
  const titles = [t`You, as others see you`, t`Camera and microphone`, t`Find somebody to call`]
  const number = step + 1
  return (
    <section aria-label={t`First steps`} className="rounded-tile border border-line bg-surface p-5 sm:p-6">
      <div className="flex items-start justify-between gap-3">
        <div>
          <p className="text-xs font-medium text-soft">{t`Step ${number} of 3`}</p>
          <h2 ref={heading} tabIndex={-1} className="mt-1 text-lg font-semibold outline-none">
            {titles[step]}
          </h2>
        </div>
        <IconButton label={t`Skip the first steps`} className="-me-2 -mt-2" onClick={close}>
          <X aria-hidden className="size-5 text-soft" />
        </IconButton>
      </div>
      <div className="mt-5">
        {step === 0 && (
          <div className="space-y-5">
            <PictureField user={me} onPick={changePicture} onRemove={removePicture} explain={explain} />
            <Field
              label={t`Your name`}
              autoComplete="name"
              maxLength={64}
              value={name}
              error={problem}
              onChange={(event) => setName(event.target.value)}
            />
          </div>
        )}
        {step === 1 && <DeviceCheck compact />}
        {step === 2 && (
          <div>
            <p className="text-base text-soft">
              {t`Calls begin with a contact. Search by name, ask, and as soon as they accept you can call.`}
            </p>
            <Button
              look="accent"
              className="mt-5"
              icon={<UserPlus aria-hidden className="size-4" />}
              onClick={onFind}
            >
              {t`Search by name`}
            </Button>
          </div>
        )}
      </div>
      <div className="mt-6 flex items-center gap-2">
        <span aria-hidden className="flex gap-1.5">
          {titles.map((title, n) => (
            <span key={title} className={cx('h-1.5 w-6 rounded-full', n <= step ? 'bg-accent' : 'bg-line')} />
          ))}
        </span>
        <span className="flex-1" />
        {step > 0 && (
          <Button look="quiet" className="text-soft" onClick={() => go(step - 1)}>
            {t`Back`}
          </Button>
        )}
        <Button look={step === 2 ? 'plain' : 'accent'} busy={busy} onClick={() => void next()}>
          {step === 2 ? t`Done` : t`Next`}
        </Button>
      </div>
    </section>
  )
}
