/* What is plugged into this machine, and which of it is used. What is new is offered in a call. */
import { t } from '@lingui/core/macro'
import type { Chosen, Device, Devices } from './devices'
import { newDevices } from './devices'
import type { Notices } from './notices'
import type { CallSession } from './session'
import type { Store } from './state'

export interface EquipmentDeps {
  listDevices?(): Promise<Devices>
  choice?: { read(): Chosen; store(chosen: Chosen): void }
}

export class Equipment {
  private readonly store: Store
  private readonly deps: EquipmentDeps
  private readonly notices: Notices
  private readonly sessions: () => readonly CallSession[]

  /** `sessions` gives the calls of this page, none without one. */
  constructor(store: Store, deps: EquipmentDeps, notices: Notices, sessions: () => readonly CallSession[]) {
    this.store = store
    this.deps = deps
    this.notices = notices
    this.sessions = sessions
    if (deps.choice) store.setState({ chosen: deps.choice.read() })
  }

  get chosen(): Chosen {
    return this.store.getState().chosen
  }

  /** Looks what is plugged in. */
  async refresh(): Promise<void> {
    if (!this.deps.listDevices) return
    const before = this.store.getState().devices
    let devices: Devices
    try {
      devices = await this.deps.listDevices()
    } catch {
      return
    }
    this.store.setState({ devices })
    const sessions = this.sessions()
    if (sessions.length === 0) return
    // A speaker that was pulled out leaves the sound to the default one, and has it again when it is back.
    const { speaker } = this.chosen
    const there = devices.speakers.length === 0 || devices.speakers.some(({ id }) => id === speaker)
    for (const session of sessions) session.setSpeaker(there ? speaker : '')
    const offer = (kind: keyof Chosen, device: Device | undefined) => {
      if (!device) return
      const { id, name } = device
      this.notices.toast(t`${name} is plugged in`, { label: t`Use it`, run: () => this.choose(kind, id) })
    }
    const [microphone] = newDevices(before.microphones, devices.microphones)
    offer('microphone', microphone)
    if (!microphone) offer('speaker', newDevices(before.speakers, devices.speakers)[0])
    offer('camera', newDevices(before.cameras, devices.cameras)[0])
  }

  choose(kind: keyof Chosen, id: string): void {
    const chosen = { ...this.chosen, [kind]: id }
    this.store.setState({ chosen })
    this.deps.choice?.store(chosen)
    for (const session of this.sessions()) {
      if (kind === 'speaker') session.setSpeaker(id)
      else session.deviceChosen(kind)
    }
  }
}
