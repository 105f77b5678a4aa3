/* `npm run i18n` collects the sentences of the source into src/locales; `npm run i18n:check` fails when that would
 * change anything, or when a sentence lacks its translation. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import PO from 'pofile'

const WEB = fileURLToPath(new URL('..', import.meta.url))
const LOCALES = join(WEB, 'src/locales')
const check = process.argv.includes('--check')

const extract = (folder) =>
  execFileSync('npx', ['lingui', 'extract', '--clean', '--overwrite'], {
    cwd: WEB,
    env: { ...process.env, PARLEY_LOCALES: relative(WEB, folder) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })

function catalogues(folder) {
  const found = new Map()
  for (const part of ['call', 'pages'])
    for (const name of readdirSync(join(folder, part)).filter((one) => one.endsWith('.po'))) {
      const items = PO.parse(readFileSync(join(folder, part, name), 'utf8')).items
      found.set(
        `${part}/${name}`,
        new Map(items.map((item) => [`${item.msgctxt ?? ''}|${item.msgid}`, item])),
      )
    }
  return found
}

if (!check) {
  extract(LOCALES)
} else {
  const copy = mkdtempSync(join(WEB, '.locales-'))
  const faults = []
  try {
    cpSync(LOCALES, copy, { recursive: true })
    extract(copy)
    const known = catalogues(LOCALES)
    for (const [name, fresh] of catalogues(copy)) {
      const old = known.get(name) ?? new Map()
      for (const [key, { msgid }] of fresh)
        if (!old.has(key)) faults.push(`${name}: "${msgid}" is in the source only`)
      for (const [key, { msgid }] of old)
        if (!fresh.has(key)) faults.push(`${name}: "${msgid}" is no longer in the source`)
    }
    for (const [name, items] of known)
      for (const { msgid, msgstr } of items.values())
        if (!msgstr[0]) faults.push(`${name}: "${msgid}" is not translated`)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
  if (faults.length > 0) {
    console.error(`${faults.join('\n')}\nRun npm run i18n and translate what is missing in src/locales.`)
    process.exit(1)
  }
}
