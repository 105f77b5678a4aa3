import { Check, LogOut } from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import type { User } from '../../api/types'
import { parley } from '../../state/parley'
import type { ThemeChoice } from '../../state/theme'
import { useTheme } from '../../state/theme'
import { Avatar } from '../../ui/Avatar'
import { cx } from '../../ui/cx'

const THEMES: { value: ThemeChoice; label: string }[] = [
  { value: 'system', label: 'As the system' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
]

const ITEM =
  'flex min-h-11 items-center gap-3 rounded-control px-3 text-sm outline-none select-none data-highlighted:bg-sunken'

export function AccountMenu({ me }: { me: User }) {
  const { choice, choose } = useTheme()
  return (
    // Not modal: a modal menu would lock the page's scrolling with an injected style.
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger
        aria-label="Account menu"
        className="flex size-11 items-center justify-center rounded-full transition-colors hover:bg-sunken"
      >
        <Avatar user={me} size="sm" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          sideOffset={6}
          collisionPadding={12}
          className="z-20 w-64 animate-fade rounded-tile border border-line bg-raised p-2 shadow-float"
        >
          <div className="flex items-center gap-3 px-3 pt-2 pb-3">
            <Avatar user={me} />
            <div className="min-w-0">
              <div className="truncate font-medium">{me.display_name}</div>
              <div className="truncate text-soft">@{me.username}</div>
            </div>
          </div>
          <DropdownMenu.Separator className="mx-1 mb-2 h-px bg-line" />
          <DropdownMenu.Label className="px-3 pt-1 pb-1 text-xs font-medium text-soft">
            Appearance
          </DropdownMenu.Label>
          <DropdownMenu.RadioGroup value={choice} onValueChange={(value) => choose(value as ThemeChoice)}>
            {THEMES.map(({ value, label }) => (
              <DropdownMenu.RadioItem
                key={value}
                value={value}
                onSelect={(event) => event.preventDefault()}
                className={ITEM}
              >
                <Check aria-hidden className={cx('size-4 text-accent', choice !== value && 'invisible')} />
                {label}
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
          <DropdownMenu.Separator className="mx-1 my-2 h-px bg-line" />
          <DropdownMenu.Item className={ITEM} onSelect={() => void parley.signOut()}>
            <LogOut aria-hidden className="size-4 text-soft" />
            Sign out
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}
