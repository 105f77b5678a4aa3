import { t } from '@lingui/core/macro'
import { Check } from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import { useEffect } from 'react'
import type { Chosen, Device } from '../../call/devices'
import { speakersCanBeChosen } from '../../call/sounds'
import { parley, useParley } from '../../state/parley'
import { cx } from '../../ui/cx'
import { LevelMeter } from './LevelMeter'

/** The inside of a menu: which microphone and speaker, or which camera. */
export function DeviceMenu({ kind }: { kind: 'microphone' | 'camera' }) {
  const { microphones, cameras, speakers } = useParley((state) => state.devices)
  const voice = useParley((state) => state.session?.voice ?? null)
  useEffect(() => void parley.refreshDevices(), [])
  if (kind === 'camera') return <Choice label={t`Camera`} kind="camera" devices={cameras} />
  return (
    <>
      <Choice label={t`Microphone`} kind="microphone" devices={microphones} />
      {voice && (
        <DropdownMenu.Group className="px-3 pb-3">
          <LevelMeter track={voice} />
        </DropdownMenu.Group>
      )}
      {speakersCanBeChosen() && <Choice label={t`Speaker`} kind="speaker" devices={speakers} />}
    </>
  )
}

interface Props {
  label: string
  kind: keyof Chosen
  devices: readonly Device[]
}

function Choice({ label, kind, devices }: Props) {
  const chosen = useParley((state) => state.chosen[kind])
  // Browsers list the system's choice as "default"; where they do not, nothing chosen means the first one.
  const value = devices.some(({ id }) => id === chosen) ? chosen : (devices[0]?.id ?? '')
  return (
    <DropdownMenu.RadioGroup
      aria-label={label}
      value={value}
      onValueChange={(id) => parley.choose(kind, id)}
      className="pb-1"
    >
      <DropdownMenu.Label className="px-3 pt-1 pb-1 text-xs font-medium text-soft">
        {label}
      </DropdownMenu.Label>
      {devices.length === 0 && (
        <DropdownMenu.Item
          disabled
          className="px-3 py-2 text-sm text-soft"
        >{t`None found`}</DropdownMenu.Item>
      )}
      {devices.map(({ id, name }) => (
        <DropdownMenu.RadioItem
          key={id}
          value={id}
          onSelect={(event) => event.preventDefault()}
          className="flex min-h-11 items-center gap-3 rounded-control px-3 text-sm outline-none select-none data-highlighted:bg-sunken"
        >
          <Check aria-hidden className={cx('size-4 shrink-0 text-accent', value !== id && 'invisible')} />
          <span className="min-w-0 flex-1">{name}</span>
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  )
}
