import { t } from '@lingui/core/macro'
import { X } from 'lucide-react'
import { IconButton } from '../../ui/Button'
import { Modal } from '../../ui/Modal'
import { useStage } from './view'

export function Help() {
  const close = () => useStage.setState({ help: false })
  const keys: [key: string, does: string][] = [
    ['M', t`Microphone on or off`],
    [t`Space`, t`Speak while it is held`],
    ['V', t`Camera on or off`],
    ['D', t`Share a screen, or stop`],
    ['C', t`Messages`],
    ['R', t`Raise or lower your hand`],
    ['W', t`Grid or speaker`],
    ['T', t`Connection details`],
    ['?', t`This help`],
  ]
  return (
    <Modal label={t`Keyboard shortcuts`} onClose={close}>
      <header className="flex items-center justify-between border-b border-line py-2 ps-5 pe-2">
        <h2 className="text-base font-semibold">{t`Keyboard shortcuts`}</h2>
        <IconButton label={t`Done`} onClick={close} data-first>
          <X aria-hidden className="size-5" />
        </IconButton>
      </header>
      <dl className="space-y-2 p-5">
        {keys.map(([key, does]) => (
          <div key={key} className="flex items-center gap-4">
            <dt className="w-20 shrink-0">
              <kbd className="inline-block min-w-8 rounded border border-line bg-sunken px-2 py-0.5 text-center text-sm">
                {key}
              </kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  )
}
