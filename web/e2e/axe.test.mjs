/* Nobody is kept out: WCAG 2.2 AA and good practice, as far as axe can tell, on every screen and in both themes, on a
 * desktop and on the narrowest phone. A screen that is announced and not reached fails, too. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { barriers, findings } from './look.mjs'
import { play, SCREENS } from './screens.mjs'
import { open } from './world.mjs'

let theatre
before(async () => {
  theatre = await open({ reuse: true })
})
after(() => theatre?.close())

const looksOf = ({ looks }) =>
  [looks.includes('wide') && 'wide', looks.includes('phone') && 'narrow'].filter(Boolean)

describe('every screen is free of barriers', { concurrency: 3 }, () => {
  for (const screen of SCREENS.filter(({ asked }) => asked !== false))
    for (const look of looksOf(screen))
      it(`${screen.name}, ${look}`, async () => {
        const found = []
        const wrong = await play(
          theatre,
          screen,
          look,
          async ({ page, stir }, shot) => {
            await stir()
            for (const line of await barriers(page)) found.push(`${shot}, ${line}`)
          },
          { reducedMotion: 'reduce' },
        )
        assert.deepEqual([...wrong, ...found], [])
      })
})

describe('axe is asked in earnest', () => {
  it('a button without a name, pale words and a page that is too wide are found', async () => {
    const { page, close } = await theatre.visit(
      { viewport: { width: 800, height: 600 } },
      { signedIn: false },
    )
    await page.goto('/')
    await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
    assert.deepEqual(await findings(page), [])
    await page.evaluate(() => {
      document
        .querySelector('h1')
        .insertAdjacentHTML('afterend', '<button></button><p id="pale">Pale words</p>')
      Object.assign(document.getElementById('pale').style, { color: '#ccc', inlineSize: '900px' })
    })
    const lines = (await findings(page)).join('\n')
    for (const one of ['axe button-name', 'axe color-contrast', 'px wider than the window'])
      assert.ok(lines.includes(one), `${one} in ${lines}`)
    await close()
  })
  it('a screen that is not reached is told', async () => {
    const screen = { name: 'nowhere', shots: ['there', 'nowhere'], options: { signedIn: false } }
    const wrong = await play(
      theatre,
      { ...screen, play: async ({ page, shoot }) => void (await page.goto('/'), await shoot('there')) },
      'wide',
      async () => undefined,
    )
    assert.deepEqual(wrong, ['nowhere (wide): was not reached'])
  })
})
