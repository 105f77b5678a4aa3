import { t } from '@lingui/core/macro'
import { Download } from 'lucide-react'
import type { FormEvent } from 'react'
import { useState } from 'react'
import { account } from '../../api/account'
import type { User } from '../../api/types'
import { parley } from '../../state/parley'
import { Alert } from '../../ui/Alert'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Modal } from '../../ui/Modal'
import { useWork } from './useWork'

export function Data({ me }: { me: User }) {
  const [asking, setAsking] = useState(false)
  const work = useWork()
  return (
    <div className="divide-y divide-line">
      <div className="flex flex-wrap items-center justify-between gap-3 pb-5">
        <p className="min-w-52 flex-1 text-soft">
          {t`Everything that this server keeps about you, as one file: account, contacts, calls and what you wrote.`}
        </p>
        <Button
          busy={work.busy}
          icon={<Download aria-hidden className="size-4" />}
          onClick={() => void work.run(saveExport)}
        >
          {work.busy ? t`Preparing…` : t`Export my data`}
        </Button>
        {work.problem && (
          <div className="basis-full">
            <Alert>{work.problem}</Alert>
          </div>
        )}
      </div>
      <div className="flex flex-wrap items-center justify-between gap-3 pt-5">
        <p className="min-w-52 flex-1 text-soft">
          {t`Deleting your account removes your name, picture, contacts and sign-ins for ever.`}
        </p>
        <Button className="text-danger-text" onClick={() => setAsking(true)}>
          {t`Delete account…`}
        </Button>
      </div>
      {asking && <Delete me={me} onClose={() => setAsking(false)} />}
    </div>
  )
}

async function saveExport(): Promise<void> {
  const file = await account.exported()
  const url = URL.createObjectURL(file)
  const link = document.createElement('a')
  link.href = url
  link.download = 'parley-export.json'
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** Typed by hand, so that it is never an accident. */
function Delete({ me, onClose }: { me: User; onClose: () => void }) {
  const [typed, setTyped] = useState('')
  const [password, setPassword] = useState('')
  const work = useWork()
  const { username } = me
  const sure = typed.trim().toLowerCase() === username && password !== ''
  const remove = (event: FormEvent) => {
    event.preventDefault()
    if (!sure || work.busy) return
    void work.run(async () => {
      await account.remove(password)
      parley.exited()
    })
  }
  return (
    <Modal label={t`Delete account`} onClose={onClose}>
      <form className="space-y-4 p-6" onSubmit={remove}>
        <h2 className="text-base font-semibold">{t`Delete your account for ever?`}</h2>
        <p className="text-soft">
          {t`This cannot be undone. What you wrote in calls stays there, without your name.`}
        </p>
        {work.problem && <Alert>{work.problem}</Alert>}
        <Field
          label={t`Type your user name, ${username}, to confirm`}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-first
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        <Field
          label={t`Your password`}
          type="password"
          autoComplete="current-password"
          maxLength={256}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        <div className="flex justify-end gap-2 pt-2">
          <Button onClick={onClose}>{t`Keep my account`}</Button>
          <Button type="submit" look="danger" busy={work.busy} disabled={!sure}>
            {t`Delete for ever`}
          </Button>
        </div>
      </form>
    </Modal>
  )
}
