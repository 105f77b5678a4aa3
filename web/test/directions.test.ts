/* Languages that are written from right to left: nothing in the source may say left or right where start or end is meant. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = join(import.meta.dirname, '../src')

const files = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)],
  )

/** Tailwind's classes with a side: ml-2, -right-1, sm:text-left, rounded-tl-lg. */
const CLASS =
  /(?<![\w/.-])-?(?:[mp][lr]|scroll-[mp][lr]|left|right|border-[lr]|rounded-(?:[lr]|[tb][lr]))-(?=[\w[(])|(?<![\w-])(?:(?:text|float|clear|origin|object|bg)-(?:left|right)|border-[lr]|rounded-(?:[lr]|[tb][lr]))(?![\w-])/
/** The same in a style sheet. */
const PROPERTY =
  /(?<![\w-])(?:(?:(?:scroll-)?(?:margin|padding)|border)-(?:left|right)[\w-]*|left|right|border-(?:top|bottom)-(?:left|right)-radius)\s*:|(?:text-align|float|clear)\s*:\s*(?:left|right)/
/** And in a style of an element. */
const STYLE =
  /(?:style=\{\{|\.style\b)[^\n]*\b(?:left|right|(?:margin|padding|border)(?:Left|Right))\b|\b(?:margin|padding|border)(?:Left|Right)\b|textAlign:\s*'(?:left|right)'/

/** Lines with a side; one that says what holds in the other direction is no slip. */
function slips(text: string, css: boolean): string[] {
  return text
    .split('\n')
    .filter((line) => (css ? PROPERTY.test(line) : CLASS.test(line) || STYLE.test(line)))
    .filter((line) => !/\brtl:/.test(line))
}

describe('directions', () => {
  it('no class, property or style names a side', () => {
    const found = files(SRC)
      .filter((file) => /\.(tsx?|css)$/.test(file) && !file.endsWith('.gen.ts'))
      .flatMap((file) =>
        slips(readFileSync(file, 'utf8'), file.endsWith('.css')).map((line) => `${file}: ${line}`),
      )
    expect(found).toEqual([])
  })

  it('would notice them', () => {
    const bad = [
      'className="ml-2"',
      "'flex -mr-1'",
      '"sm:pl-4"',
      '"left-0 top-0"',
      '"md:right-[3px]"',
      '"text-left"',
      '"border-l border-line"',
      '"rounded-tl-lg"',
      '"float-right"',
      'style={{ left: 3 }}',
      'box.style.right = 0',
      'const style = { marginLeft: 4 }',
    ]
    for (const line of bad) expect(slips(line, false), line).toHaveLength(1)
    for (const line of ['margin-left: 4px', '  left: 0;', 'text-align: right', 'border-right-color: red'])
      expect(slips(line, true), line).toHaveLength(1)
  })

  it('and lets pass what has no side, or both', () => {
    const good = [
      '"ms-2 -me-1 ps-4 start-0 end-2 text-start border-s rounded-s-lg"',
      '"pt-[env(safe-area-inset-left)]"',
      '"origin-left rtl:origin-right"',
      'const right = mine.x > 3',
      "import { ArrowLeft } from 'lucide-react'",
      '"copyright-notice bright-2"',
    ]
    for (const line of good) expect(slips(line, false), line).toEqual([])
    expect(slips('inset-inline-start: 0; margin-inline: 2px', true)).toEqual([])
  })
})
