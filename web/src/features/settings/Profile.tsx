import { t } from '@lingui/core/macro'
import { Check } from 'lucide-react'
import { useState } from 'react'
import type { Status } from '../../api/account'
import type { User } from '../../api/types'
import { changePicture, removePicture, rename, setStatus, statusOf } from '../../state/account'
import { Alert } from '../../ui/Alert'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { PictureField } from '../../ui/PictureField'
import { Radios } from './Radios'
import { explain, useWork } from './useWork'

export function Profile({ me }: { me: User }) {
  const [name, setName] = useState(me.display_name)
  const naming = useWork()
  const status = useWork()
  const wanted = name.trim()
  const { username } = me
  const same = wanted === me.display_name
  return (
    <div className="space-y-6">
      <PictureField user={me} onPick={changePicture} onRemove={removePicture} explain={explain} />
      <form
        className="space-y-3"
        onSubmit={(event) => {
          event.preventDefault()
          if (!same && wanted !== '') void naming.run(() => rename(wanted))
        }}
      >
        {naming.problem && <Alert>{naming.problem}</Alert>}
        <div className="flex flex-wrap items-end gap-3">
          <Field
            className="min-w-56 flex-1"
            label={t`Display name`}
            autoComplete="name"
            required
            maxLength={64}
            value={name}
            onChange={(event) => {
              naming.forget()
              setName(event.target.value)
            }}
          />
          <Button type="submit" className="h-12" busy={naming.busy} disabled={same || wanted === ''}>
            {t`Save name`}
          </Button>
        </div>
        <div className="flex flex-wrap justify-between gap-x-4">
          <p className="text-soft">{t`Others find you as @${username}.`}</p>
          <Saved shown={naming.done} words={t`The name is saved.`} />
        </div>
      </form>
      <div className="space-y-3">
        {status.problem && <Alert>{status.problem}</Alert>}
        <Radios<Status>
          title={t`Status`}
          value={statusOf(me)}
          onChoose={(to) => void status.run(() => setStatus(to))}
          options={[
            { value: 'available', label: t`Available`, hint: t`People see when you are here.` },
            { value: 'away', label: t`Away`, hint: t`You are shown as away; calls ring.` },
            {
              value: 'do_not_disturb',
              label: t`Do not disturb`,
              hint: t`Calls do not ring; callers hear that you are busy.`,
            },
          ]}
        />
      </div>
    </div>
  )
}

export function Saved({ shown, words }: { shown: boolean; words: string }) {
  return (
    <p role="status" className="flex min-h-5 items-center gap-2 text-on-tint">
      {shown && (
        <>
          <Check aria-hidden className="size-4" />
          {words}
        </>
      )}
    </p>
  )
}
