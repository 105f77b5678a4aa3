/* Everything has room: at 200 %, on small phones and from right to left no control is cut off or lies under another. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { buried } from './look.mjs'
import {
  callOf,
  CONTACTS,
  crowd,
  goesOn,
  HISTORY,
  leftBy,
  bela,
  LOOKS,
  open,
  REQUESTS,
  TALK,
} from './world.mjs'

let theatre
before(async () => {
  theatre = await open()
})
after(() => theatre?.close())

/** Nothing is buried and nothing is wider than the window. */
async function roomy(page, where, found) {
  for (const line of await buried(page)) found.push(`${where}: ${line}`)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  if (wide > 0) found.push(`${where}: ${wide} px wider than the window`)
}

async function goThrough(look, dir) {
  const found = []
  const options = {
    contacts: [...REQUESTS, ...CONTACTS],
    history: [leftBy(bela, 2), goesOn(), ...HISTORY],
    reducedMotion: 'reduce',
  }
  const home = await theatre.visit(look, options)
  const turned = (page) => page.evaluate((to) => (document.documentElement.dir = to), dir)
  await home.page.goto('/')
  await turned(home.page)
  await home.button('Accept').waitFor()
  await roomy(home.page, 'Home', found)
  const menu = await home.button('Account menu').boundingBox()
  if (look.viewport.width < 900)
    assert.equal(menu.x > look.viewport.width / 2, dir === 'ltr', 'the page is mirrored, or not')
  await home.page.getByRole('link', { name: /Bela/ }).click()
  await home.button('Start video call').waitFor()
  await roomy(home.page, 'a person', found)
  await home.page.goto('/settings')
  await turned(home.page)
  await home.page.getByText('Firefox on Linux').waitFor()
  await roomy(home.page, 'settings', found)
  assert.deepEqual(home.complaints, [])
  await home.close()

  const call = await theatre.visit(look, { call: callOf(crowd(12)), messages: TALK, reducedMotion: 'reduce' })
  const { page, button, stir, enter } = call
  await enter()
  await turned(page)
  await stir()
  await button('Next page').waitFor()
  await roomy(page, 'the call', found)
  await page.keyboard.press('w')
  await page.locator('[data-layout=speaker]').waitFor()
  await stir()
  await roomy(page, 'the call, one large', found)
  const messages = page.getByRole('list', { name: 'Messages' })
  await page.keyboard.press('c')
  await messages.getByText('I can.').waitFor()
  // The panel lies over the stage where both have no room: what it covers is not looked at.
  const panel = await page.getByRole('textbox', { name: 'Message', exact: true }).boundingBox()
  const { width, height } = look.viewport
  assert.ok(
    panel.x >= 0 && panel.x + panel.width <= width && panel.y + panel.height <= height,
    'the field is seen',
  )
  assert.deepEqual(call.complaints, [])
  await call.close()
  return found
}

describe('no control is cut off or lies under another', () => {
  for (const [name, look] of [
    ['1280 × 800 at 200 %', LOOKS.zoomed],
    ['a phone', LOOKS.phone],
    ['the narrowest phone', LOOKS.narrow],
    ['a phone on its side', LOOKS.sideways],
    ['a desktop', LOOKS.wide],
  ])
    for (const dir of ['ltr', 'rtl'])
      it(`${name}, ${dir === 'ltr' ? 'left to right' : 'right to left'}`, async () => {
        assert.deepEqual(await goThrough(look, dir), [])
      })

  it('a control under another and one that is cut off are found', async () => {
    const { page, close } = await theatre.visit(LOOKS.wide, { signedIn: false })
    await page.goto('/')
    await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
    assert.deepEqual(await buried(page), [])
    await page.evaluate(() => {
      document
        .querySelector('h1')
        .insertAdjacentHTML('afterend', '<i id="lid"></i><button id="out">Out</button>')
      const { x, y, width, height } = document.querySelector('[type=submit]').getBoundingClientRect()
      const at = {
        position: 'fixed',
        left: `${x}px`,
        top: `${y}px`,
        width: `${width}px`,
        height: `${height + 60}px`,
      }
      Object.assign(document.getElementById('lid').style, at)
      Object.assign(document.getElementById('out').style, { position: 'fixed', top: 0, left: '-20px' })
    })
    const lines = (await buried(page)).join('\n')
    for (const one of ['"Sign in" lies under <i', '"Out" is cut off'])
      assert.ok(lines.includes(one), `${one} in ${lines}`)
    await close()
  })
})
