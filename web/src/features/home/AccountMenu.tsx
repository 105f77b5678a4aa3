import { t } from '@lingui/core/macro'
import { Check, ChevronDown, ChevronRight, Languages, LogOut, Palette, Settings } from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import type { ReactNode } from 'react'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import type { User } from '../../api/types'
import type { Status } from '../../state/account'
import { setStatus, statusOf } from '../../state/account'
import type { LocaleChoice } from '../../state/locale'
import { chooseLocale, LOCALES, useLocale } from '../../state/locale'
import { parley } from '../../state/parley'
import type { ThemeChoice } from '../../state/theme'
import { useTheme } from '../../state/theme'
import { useMedia } from '../../state/useMedia'
import { Avatar } from '../../ui/Avatar'
import { cx } from '../../ui/cx'
import { mainLandmark } from '../../ui/landmark'
import { attempt } from './attempt'

interface Option<T extends string> {
  value: T
  label: string
  lang?: string
}

const ITEM =
  'flex min-h-11 items-center gap-3 rounded-control px-3 text-sm outline-none select-none data-highlighted:bg-sunken'

export function AccountMenu({ me }: { me: User }) {
  const { choice, choose } = useTheme()
  const language = useLocale((state) => state.choice)
  const navigate = useNavigate()
  const status = statusOf(me)
  const themes: Option<ThemeChoice>[] = [
    { value: 'system', label: t`As the system` },
    { value: 'light', label: t`Light` },
    { value: 'dark', label: t`Dark` },
  ]
  const languages: Option<LocaleChoice>[] = [
    { value: 'system', label: t`As the browser` },
    ...Object.entries(LOCALES).map(([value, label]) => ({
      value: value as LocaleChoice,
      label,
      lang: value,
    })),
  ]
  const statuses: Option<Status>[] = [
    { value: 'available', label: t`Available` },
    { value: 'away', label: t`Away` },
    { value: 'do_not_disturb', label: t`Do not disturb` },
  ]
  return (
    // Not modal: a modal menu would lock the page's scrolling with an injected style.
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger
        aria-label={t`Account menu`}
        className="flex size-11 items-center justify-center rounded-full transition-colors hover:bg-sunken"
      >
        <Avatar user={me} size="sm" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal container={mainLandmark()}>
        <DropdownMenu.Content
          align="end"
          sideOffset={6}
          collisionPadding={12}
          className="z-20 max-h-(--radix-dropdown-menu-content-available-height) w-68 animate-fade overflow-y-auto rounded-tile border border-line bg-raised p-2 shadow-float"
        >
          <div className="flex items-center gap-3 px-3 pt-2 pb-3">
            <Avatar user={me} />
            <div className="min-w-0">
              <div className="truncate font-medium">{me.display_name}</div>
              <div className="truncate text-soft">@{me.username}</div>
            </div>
          </div>
          <DropdownMenu.Separator className="mx-1 mb-2 h-px bg-line" />
          <Choices
            title={t`Status`}
            value={status}
            options={statuses}
            onChoose={(to) => void attempt(setStatus(to))}
          />
          <DropdownMenu.Item className={ITEM} onSelect={() => void navigate('/settings')}>
            <Settings aria-hidden className="size-4 text-soft" />
            {t`Settings`}
          </DropdownMenu.Item>
          <Submenu icon={<Palette aria-hidden className="size-4 text-soft" />} title={t`Appearance`}>
            <Choices value={choice} options={themes} onChoose={choose} />
          </Submenu>
          <Submenu icon={<Languages aria-hidden className="size-4 text-soft" />} title={t`Language`}>
            <Choices value={language} options={languages} onChoose={(to) => void chooseLocale(to)} />
          </Submenu>
          <DropdownMenu.Separator className="mx-1 my-2 h-px bg-line" />
          <DropdownMenu.Item className={ITEM} onSelect={() => void parley.signOut()}>
            <LogOut aria-hidden className="size-4 text-soft" />
            {t`Sign out`}
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

interface ChoicesProps<T extends string> {
  title?: string
  value: T
  options: readonly Option<T>[]
  onChoose: (value: T) => void
}

function Choices<T extends string>({ title, value, options, onChoose }: ChoicesProps<T>) {
  return (
    <DropdownMenu.RadioGroup value={value} onValueChange={(to) => onChoose(to as T)}>
      {title && (
        <DropdownMenu.Label className="px-3 pt-1 pb-1 text-xs font-medium text-soft">
          {title}
        </DropdownMenu.Label>
      )}
      {options.map((option) => (
        <DropdownMenu.RadioItem
          key={option.value}
          value={option.value}
          lang={option.lang}
          onSelect={(event) => event.preventDefault()}
          className={ITEM}
        >
          <Check aria-hidden className={cx('size-4 text-accent', value !== option.value && 'invisible')} />
          {option.label}
        </DropdownMenu.RadioItem>
      ))}
      {title && <DropdownMenu.Separator className="mx-1 my-2 h-px bg-line" />}
    </DropdownMenu.RadioGroup>
  )
}

/** Opens beside the menu where there is room, and in it where there is not: what opened over it would lie under the
 * pointer, and closes at once. */
function Submenu({ icon, title, children }: { icon: ReactNode; title: string; children: ReactNode }) {
  const room = useMedia('(width >= 540px)')
  const [open, setOpen] = useState(false)
  if (!room)
    return (
      <>
        <DropdownMenu.Item
          aria-expanded={open}
          className={ITEM}
          onSelect={(event) => {
            event.preventDefault()
            setOpen(!open)
          }}
        >
          {icon}
          <span className="flex-1">{title}</span>
          <ChevronDown
            aria-hidden
            className={cx('size-4 text-soft transition-transform duration-150', open && 'rotate-180')}
          />
        </DropdownMenu.Item>
        {open && (
          <div ref={(choices) => choices?.scrollIntoView({ block: 'nearest' })} className="ps-4">
            {children}
          </div>
        )}
      </>
    )
  return (
    <DropdownMenu.Sub>
      <DropdownMenu.SubTrigger className={cx(ITEM, 'data-[state=open]:bg-sunken')}>
        {icon}
        <span className="flex-1">{title}</span>
        <ChevronRight aria-hidden className="size-4 text-soft rtl:-scale-x-100" />
      </DropdownMenu.SubTrigger>
      <DropdownMenu.Portal container={mainLandmark()}>
        <DropdownMenu.SubContent
          sideOffset={6}
          collisionPadding={12}
          className="z-30 w-52 animate-fade rounded-tile border border-line bg-raised p-2 shadow-float"
        >
          {children}
        </DropdownMenu.SubContent>
      </DropdownMenu.Portal>
    </DropdownMenu.Sub>
  )
}
