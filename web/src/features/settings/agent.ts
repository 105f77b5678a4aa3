import { t } from '@lingui/core/macro'

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg(?:A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/(?:Firefox|FxiOS)\//, 'Firefox'],
  [/(?:Chrome|CriOS)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
]

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
]

const first = (table: typeof BROWSERS, agent: string): string | undefined =>
  table.find(([pattern]) => pattern.test(agent))?.[1]

/** "Firefox on Linux", as well as a browser's own words allow. */
export function agentWords(agent: string | null): { words: string; phone: boolean } {
  const text = agent ?? ''
  const [browser, system] = [first(BROWSERS, text), first(SYSTEMS, text)]
  const phone = /Mobile|Android|iPhone/.test(text)
  if (browser && system) return { words: t`${browser} on ${system}`, phone }
  return { words: browser ?? system ?? (text.split(/[/ ]/)[0] || t`Unknown device`), phone }
}
