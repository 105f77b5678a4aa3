/* What a browser fetches before the first screen is there, and what the built style sheet says of sides. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const DIST = process.env.PARLEY_DIST ?? fileURLToPath(new URL('../dist', import.meta.url))
const ASSETS = join(DIST, 'assets')
const FIRST_LOAD = 200_000

const text = (name) => readFileSync(join(ASSETS, name), 'utf8')
const weight = (name) => gzipSync(readFileSync(join(ASSETS, name)), { level: 9 }).length
const one = (pattern) => {
  const found = readdirSync(ASSETS).filter((name) => pattern.test(name))
  assert.equal(found.length, 1, `one file like ${pattern}: ${found}`)
  return found[0]
}

/** A script and all that it cannot run without. */
function withImports(name, seen = new Set()) {
  if (seen.has(name)) return seen
  seen.add(name)
  for (const [, next] of text(name).matchAll(/(?:\bfrom|\bimport)\s*["']\.\/([\w.-]+\.js)["']/g))
    withImports(next, seen)
  return seen
}

const html = readFileSync(join(DIST, 'index.html'), 'utf8')
const entries = [...html.matchAll(/(?:src|href)="\/assets\/([\w.-]+\.js)"/g)].map(([, name]) => name)
const first = new Set(entries.flatMap((name) => [...withImports(name)]))

test('the first load is at most 200 kB of script, in every language', () => {
  assert.ok(entries.length > 0, 'index.html names its scripts')
  const base = [...first].reduce(
    (sum, name) => sum + weight(name),
    gzipSync(readFileSync(join(DIST, 'theme.js'))).length,
  )
  for (const language of ['en', 'de', 'fr']) {
    const total = base + weight(one(new RegExp(`^${language}-[\\w-]+\\.js$`)))
    assert.ok(total <= FIRST_LOAD, `${language}: ${total} bytes of gzip`)
    assert.ok(total > 50_000, `${language}: ${total} bytes cannot be all`)
  }
})

test('the call screen and the settings come when they are wanted', () => {
  for (const [pattern, mark] of [
    [/^CallPage-[\w-]+\.js$/, 'data-layout'],
    [/^SettingsPage-[\w-]+\.js$/, 'parley-export.json'],
  ]) {
    const chunk = one(pattern)
    assert.ok(!first.has(chunk), `${chunk} is not part of the first load`)
    const entry = [...first].map(text).join('\n')
    assert.match(
      entry,
      new RegExp(`import\\(\\s*[\`"']\\./${chunk.replaceAll('.', '\\.')}`),
      `${chunk} is fetched on demand`,
    )
    assert.ok(text(chunk).includes(mark), `${chunk} holds its screen`)
    assert.ok(!entry.includes(mark), `"${mark}" is not in the first load`)
  }
})

test('the style sheet names no sides: right-to-left languages can follow', () => {
  const css = readdirSync(ASSETS).filter((name) => name.endsWith('.css'))
  assert.ok(css.length > 0)
  const sided =
    /[{;]((?:(?:scroll-)?(?:margin|padding)|border)-(?:left|right)[\w-]*|left|right|border-(?:top|bottom)-(?:left|right)-radius)\s*:|[{;](text-align|float|clear)\s*:\s*(?:left|right)/g
  assert.deepEqual(
    css.flatMap((name) => [...text(name).matchAll(sided)].map(([found]) => `${name}: ${found}`)),
    [],
  )
})
