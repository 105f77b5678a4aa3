import { t } from '@lingui/core/macro'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { account } from '../../api/account'
import { useServer } from '../../state/server'
import { Alert } from '../../ui/Alert'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { SIGN_INS } from './Devices'
import { Saved } from './Profile'
import { useWork } from './useWork'

export function Password({ username }: { username: string }) {
  const [current, setCurrent] = useState('')
  const [fresh, setFresh] = useState('')
  const work = useWork()
  const queries = useQueryClient()
  const { password_min: least } = useServer()
  const short = fresh !== '' && [...fresh].length < least
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault()
        if (work.busy || short || !current || !fresh) return
        void work.run(async () => {
          await account.changePassword(current, fresh)
          setCurrent('')
          setFresh('')
          void queries.invalidateQueries({ queryKey: SIGN_INS })
        })
      }}
    >
      {work.problem && <Alert>{work.problem}</Alert>}
      {/* For password managers: whose password it is. */}
      <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
      <div className="grid gap-4 sm:grid-cols-2">
        <Field
          label={t`Current password`}
          type="password"
          autoComplete="current-password"
          maxLength={256}
          value={current}
          onChange={(event) => {
            work.forget()
            setCurrent(event.target.value)
          }}
        />
        <Field
          label={t`New password`}
          type="password"
          autoComplete="new-password"
          maxLength={256}
          hint={t`At least ${least} characters. A few words are easiest to remember.`}
          value={fresh}
          onChange={(event) => setFresh(event.target.value)}
        />
      </div>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <Button type="submit" busy={work.busy} disabled={short || !current || !fresh}>
          {t`Change password`}
        </Button>
        <Saved shown={work.done} words={t`Changed. Your other devices are signed out.`} />
      </div>
    </form>
  )
}
