/* Light, dark, or as the system says. public/theme.js sets the first one before anything is painted. */
import { create } from 'zustand'

export type ThemeChoice = 'system' | 'light' | 'dark'

const KEY = 'parley.theme'

function stored(): ThemeChoice {
  try {
    const value = localStorage.getItem(KEY)
    return value === 'light' || value === 'dark' ? value : 'system'
  } catch {
    return 'system'
  }
}

const system = matchMedia('(prefers-color-scheme: dark)')

function apply(choice: ThemeChoice): void {
  const dark = choice === 'dark' || (choice === 'system' && system.matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  document.querySelector('meta[name=theme-color]')?.setAttribute('content', dark ? '#151412' : '#f6f4f0')
}

export const useTheme = create<{ choice: ThemeChoice; choose(choice: ThemeChoice): void }>((set) => ({
  choice: stored(),
  choose(choice) {
    try {
      if (choice === 'system') localStorage.removeItem(KEY)
      else localStorage.setItem(KEY, choice)
    } catch {
      // Then it holds until the page is closed.
    }
    apply(choice)
    set({ choice })
  },
}))

apply(stored())
system.addEventListener('change', () => apply(useTheme.getState().choice))
