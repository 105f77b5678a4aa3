/* Notifications of the desktop: asked for at a click, used only while the page is hidden. */
import { create } from 'zustand'
import { getFlag, setFlag } from './flags'

export type Notifying = 'unsupported' | 'unasked' | 'refused' | 'off' | 'on'

const OFF = 'notifications'

function now(): Notifying {
  if (typeof Notification === 'undefined') return 'unsupported'
  if (Notification.permission === 'denied') return 'refused'
  if (Notification.permission === 'default') return 'unasked'
  return getFlag(OFF) === 'off' ? 'off' : 'on'
}

export const useNotifying = create<{ state: Notifying }>(() => ({ state: now() }))

export async function turnOnNotifications(): Promise<void> {
  setFlag(OFF, null)
  if (typeof Notification !== 'undefined' && Notification.permission === 'default')
    await Notification.requestPermission().catch(() => undefined)
  useNotifying.setState({ state: now() })
}

export function turnOffNotifications(): void {
  setFlag(OFF, 'off')
  useNotifying.setState({ state: now() })
}

/** Shows one while nobody looks; the answer takes it away again. */
export function notify(title: string, body: string, tag: string): () => void {
  if (now() !== 'on' || document.visibilityState === 'visible') return () => undefined
  try {
    const shown = new Notification(title, { body, tag, icon: '/favicon.svg', requireInteraction: true })
    shown.addEventListener('click', () => {
      window.focus()
      shown.close()
    })
    return () => shown.close()
  } catch {
    // Some browsers on phones allow it to service workers only.
    return () => undefined
  }
}
