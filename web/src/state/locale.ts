/* The language: as the browser says, or as chosen. English is the source; every language is a chunk of its own. */
import type { Messages } from '@lingui/core'
import { i18n } from '@lingui/core'
import { create } from 'zustand'

export const LOCALES = { en: 'English', de: 'Deutsch', fr: 'Français' } as const
export type Locale = keyof typeof LOCALES
export type LocaleChoice = 'system' | Locale

const KEY = 'parley.language'

const LOADERS: Record<Locale, () => Promise<{ messages: Messages }>> = {
  en: () => import('../locales/en'),
  de: () => import('../locales/de'),
  fr: () => import('../locales/fr'),
}

const isLocale = (value: unknown): value is Locale => typeof value === 'string' && value in LOCALES

function stored(): LocaleChoice {
  try {
    const value = localStorage.getItem(KEY)
    return isLocale(value) ? value : 'system'
  } catch {
    return 'system'
  }
}

/** The first of the browser's languages that there is a catalogue for. */
export function preferred(languages: readonly string[]): Locale {
  for (const tag of languages) {
    const language = tag.toLowerCase().split('-')[0]
    if (isLocale(language)) return language
  }
  return 'en'
}

export const useLocale = create<{ choice: LocaleChoice; locale: Locale }>(() => ({
  choice: stored(),
  locale: 'en',
}))

async function activate(choice: LocaleChoice): Promise<void> {
  const locale = choice === 'system' ? preferred(navigator.languages) : choice
  const { messages } = await LOADERS[locale]()
  if (useLocale.getState().choice !== choice) return
  // Dates and times as the person's country writes them, where the browser names one for this language.
  const regional = navigator.languages.filter((tag) => tag.split('-')[0] === locale)
  i18n.loadAndActivate({ locale, locales: [...regional, locale], messages })
  document.documentElement.lang = locale
  useLocale.setState({ locale })
}

/** To be waited for before anything is drawn. */
export const startLocale = (): Promise<void> => activate(useLocale.getState().choice)

export async function chooseLocale(choice: LocaleChoice): Promise<void> {
  useLocale.setState({ choice })
  try {
    if (choice === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, choice)
  } catch {
    // Then it holds until the page is closed.
  }
  await activate(choice)
}
