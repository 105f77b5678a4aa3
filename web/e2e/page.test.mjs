/* What only a real browser shows: media that flow, where the focus is, what is read out, and what moves. The server is played by world.mjs; with the real one, see tests/e2e. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  bela,
  callOf,
  chidi,
  CONTACTS,
  crowd,
  dora,
  LOOKS,
  member,
  message,
  open,
  REQUESTS,
  ringingFrom,
  seatsOf,
  TALK,
} from './world.mjs'

let theatre
before(async () => {
  theatre = await open()
})
after(() => theatre?.close())

/** A test with its own page, which has nothing to complain of. */
const on = (name, options, run, look = LOOKS.wide) =>
  it(name, async () => {
    const stage = await theatre.visit(look, options)
    await run(stage)
    assert.deepEqual(stage.complaints, [])
    await stage.close()
  })

/** How the focused element is known. */
const focused = (page) =>
  page.evaluate(() => {
    const one = document.activeElement
    return one?.getAttribute('aria-label') ?? one?.textContent ?? ''
  })
const focusIs = (page, name) =>
  page.waitForFunction((wanted) => {
    const one = document.activeElement
    const label = one?.id ? document.querySelector(`label[for="${CSS.escape(one.id)}"]`) : null
    return [one?.getAttribute('aria-label'), label?.textContent, one?.textContent].includes(wanted)
  }, name)

describe('media', () => {
  on(
    'camera and screen are sent, and not while paused; the server knows what is shown',
    { call: callOf(crowd(3)) },
    async ({ page, world, enter, stir, button }) => {
      await enter()
      const gets = (mid) => page.evaluate((wanted) => window.__gets(wanted), mid)
      const comes = async (mid) => {
        for (let n = 0; n < 30; n++) if ((await gets(mid)) > 0) return
        assert.fail(`nothing is sent on ${mid}`)
      }
      const stops = async (mid) => {
        for (let n = 0; n < 30; n++) if ((await gets(mid)) === 0) return
        assert.fail(`${mid} is still sent`)
      }
      await comes('1')
      assert.equal(await gets('2'), 0, 'no screen is sent yet')
      await stir()
      await button('Share screen').click()
      await button('Stop sharing').waitFor()
      await comes('2')
      await button('Stop sharing').click()
      await button('Share screen').waitFor()
      await stops('2')
      await button('Pause call').click()
      await button('Resume call').waitFor()
      await stops('1')
      await button('Resume call').click()
      await button('Pause call').waitFor()
      await comes('1')
      const views = () => world.heard.filter(({ type, view }) => type === 'view' && view.length === 2)
      for (let n = 0; n < 100 && views().length === 0; n++) await page.waitForTimeout(100)
      assert.ok(
        views()
          .at(-1)
          .view.every(({ height }) => height > 100),
        'with the size of each',
      )
    },
  )

  on(
    'after the media were lost, the page is back in the call by itself; away from it and back, too',
    { call: callOf(crowd(2)), contacts: CONTACTS },
    async ({ page, world, send, button, figure, pictureOf }) => {
      await page.goto('/')
      await button('Return to call').click()
      await page.waitForFunction(() => window.__far?.connectionState === 'connected')
      send(seatsOf(world.call))
      await pictureOf('Bela Kovács')
      await page.evaluate(() => {
        window.__old = window.__far
        window.__far.close()
      })
      send({ type: 'media.lost', call_id: 'c1', action: 'rejoin' })
      await page.waitForFunction(
        () => window.__far !== window.__old && window.__far.connectionState === 'connected',
      )
      send(seatsOf(world.call))
      await page.waitForFunction(() => !document.body.innerText.includes('Reconnecting'))
      await pictureOf('Bela Kovács')
      await page.goBack()
      await button('Return to call').click()
      await figure('Bela Kovács').waitFor()
      await button('Leave call').click()
      await page.getByText('You left the call').waitFor()
    },
  )

  on(
    'a message is written once and in order, though the answer to the first was lost and the link broke',
    { call: callOf(crowd(3)) },
    async ({ page, world, enter }) => {
      await enter()
      await page.keyboard.press('c')
      const box = page.getByRole('textbox', { name: 'Message', exact: true })
      world.loseAnswer = true
      for (const text of ['one', 'two', 'three']) {
        await box.fill(text)
        await box.press('Enter')
      }
      await world.socket.close()
      const lines = page.getByRole('list', { name: 'Messages' }).locator('li p:last-child')
      for (let n = 0; n < 200 && world.messages.length < 3; n++) await page.waitForTimeout(100)
      await page.waitForTimeout(500)
      assert.equal((await lines.allTextContents()).join(' '), 'one two three')
      assert.equal(world.messages.map(({ text }) => text).join(' '), 'one two three')
    },
  )
})

describe('keyboard and focus', () => {
  on(
    'M mutes, Space talks while it is held; the controls fade, but not for who uses the keyboard',
    { call: callOf(crowd(2)) },
    async ({ page, enter, button }) => {
      await enter()
      await button('Mute microphone').waitFor()
      await page.keyboard.press('m')
      await button('Unmute microphone').waitFor()
      await page.keyboard.down(' ')
      await button('Mute microphone').waitFor()
      await page.keyboard.up(' ')
      await button('Unmute microphone').waitFor()
      const toolbar = page.getByRole('toolbar', { name: 'Call controls', exact: true })
      const opacity = (wanted) =>
        page.waitForFunction(
          (to) => getComputedStyle(document.querySelector('[role=toolbar]')).opacity === to,
          wanted,
        )
      await page.mouse.move(600, 300)
      await opacity('0')
      assert.ok(await toolbar.isVisible(), 'it is still there for assistive technology')
      await page.keyboard.press('Tab')
      await opacity('1')
      await page.waitForTimeout(5_000)
      await opacity('1')
    },
  )

  on(
    'on Home, Tab goes through the page in the order in which it is read',
    { contacts: [...REQUESTS, ...CONTACTS] },
    async ({ page, button }) => {
      await page.goto('/')
      await button('Accept').waitFor()
      const seen = []
      for (let n = 0; n < 14; n++) {
        await page.keyboard.press('Tab')
        seen.push(await focused(page))
        const visible = await page.evaluate(() => {
          const { width, height } = document.activeElement.getBoundingClientRect()
          return width > 0 && height > 0 && getComputedStyle(document.activeElement).outlineStyle !== 'none'
        })
        assert.ok(visible, `one sees where the focus is: ${seen.at(-1)}`)
      }
      const order = [
        'Account menu',
        'Filter contacts',
        'Add contact',
        'Decline',
        'Accept',
        'Select Bela Kovács',
      ]
      const places = order.map((name) => seen.findIndex((one) => one === name))
      assert.ok(!places.includes(-1), `${order} in ${seen}`)
      assert.deepEqual(
        places.toSorted((a, b) => a - b),
        places,
      )
    },
  )

  on(
    'a dialog takes the focus, keeps it, and gives it back',
    { contacts: CONTACTS },
    async ({ page, button }) => {
      await page.goto('/people/102')
      for (const [opener, first] of [
        ['Add contact', 'Search people'],
        ['Give a nickname', 'Nickname for Bela Kovács'],
        ['Block', 'Keep'],
        ['Remove contact', 'Keep'],
      ]) {
        await button(opener).focus()
        await page.keyboard.press('Enter')
        await focusIs(page, first)
        for (let n = 0; n < 8; n++) {
          await page.keyboard.press('Tab')
          const inside = await page.evaluate(
            () =>
              document.activeElement === document.body || document.activeElement.closest('dialog') !== null,
          )
          assert.ok(inside, `Tab stays in the dialog of "${opener}"`)
        }
        await page.keyboard.press('Escape')
        await page.getByRole('dialog').waitFor({ state: 'detached' })
        await focusIs(page, opener)
      }
      await button('Account menu').focus()
      await page.keyboard.press('Enter')
      await page.getByRole('menu').waitFor()
      await page.keyboard.press('Escape')
      await focusIs(page, 'Account menu')
    },
  )

  on(
    'a panel of the call takes the focus where one writes, and gives it back; it is not modal',
    { call: callOf(crowd(3)) },
    async ({ page, enter, stir, button }) => {
      await enter()
      await stir()
      await button('Chat').focus()
      await page.keyboard.press('Enter')
      await focusIs(page, 'Message')
      assert.ok(await button('Mute microphone').isEnabled())
      await page.keyboard.press('Escape')
      await button('Close panel').waitFor({ state: 'detached' })
      await focusIs(page, 'Chat')
      // One stop for the whole toolbar; the arrows go along it.
      await page.keyboard.press('ArrowRight')
      await focusIs(page, 'Add people')
      await page.keyboard.press('Home')
      await focusIs(page, 'Mute microphone')
      await page.keyboard.press('ArrowLeft')
      await focusIs(page, 'Leave call')
    },
  )

  on('a call that rings takes the focus, and no key but an answer closes it', {}, async (stage) => {
    const { page, rings, send, button } = stage
    await page.goto('/')
    await button('Add contact').focus()
    const call = ringingFrom(bela)
    rings(call)
    await page.getByRole('dialog', { name: 'Incoming call', exact: true }).waitFor()
    for (let n = 0; n < 3; n++) await page.keyboard.press('Escape')
    await page.mouse.click(5, 5)
    for (let n = 0; n < 3; n++) await page.keyboard.press('Escape')
    assert.ok(await page.evaluate(() => document.querySelector('dialog').matches(':modal')))
    assert.ok(await page.evaluate(() => document.activeElement.closest('dialog') !== null))
    const gone = { ...call, version: 2, state: 'ended', end_reason: 'cancelled' }
    send({ type: 'call.cancelled', call_id: 'c1', version: 2, call: gone })
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await focusIs(page, 'Add contact')
  })
})

describe('what is read out', () => {
  /** Remembers what appears in regions that are read out, and whether the region was there before. */
  const listen = (page) =>
    page.evaluate(() => {
      window.__said = []
      const LIVE = '[role=status], [role=alert], [aria-live=polite], [aria-live=assertive]'
      const known = new WeakSet(document.querySelectorAll(LIVE))
      new MutationObserver((changes) => {
        for (const { target, addedNodes, type } of changes) {
          const from = target.nodeType === Node.TEXT_NODE ? target.parentElement : target
          const region = from?.closest(LIVE)
          const text =
            type === 'characterData' ? target.data : [...addedNodes].map((one) => one.textContent).join(' ')
          // An alert is read out although it is new.
          const alert = [...addedNodes].find(
            (one) => one.matches?.('[role=alert]') || one.querySelector?.('[role=alert]'),
          )
          if (alert) window.__said.push(alert.textContent)
          else if (region && known.has(region) && text) window.__said.push(text)
        }
        for (const region of document.querySelectorAll(LIVE)) known.add(region)
      }).observe(document.body, { childList: true, characterData: true, subtree: true })
    })
  const said = (page, words) =>
    page.waitForFunction((wanted) => window.__said.some((one) => one.includes(wanted)), words)

  on(
    'who comes, goes, pauses, raises a hand, shares; the link; and messages with the panel closed and open',
    { call: callOf(crowd(3)), messages: [TALK[0]] },
    async ({ page, world, enter, change, changeMember, send, stir, button }) => {
      await enter()
      await listen(page)
      change(({ members }) => ({ members: [...members, member(dora)] }))
      await said(page, 'Dora Lindqvist joined')
      changeMember(chidi.id, { state: 'paused' })
      await said(page, 'Chidi Okafor paused')
      changeMember(chidi.id, { state: 'joined', hand: true })
      await said(page, 'Chidi Okafor raised a hand')
      changeMember(chidi.id, { sharing: true })
      await said(page, 'Chidi Okafor shares a screen')
      changeMember(dora.id, { state: 'left' })
      await said(page, 'Dora Lindqvist left')
      const write = (seq, text) => {
        const one = message(seq, bela, text)
        world.messages.push(one)
        send({ type: 'message', call_id: 'c1', message: one })
      }
      write(2, 'While it is closed')
      await said(page, 'Bela Kovács: While it is closed')
      await stir()
      await button('Chat').click()
      await page.getByRole('list', { name: 'Messages' }).getByText('While it is closed').waitFor()
      write(3, 'While it is open')
      await said(page, 'While it is open')
      send({ type: 'typing', call_id: 'c1', user_id: bela.id })
      await page.getByText('Bela Kovács is writing…').waitFor()
      world.noEvents = true
      await world.socket.close()
      await said(page, 'Connection lost, reconnecting…')
    },
  )

  on(
    'on Home: how a call ended, that the link is lost, how many are selected, what went wrong',
    {},
    async (stage) => {
      const { page, world, button, ring, change } = stage
      await page.goto('/')
      await page.getByRole('checkbox', { name: 'Select Bela Kovács', exact: true }).waitFor()
      await listen(page)
      await page.getByRole('checkbox', { name: 'Select Bela Kovács', exact: true }).check()
      await said(page, 'Call 1 person')
      await button('Clear selection').click()
      await ring()
      change(() => ({ state: 'ended', end_reason: 'declined' }))
      await said(page, 'Bela Kovács declined')
      world.refuse = /POST \/calls$/
      await button('Video call Bela Kovács').click()
      await said(page, 'The server cannot be reached')
      world.noEvents = true
      await world.socket.close()
      await said(page, 'Connection lost, reconnecting…')
    },
  )
})

describe('motion', () => {
  for (const reducedMotion of ['reduce', 'no-preference'])
    on(
      reducedMotion === 'reduce' ? 'who wants less of it gets none' : 'others get a little',
      { reducedMotion, call: callOf(crowd(2)) },
      async ({ page, enter, rings, stir, button }) => {
        const longest = () =>
          page.evaluate(() =>
            Math.max(
              0,
              ...document.getAnimations().map((one) => {
                const { duration, iterations } = one.effect.getTiming()
                return duration * iterations
              }),
            ),
          )
        await enter()
        await stir()
        await button('Chat').click()
        rings(ringingFrom(chidi, [], { id: 'c2' }))
        await page.getByRole('dialog', { name: 'Incoming call', exact: true }).waitFor()
        const ms = await longest()
        if (reducedMotion === 'reduce') assert.ok(ms <= 1, `something moves for ${ms} ms`)
        else assert.ok(ms > 1_000, 'the caller’s picture pulses')
      },
    )
})

describe('the names by which tools and assistive technology find things (docs: the accessible names contract)', () => {
  /** Exactly one of that role and exact name; more than one cannot be told apart. */
  const one = async (scope, role, name) => {
    const found = scope.getByRole(role, { name, exact: true })
    await found.first().waitFor({ state: 'attached' })
    assert.equal(await found.count(), 1, `${role} "${name}"`)
    return found
  }

  on('signed out', { signedIn: false }, async ({ page }) => {
    await page.goto('/')
    for (const name of ['Username', 'Password']) await (await one(page, 'textbox', name)).fill('somebody')
    await (await one(page, 'button', 'Sign in')).click()
    await page.getByRole('alert').waitFor()
    await (await one(page, 'link', 'Create account')).click()
    for (const name of ['Display name', 'Username', 'Password']) await one(page, 'textbox', name)
    await (await one(page, 'button', 'Create account')).click()
    await page.getByRole('alert').waitFor()
  })

  on('Home', { contacts: [...REQUESTS, ...CONTACTS] }, async ({ page, ring, change }) => {
    await page.goto('/')
    for (const name of ['Accept', 'Decline']) await one(page, 'button', name)
    for (const { user } of CONTACTS) {
      await one(page, 'button', `Video call ${user.display_name}`)
      await one(page, 'button', `Audio call ${user.display_name}`)
      await one(page, 'checkbox', `Select ${user.display_name}`)
    }
    await (await one(page, 'checkbox', 'Select Bela Kovács')).check()
    await one(page, 'button', 'Call selected')
    await (await one(page, 'checkbox', 'Select Bela Kovács')).uncheck()
    await (await one(page, 'button', 'Add contact')).click()
    await (await one(page, 'searchbox', 'Search people')).fill('bel')
    await one(page, 'button', 'Add Belinda Hart')
    // The first empties the field.
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await (await one(page, 'button', 'Account menu')).click()
    await page.getByRole('menuitem', { name: 'Sign out', exact: true }).waitFor()
    await page.keyboard.press('Escape')
    await ring()
    change(() => ({ state: 'ended', end_reason: 'declined' }))
    await page
      .getByText(/declined/)
      .first()
      .waitFor()
  })

  on('a call that rings', {}, async ({ page, rings, button }) => {
    await page.goto('/')
    await button('Account menu').waitFor()
    rings(ringingFrom(bela))
    const dialog = await one(page, 'dialog', 'Incoming call')
    for (const name of ['Answer', 'Decline', 'Audio-only answer']) await one(dialog, 'button', name)
  })

  on(
    'the call, its controls also when they have faded, and never twice',
    { call: callOf(crowd(3)), messages: TALK },
    async ({ page, enter, stir, changeMember, pictureOf }) => {
      await enter()
      await page.mouse.move(600, 300)
      await page.waitForFunction(
        () => getComputedStyle(document.querySelector('[role=toolbar]')).opacity === '0',
      )
      const toolbar = await one(page, 'toolbar', 'Call controls')
      const names = ['Share screen', 'Chat', 'Pause call', 'Add people', 'Leave call']
      for (const name of ['Mute microphone', 'Turn camera off', ...names]) await one(toolbar, 'button', name)
      for (const [off, on_] of [
        ['Mute microphone', 'Unmute microphone'],
        ['Turn camera off', 'Turn camera on'],
        ['Share screen', 'Stop sharing'],
        ['Pause call', 'Resume call'],
      ]) {
        await (await one(toolbar, 'button', off)).click()
        if (off === 'Share screen') await one(page, 'figure', 'Screen of Ana Ferreira')
        await (await one(toolbar, 'button', on_)).click()
        await one(toolbar, 'button', off)
      }
      changeMember(bela.id, { sharing: true })
      await pictureOf('Screen of Bela Kovács')
      for (const name of ['Ana Ferreira', 'Bela Kovács', 'Chidi Okafor', 'Screen of Bela Kovács'])
        assert.equal(await (await one(page, 'figure', name)).locator('video').count(), 1, `${name}’s picture`)
      changeMember(chidi.id, { state: 'paused' })
      await page.getByText('paused', { exact: true }).first().waitFor()
      await stir()
      await (await one(toolbar, 'button', 'Chat')).click()
      await (await one(page, 'textbox', 'Message')).fill('Hello')
      await (await one(page, 'button', 'Send')).click()
      await (await one(page, 'list', 'Messages')).getByText('Hello', { exact: true }).waitFor()
    },
  )
})
