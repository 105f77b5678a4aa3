import { t } from '@lingui/core/macro'
import type { LocaleChoice } from '../../state/locale'
import { chooseLocale, LOCALES, useLocale } from '../../state/locale'
import { turnOffNotifications, turnOnNotifications, useNotifying } from '../../state/notifications'
import type { ThemeChoice } from '../../state/theme'
import { useTheme } from '../../state/theme'
import { Button } from '../../ui/Button'
import { Radios } from './Radios'

export function Appearance() {
  const { choice, choose } = useTheme()
  const language = useLocale((state) => state.choice)
  return (
    <div className="space-y-6">
      <Radios<ThemeChoice>
        title={t`Theme`}
        value={choice}
        onChoose={choose}
        options={[
          { value: 'system', label: t`As the system` },
          { value: 'light', label: t`Light` },
          { value: 'dark', label: t`Dark` },
        ]}
      />
      <Radios<LocaleChoice>
        title={t`Language`}
        value={language}
        onChoose={(to) => void chooseLocale(to)}
        options={[
          { value: 'system', label: t`As the browser` },
          ...Object.entries(LOCALES).map(([value, label]) => ({
            value: value as LocaleChoice,
            label,
            lang: value,
          })),
        ]}
      />
      <Notifications />
    </div>
  )
}

function Notifications() {
  const state = useNotifying(({ state: now }) => now)
  if (state === 'unsupported') return null
  return (
    <div>
      <h3 className="mb-1.5 font-medium tracking-normal">{t`Notifications`}</h3>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="min-w-52 flex-1 text-soft">
          {state === 'refused'
            ? t`Your browser does not allow them. Change it in the address bar, then reload the page.`
            : t`Shows a notification when somebody calls and Parley is in the background.`}
        </p>
        {state !== 'refused' &&
          (state === 'on' ? (
            <Button onClick={turnOffNotifications}>{t`Turn notifications off`}</Button>
          ) : (
            <Button onClick={() => void turnOnNotifications()}>{t`Turn notifications on`}</Button>
          ))}
      </div>
    </div>
  )
}
