/* Pictures of every screen of the built page: `npm run shots [folder] [scene…]`, or `make screenshots`.
 *
 * Each at 1280 × 800 and 390 × 844, Home and the call also on a phone on its side and on a tablet, all of them light and
 * dark. Ends with what was not reached, what the page complained of, and what look.mjs finds. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findings, turn } from './look.mjs'
import { play, SCREENS, together } from './screens.mjs'
import { open } from './world.mjs'

const OUT = process.argv[2] ?? fileURLToPath(new URL('../test-results/shots', import.meta.url))
const ONLY = process.argv.slice(3)
mkdirSync(OUT, { recursive: true })

const theatre = await open({ reuse: true })
let pictures = 0
const wanted = SCREENS.filter(({ name }) => ONLY.length === 0 || ONLY.some((part) => name.includes(part)))
const tasks = wanted.flatMap((screen) =>
  screen.looks.map((look) => async () => {
    const found = []
    const wrong = await play(theatre, screen, look, async ({ page, stir }, shot) => {
      await stir()
      for (const theme of ['light', 'dark']) {
        await turn(page, theme)
        const name = `${shot}-${look}-${theme}`
        await page.screenshot({ path: join(OUT, `${name}.png`) })
        pictures++
        if (screen.asked === false) continue
        for (const line of await findings(page, { colours: theme === 'dark' })) found.push(`${name}: ${line}`)
      }
    })
    const problems = [...wrong, ...found]
    for (const line of problems) console.error(line)
    return problems
  }),
)
const problems = await together(tasks)
await theatre.close()
console.log(`${pictures} pictures in ${OUT}, ${problems.length} problems`)
process.exit(problems.length > 0 ? 1 : 0)
