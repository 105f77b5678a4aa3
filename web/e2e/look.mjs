/* What is wrong with what is on the screen now: axe's rules, and nothing wider than the window. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }
/** And what belongs to the page as a whole: everything in landmarks, headings in order. */
const ALL_RULES = { type: 'tag', values: [...RULES.values, 'best-practice'] }
/** What another theme can change. */
const COLOURS = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] }

/** Fonts are there, and what fades in has done so: half of a fade is no contrast. Long and endless ones go on. */
export async function settle(page) {
  await page.evaluate(async () => {
    await document.fonts.ready
    const frame = () => new Promise((done) => requestAnimationFrame(done))
    await frame()
    const short = (one) => {
      const { iterations, duration } = one.effect.getTiming()
      return iterations === 1 && duration < 1_000
    }
    // The end of one can be the beginning of the next: a colour that is inherited.
    for (let n = 0; n < 20; n++) {
      await frame()
      const running = document.getAnimations().filter(short)
      if (n > 1 && running.length === 0) break
      for (const one of running) one.finish()
    }
  })
}

/** Light or dark, as the system would change it while the page is open. */
export async function turn(page, theme) {
  await page.emulateMedia({ colorScheme: theme })
  await page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, theme)
  await settle(page)
}

/** Controls that something else lies over, or that lie outside the window; each is scrolled to, as one would. */
export async function buried(page) {
  await settle(page)
  return page.evaluate(() => {
    const scope = document.querySelector('dialog:modal') ?? document
    const lines = []
    for (const one of scope.querySelectorAll('button, a[href], input, select, textarea, [role=menuitem]')) {
      if (!one.checkVisibility({ visibilityProperty: true }) || one.disabled) continue
      one.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' })
      const name = one.getAttribute('aria-label') || one.textContent || one.id
      // What was moved by the line above, and by nobody's hand.
      let cut = false
      for (let box = one.parentElement; box; box = box.parentElement) {
        const { overflowX, overflowY } = getComputedStyle(box)
        if (overflowX === 'hidden' && box.scrollLeft !== 0) [cut, box.scrollLeft] = [true, 0]
        if (overflowY === 'hidden' && box.scrollTop !== 0) [cut, box.scrollTop] = [true, 0]
      }
      if (cut) {
        lines.push(`"${name}" is cut off by what it lies in`)
        continue
      }
      const { x, y, width, height } = one.getBoundingClientRect()
      // A box that is only there for assistive technology has a label that is pressed.
      if (width < 8 || height < 8) continue
      if (x < -1 || x + width > innerWidth + 1) {
        lines.push(`"${name}" is cut off at the side`)
        continue
      }
      const over = document.elementFromPoint(x + width / 2, y + height / 2)
      if (!over) lines.push(`"${name}" is outside the window`)
      else if (
        !one.contains(over) &&
        !over.contains(one) &&
        // Whoever is in the way of something drags their own picture elsewhere.
        !over.closest('[data-movable]') &&
        ![...(one.labels ?? [])].some((l) => l.contains(over))
      )
        lines.push(`"${name}" lies under ${over.outerHTML.slice(0, 120)}`)
    }
    return lines
  })
}

/** In the page: axe in one theme after the other, in one go; most of the time would go into asking. */
async function ask({ rounds }) {
  const lines = []
  const run = (where, runOnly) => window.axe.run(where, { runOnly, resultTypes: ['violations'] })
  const told = ({ html, any }) => `${html.slice(0, 200)} ${any[0]?.message ?? ''}`
  // What a bar that stays lies over is reached by scrolling: it is asked again where it is free.
  const stillSmall = async ({ target, any }) => {
    const one = document.querySelector(target.at(-1))
    if (!/obscured/.test(any[0]?.message) || !one) return true
    one.scrollIntoView({ block: 'center', behavior: 'instant' })
    const { violations } = await run(one, { type: 'rule', values: ['target-size'] })
    return violations.length > 0
  }
  for (const { theme, only } of rounds) {
    const root = document.documentElement
    const before = root.dataset.theme
    // As the switch in the settings does it, without the fade.
    const still = new CSSStyleSheet()
    still.replaceSync('*, *::before, *::after { transition: none !important }')
    document.adoptedStyleSheets.push(still)
    root.dataset.theme = theme ?? before
    const { violations } = await run(document, only)
    for (const { id, nodes } of violations) {
      const wrong = []
      for (const node of nodes) if (id !== 'target-size' || (await stillSmall(node))) wrong.push(told(node))
      if (wrong.length > 0) lines.push(`${theme ? `${theme}: ` : ''}axe ${id}: ${wrong.join(' | ')}`)
    }
    root.dataset.theme = before
    document.adoptedStyleSheets.pop()
  }
  const tiles = document.querySelectorAll('figure:not([data-movable] figure)').length
  if (tiles > 1 && document.querySelector('[data-movable] figure'))
    lines.push(`own picture lies over one of ${tiles} tiles`)
  const wide = document.documentElement.scrollWidth - innerWidth
  if (wide > 0) lines.push(`${wide} px wider than the window`)
  return lines
}

async function asked(page, rounds) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE)
  return page.evaluate(ask, { rounds })
}

/** One line for each finding on what is seen now; `colours`: only those that the theme decides about. */
export const findings = (page, { colours = false } = {}) =>
  asked(page, [{ only: colours ? COLOURS : ALL_RULES }])

/** One line for each finding in the light and in the dark; what is not a colour is the same in both. */
export async function barriers(page) {
  await settle(page)
  return asked(page, [
    { theme: 'light', only: ALL_RULES },
    { theme: 'dark', only: COLOURS },
  ])
}
