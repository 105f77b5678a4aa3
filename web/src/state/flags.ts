/* Small things that this browser remembers of a person: which hints were seen. */
import { create } from 'zustand'

const key = (name: string) => `parley.${name}`

function read(name: string): string | null {
  try {
    return localStorage.getItem(key(name))
  } catch {
    return null
  }
}

interface Flags {
  values: Readonly<Record<string, string | null>>
  set(name: string, value: string | null): void
}

const useFlags = create<Flags>((set) => ({
  values: {},
  set(name, value) {
    try {
      if (value === null) localStorage.removeItem(key(name))
      else localStorage.setItem(key(name), value)
    } catch {
      // Then it holds until the page is closed.
    }
    set(({ values }) => ({ values: { ...values, [name]: value } }))
  },
}))

export const setFlag = (name: string, value: string | null): void => useFlags.getState().set(name, value)

export const getFlag = (name: string): string | null => {
  const { values } = useFlags.getState()
  return name in values ? (values[name] ?? null) : read(name)
}

export function useFlag(name: string): string | null {
  const value = useFlags(({ values }) => (name in values ? values[name] : undefined))
  return value === undefined ? read(name) : value
}
