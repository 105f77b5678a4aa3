import { useEffect, useState } from 'react'
import { useParley } from './parley'

/** True once the connection has been away for a moment; a blink is not worth a word. */
export function useLinkLost(afterMs = 800): boolean {
  const away = useParley((state) => state.auth === 'signed_in' && state.link === 'lost')
  const [lost, setLost] = useState(false)
  useEffect(() => {
    if (!away) return
    const timer = setTimeout(() => setLost(true), afterMs)
    return () => {
      clearTimeout(timer)
      setLost(false)
    }
  }, [away, afterMs])
  return away && lost
}
