/* What is wrong with what is on the screen now: axe's rules, and nothing wider than the window. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
/** What another theme can change. */
const COLOURS = ['color-contrast', 'link-in-text-block']

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
      const { x, y, width, height } = one.getBoundingClientRect()
      // A box that is only there for assistive technology has a label that is pressed.
      if (width < 8 || height < 8) continue
      const name = one.getAttribute('aria-label') || one.textContent || one.id
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

/** One line for each finding; `colours`: only those that the theme decides about. */
export async function findings(page, { colours = false } = {}) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE)
  const found = await page.evaluate(
    async ({ only }) => {
      const { violations } = await window.axe.run(document, { runOnly: only, resultTypes: ['violations'] })
      return violations.map(({ id, nodes }) => ({
        id,
        nodes: nodes.map((node) => `${node.html.slice(0, 200)} ${node.any[0]?.message ?? ''}`),
      }))
    },
    { only: colours ? { type: 'rule', values: COLOURS } : { type: 'tag', values: TAGS } },
  )
  const lines = found.map(({ id, nodes }) => `axe ${id}: ${nodes.join(' | ')}`)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  if (wide > 0) lines.push(`${wide} px wider than the window`)
  return lines
}
