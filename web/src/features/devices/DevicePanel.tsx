import { t } from '@lingui/core/macro'
import type { Chosen, Device } from '../../call/devices'
import { speakersCanBeChosen } from '../../call/sounds'
import { parley, useParley } from '../../state/parley'
import { LevelMeter } from './LevelMeter'

/** The same choice as the menus, for a thumb. */
export function DevicePanel() {
  const { microphones, cameras, speakers } = useParley((state) => state.devices)
  const voice = useParley((state) => state.session?.voice ?? null)
  return (
    <div className="min-h-0 flex-1 space-y-5 overflow-y-auto p-4">
      <div className="space-y-2">
        <Choice label={t`Microphone`} kind="microphone" devices={microphones} />
        {voice && <LevelMeter track={voice} />}
      </div>
      {speakersCanBeChosen() && <Choice label={t`Speaker`} kind="speaker" devices={speakers} />}
      <Choice label={t`Camera`} kind="camera" devices={cameras} />
    </div>
  )
}

function Choice({ label, kind, devices }: { label: string; kind: keyof Chosen; devices: readonly Device[] }) {
  const chosen = useParley((state) => state.chosen[kind])
  const value = devices.some(({ id }) => id === chosen) ? chosen : (devices[0]?.id ?? '')
  return (
    <label className="block text-sm font-medium">
      <span className="mb-1.5 block">{label}</span>
      <select
        value={value}
        disabled={devices.length === 0}
        onChange={({ target }) => parley.choose(kind, target.value)}
        className="block h-12 w-full rounded-control border border-strong bg-raised px-3 text-base"
      >
        {devices.length === 0 && <option value="">{t`None found`}</option>}
        {devices.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}
