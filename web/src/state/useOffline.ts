import { useSyncExternalStore } from 'react'

function listen(changed: () => void): () => void {
  addEventListener('online', changed)
  addEventListener('offline', changed)
  return () => {
    removeEventListener('online', changed)
    removeEventListener('offline', changed)
  }
}

/** True while the machine says that it has no network at all; false says nothing about the server. */
export const useOffline = (): boolean => useSyncExternalStore(listen, () => !navigator.onLine)
