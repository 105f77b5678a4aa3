/* Every screen of the page and every state it can be in: how one gets there, and by which names they are known.
 *
 * `play` goes there by the ways that a person has, or by what the server tells, and calls `shoot(name)` once for each of
 * `shots`, in any order. Whoever plays a scene checks that none was left out: see `play` at the end. */
import {
  bela,
  callOf,
  chidi,
  contact,
  CONTACTS,
  crowd,
  dora,
  emil,
  fatima,
  goesOn,
  HISTORY,
  leftBy,
  LOOKS,
  me,
  member,
  message,
  past,
  people,
  REQUESTS,
  ringingFrom,
  seatsOf,
  TALK,
} from './world.mjs'

/** Home and the call, also on a phone on its side and on a tablet. */
const EVERYWHERE = ['wide', 'phone', 'sideways', 'tablet']

const field = (page, label) => page.getByLabel(label, { exact: true })
const menuitem = (page, name) => page.getByRole('menuitem', { name, exact: true })

/** The browser refuses the devices; `which` says what each of them is answered with. */
const refusing = (camera, microphone) => `
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
  navigator.mediaDevices.getUserMedia = (want) => {
    const error = want.video && want.audio ? '${camera || microphone}' : want.video ? '${camera}' : '${microphone}'
    return error ? Promise.reject(new DOMException('', error)) : real(want)
  }`

/** As iOS has it: the telephone rings, and the tracks are there and give nothing, new ones neither. */
const phoneCall = `
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
  const tracks = []
  let taken = false
  navigator.mediaDevices.getUserMedia = async (want) => {
    const stream = await real(want)
    for (const track of stream.getTracks()) {
      Object.defineProperty(track, 'muted', { get: () => taken })
      tracks.push(track)
    }
    return stream
  }
  window.__phoneRings = () => {
    taken = true
    for (const track of tracks) track.dispatchEvent(new Event('mute'))
  }`

const signedOut = [
  {
    name: 'sign-in',
    shots: ['sign-in', 'sign-in-wrong', 'sign-in-unreachable'],
    options: { signedIn: false },
    play: async ({ page, world, button, shoot }) => {
      await page.goto('/')
      await button('Sign in').waitFor()
      await shoot('sign-in')
      await page.getByRole('textbox', { name: 'Username', exact: true }).fill('ana')
      await page.getByRole('textbox', { name: 'Password', exact: true }).fill('wrong')
      await button('Sign in').click()
      await page.getByRole('alert').waitFor()
      await shoot('sign-in-wrong')
      world.refuse = /POST \/sessions/
      await button('Sign in').click()
      await page
        .getByRole('alert')
        .getByText(/cannot be reached/)
        .waitFor()
      await shoot('sign-in-unreachable')
    },
  },
  {
    name: 'create-account',
    shots: ['create-account', 'create-account-wrong', 'create-account-refused'],
    options: { signedIn: false },
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      await page.getByRole('link', { name: 'Create account', exact: true }).click()
      await shoot('create-account')
      await button('Create account').click()
      await page.waitForTimeout(200)
      await shoot('create-account-wrong')
      await field(page, 'Display name').fill('Ana')
      await field(page, 'Username').fill('ana')
      await field(page, 'Password').fill('a long enough password')
      await button('Create account').click()
      await page.getByRole('alert').waitFor()
      await shoot('create-account-refused')
    },
  },
  {
    name: 'invitation',
    shots: ['invitation', 'by-invitation-only'],
    options: { signedIn: false, signups: 'invite' },
    play: async ({ page, shoot }) => {
      await page.goto('/sign-up')
      await field(page, 'Invitation').waitFor()
      await shoot('invitation')
      await page.goto('/sign-in')
      await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
      await shoot('by-invitation-only')
    },
  },
  {
    name: 'start',
    shots: ['starting', 'starting-slowly', 'unreachable'],
    options: { silent: /GET \/sessions\/current/ },
    play: async ({ page, world, shoot }) => {
      await page.goto('/')
      await page.getByRole('status').waitFor({ state: 'attached' })
      await shoot('starting')
      await page.getByText('The connection is slow. Still trying…').waitFor()
      await shoot('starting-slowly')
      world.silent = null
      world.refuse = /./
      await page.reload()
      await page.getByText('The server cannot be reached. Trying again…').waitFor()
      await shoot('unreachable')
    },
  },
]

const home = [
  {
    name: 'home-loading',
    shots: ['home-loading'],
    options: { noHello: true, silent: /GET \/calls/ },
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      await button('Account menu').waitFor()
      await shoot('home-loading')
    },
  },
  {
    name: 'home-empty',
    shots: ['home-empty'],
    options: { contacts: [], history: [] },
    play: async ({ page, shoot }) => {
      await page.goto('/')
      await page.getByText('Nobody here yet').waitFor()
      await shoot('home-empty')
    },
  },
  {
    name: 'home-troubles',
    shots: ['home-without-history', 'home-reconnecting', 'home-offline'],
    options: { refuse: /GET \/calls/ },
    play: async ({ page, world, context, button, shoot }) => {
      await page.goto('/')
      await button('Load calls again').first().waitFor()
      await shoot('home-without-history')
      world.noEvents = true
      await world.socket.close()
      await page.getByText('Connection lost, reconnecting…').waitFor()
      await shoot('home-reconnecting')
      await context.setOffline(true)
      await page.getByRole('link', { name: /Chidi/ }).click()
      await button('Give a nickname').click()
      world.refuse = /./
      await field(page, 'Nickname for Chidi Okafor').fill('Chi')
      await button('Save').click()
      await page.getByRole('alert').waitFor()
      await shoot('home-offline')
      await context.setOffline(false)
    },
  },
  {
    name: 'home',
    shots: ['home', 'home-menu', 'home-submenu', 'add-contact', 'add-contact-found', 'add-contact-nobody'],
    looks: EVERYWHERE,
    options: { contacts: [...REQUESTS, ...CONTACTS] },
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      await button('Accept').waitFor()
      await page
        .getByText(/You called, 12 min/)
        .first()
        .waitFor({ state: 'attached' })
      await shoot('home')
      await button('Account menu').click()
      await shoot('home-menu')
      await menuitem(page, 'Language').click()
      await page.getByRole('menuitemradio', { name: 'Deutsch' }).waitFor()
      await shoot('home-submenu')
      await page.keyboard.press('Escape')
      await page.keyboard.press('Escape')
      await button('Add contact').click()
      await shoot('add-contact')
      const box = page.getByRole('searchbox', { name: 'Search people', exact: true })
      await box.fill('bel')
      await button('Add Belinda Hart').waitFor()
      await shoot('add-contact-found')
      await box.fill('zebra')
      await page.getByText(/Nobody called “zebra” here/).waitFor()
      await shoot('add-contact-nobody')
    },
  },
  {
    name: 'filter',
    shots: ['home-filter', 'home-filter-nobody'],
    play: async ({ page, shoot }) => {
      await page.goto('/')
      const box = page.getByRole('searchbox', { name: 'Filter contacts', exact: true })
      await box.fill('do')
      await page.getByRole('link', { name: /Bela/ }).waitFor({ state: 'detached' })
      await shoot('home-filter')
      await box.fill('xyz')
      await page.getByText('No contact matches “xyz”.').waitFor()
      await shoot('home-filter-nobody')
    },
  },
  {
    name: 'person',
    shots: ['person', 'person-chat', 'person-nickname', 'person-block', 'person-remove'],
    looks: EVERYWHERE,
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      await page.getByRole('link', { name: /Bela/ }).click()
      await button('Start video call').waitFor()
      await shoot('person')
      await button('3 messages').click()
      await page.getByText('Agreed.').waitFor()
      await shoot('person-chat')
      for (const [name, shot] of [
        ['Give a nickname', 'person-nickname'],
        ['Block', 'person-block'],
        ['Remove contact', 'person-remove'],
      ]) {
        await button(name).click()
        await page.getByRole('dialog').waitFor()
        await shoot(shot)
        await page.keyboard.press('Escape')
        await page.getByRole('dialog').waitFor({ state: 'detached' })
      }
    },
  },
  {
    name: 'select',
    shots: ['selection', 'blocked'],
    looks: EVERYWHERE,
    options: {
      contacts: [...CONTACTS, contact({ ...people[9], display_name: 'Spam Merchant' }, 'blocked', 'offline')],
    },
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      for (const who of [bela, dora, chidi])
        await page.getByRole('checkbox', { name: `Select ${who.display_name}`, exact: true }).check()
      await page.getByText('Call 3 people').waitFor()
      await shoot('selection')
      await button('Clear selection').click()
      await page.getByText('1 person blocked').click()
      await button('Unblock Spam Merchant').waitFor()
      await shoot('blocked')
    },
  },
  {
    name: 'words',
    shots: ['home-unread', 'history-leave', 'person-unread', 'notice-words'],
    looks: EVERYWHERE,
    options: { history: [leftBy(bela, 2), goesOn(), past('n1', 60, me, chidi, 'timeout'), ...HISTORY] },
    play: async ({ page, world, send, button, shoot }) => {
      await page.goto('/')
      const join = page.getByRole('button', { name: /^Join the call with/ }).filter({ visible: true })
      await join.scrollIntoViewIfNeeded()
      await page.getByText('2 new messages').first().waitFor({ state: 'attached' })
      await shoot('home-unread')
      await button('Leave Chidi Okafor a message').filter({ visible: true }).click()
      await field(page, 'Message to leave').filter({ visible: true }).scrollIntoViewIfNeeded()
      await shoot('history-leave')
      await page.getByRole('link', { name: /Bela/ }).click()
      await page.getByText('Agreed.').filter({ visible: true }).waitFor()
      await shoot('person-unread')
      await page.goto('/')
      await button('Account menu').waitFor()
      const said = { ...message(3, bela, 'I am in the office until five, call me there.'), call_id: 'h0' }
      await page.getByRole('link', { name: /Bela/ }).waitFor()
      send({ type: 'message', call_id: 'h0', message: said })
      await button('Show').waitFor()
      await shoot('notice-words')
      if (world.asked.every((one) => one !== 'PUT /calls/h0/messages/read'))
        throw new Error('nothing was read')
    },
  },
  {
    name: 'removed',
    shots: ['notice-return'],
    options: { call: callOf(crowd(3)) },
    play: async ({ page, world, send, button, connected, shoot }) => {
      await page.goto('/')
      await button('Return to call').click()
      await connected()
      // The server gave up waiting for this page; the others go on.
      const { version } = (world.call = {
        ...world.call,
        version: world.call.version + 1,
        members: world.call.members.map((one) => (one.user.id === me.id ? member(me, 'left') : one)),
      })
      send({ type: 'member.left', call_id: 'c1', version, member: member(me, 'left'), reason: 'lost' })
      await page.getByRole('alert').getByRole('button', { name: 'Return to call' }).waitFor()
      await shoot('notice-return')
    },
  },
  {
    name: 'api-docs',
    shots: ['api-docs', 'api-docs-operation'],
    // Long as it is, axe takes minutes; tests/e2e/api-page.test.mjs asks it, once in each theme.
    asked: false,
    options: { signedIn: false },
    play: async ({ page, shoot }) => {
      await page.goto('/api/docs')
      await page.getByRole('heading', { level: 1 }).waitFor()
      await shoot('api-docs')
      await page.locator('#startCall').scrollIntoViewIfNeeded()
      await shoot('api-docs-operation')
    },
  },
  {
    name: 'device-check',
    shots: ['device-check'],
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      await button('Check camera and microphone').click()
      await page.getByText('Your microphone works.').waitFor()
      // In the middle: what lies under the page's head is no target.
      await page
        .getByLabel('Your camera')
        .evaluate((one) => one.scrollIntoView({ block: 'center', behavior: 'instant' }))
      await shoot('device-check')
    },
  },
  ...[
    ['refused', refusing('NotAllowedError', 'NotAllowedError')],
    ['camera-in-use', refusing('NotReadableError', '')],
  ].map(([what, init]) => ({
    name: `device-check-${what}`,
    shots: [`device-check-${what}`],
    options: { init },
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      await button('Check camera and microphone').click()
      await button('Try again').scrollIntoViewIfNeeded()
      await shoot(`device-check-${what}`)
    },
  })),
  {
    name: 'notify',
    shots: ['home-notifications'],
    options: { init: "Object.defineProperty(Notification, 'permission', { get: () => 'default' })" },
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      await button('Notify me').scrollIntoViewIfNeeded()
      await shoot('home-notifications')
    },
  },
  {
    name: 'welcome',
    shots: ['welcome-1', 'welcome-2', 'welcome-3'],
    options: { contacts: [], history: [], init: "localStorage.setItem('parley.welcome.101', 'open')" },
    play: async ({ page, button, shoot }) => {
      await page.goto('/')
      await button('Next').waitFor()
      await shoot('welcome-1')
      await button('Next').click()
      await button('Check camera and microphone').click()
      await page.getByText('Your microphone works.').waitFor()
      await shoot('welcome-2')
      await button('Next').click()
      await button('Search by name').waitFor()
      await shoot('welcome-3')
    },
  },
  {
    name: 'settings',
    shots: [
      'settings',
      'settings-look',
      'settings-password',
      'settings-devices',
      'settings-data',
      'settings-delete',
    ],
    play: async ({ page, button, shoot }) => {
      await page.goto('/settings')
      await page.getByText('Firefox on Linux').waitFor()
      await shoot('settings')
      const section = (name) =>
        page
          .getByRole('region', { name, exact: true })
          .evaluate((one) => one.scrollIntoView({ block: 'start', behavior: 'instant' }))
      await section('Appearance and notifications')
      await shoot('settings-look')
      await field(page, 'Current password').fill('wrong')
      await field(page, 'New password').fill('a short swim in the lake')
      await button('Change password').click()
      await page.getByRole('alert').waitFor()
      await section('Password')
      await shoot('settings-password')
      await section('Your devices')
      await shoot('settings-devices')
      await section('Your data')
      await shoot('settings-data')
      await button('Delete account…').click()
      await page.getByRole('dialog').waitFor()
      await shoot('settings-delete')
    },
  },
  {
    name: 'settings-loading',
    shots: ['settings-loading', 'settings-failed'],
    options: { silent: /GET \/sessions$/ },
    play: async ({ page, world, button, shoot }) => {
      await page.goto('/settings')
      const loading = page.getByRole('status', { name: 'Loading your devices' })
      await loading.waitFor()
      await loading.evaluate((one) => one.scrollIntoView({ block: 'center', behavior: 'instant' }))
      await shoot('settings-loading')
      world.silent = null
      world.refuse = /GET \/sessions$/
      await page.reload()
      await button('Load devices again').scrollIntoViewIfNeeded()
      await shoot('settings-failed')
    },
  },
  {
    name: 'not-found',
    shots: ['not-found'],
    play: async ({ page, shoot }) => {
      await page.goto('/no/such/page')
      await page.getByRole('heading', { name: 'There is nothing here' }).waitFor()
      await shoot('not-found')
    },
  },
  {
    name: 'broken',
    shots: ['broken'],
    options: { breaks: true },
    play: async ({ page, shoot }) => {
      await page.route('**/assets/SettingsPage*', (route) => route.abort())
      await page.goto('/settings')
      await page.getByRole('heading', { name: 'Something went wrong' }).waitFor()
      await shoot('broken')
    },
  },
  {
    name: 'ongoing',
    shots: ['ongoing', 'ongoing-elsewhere'],
    options: { call: callOf(crowd(2)), contacts: CONTACTS },
    play: async ({ page, button, context, shoot }) => {
      await page.goto('/')
      await button('Return to call').waitFor()
      await shoot('ongoing')
      const other = await context.newPage()
      await other.goto('/sign-in')
      await other.evaluate(() => new BroadcastChannel('parley').postMessage({ type: 'taken', callId: 'c1' }))
      await button('Move it here').waitFor()
      await shoot('ongoing-elsewhere')
    },
  },
  ...['de', 'fr'].map((locale) => ({
    name: `home-${locale}`,
    shots: [`home-${locale}`, `settings-${locale}`, `person-${locale}`, `selection-${locale}`],
    options: { locale, contacts: [...REQUESTS, ...CONTACTS] },
    play: async ({ page, shoot }) => {
      await page.goto('/')
      await page.getByRole('link', { name: /Bela/ }).waitFor()
      await page
        .getByText(/12 min/i)
        .first()
        .waitFor({ state: 'attached' })
      await shoot(`home-${locale}`)
      await page.getByRole('checkbox').nth(0).check()
      await page.getByRole('checkbox').nth(1).check()
      await shoot(`selection-${locale}`)
      await page.goto('/settings')
      await page.getByText(/Firefox (unter|sur) Linux/).waitFor()
      await shoot(`settings-${locale}`)
      await page.goto('/people/102')
      await page.getByRole('heading', { name: 'Bela Kovács' }).waitFor()
      await shoot(`person-${locale}`)
    },
  })),
]

const ringing = [
  {
    name: 'incoming',
    shots: ['incoming', 'incoming-audio', 'incoming-group', 'incoming-reply'],
    looks: EVERYWHERE,
    play: async ({ page, rings, send, button, shoot }) => {
      await page.goto('/')
      await button('Video call Bela Kovács').waitFor({ state: 'attached' })
      const over = async (call) => {
        const gone = { ...call, version: call.version + 1, state: 'ended', end_reason: 'cancelled' }
        send({ type: 'call.cancelled', call_id: call.id, version: gone.version, call: gone })
        await page.getByRole('dialog').waitFor({ state: 'detached' })
      }
      for (const [shot, call] of [
        ['incoming', ringingFrom(bela)],
        ['incoming-audio', ringingFrom(bela, [], { id: 'c2', video: false })],
        [
          'incoming-group',
          ringingFrom(fatima, [member(chidi, 'ringing'), member(dora, 'ringing'), member(emil, 'ringing')], {
            id: 'c3',
          }),
        ],
      ]) {
        rings(call)
        await page.getByRole('dialog', { name: 'Incoming call', exact: true }).waitFor()
        await shoot(shot)
        if (shot === 'incoming') {
          await button('Reply and reject').click()
          await field(page, 'Your own reply').waitFor()
          await shoot('incoming-reply')
        }
        await over(call)
      }
    },
  },
  {
    name: 'incoming-de',
    shots: ['incoming-de'],
    options: { locale: 'de' },
    play: async ({ page, rings, shoot }) => {
      await page.goto('/')
      await page.getByRole('link', { name: /Bela/ }).waitFor()
      rings(ringingFrom(bela, [member(chidi, 'ringing')]))
      await page.getByRole('dialog').waitFor()
      await shoot('incoming-de')
    },
  },
  {
    name: 'outgoing',
    shots: ['calling', 'calling-group', 'connecting'],
    looks: EVERYWHERE,
    play: async ({ page, world, button, ring, send, change, figure, shoot }) => {
      await page.goto('/')
      await ring(bela)
      await page.getByRole('status').getByText('Calling…').waitFor()
      await page.getByRole('status').getByText('Ringing on 2 devices').waitFor()
      await shoot('calling')
      change(() => ({ members: [member(me), member(bela, 'ringing'), member(chidi, 'ringing')] }))
      await shoot('calling-group')
      change(() => ({ state: 'active', answered_at: new Date().toISOString(), members: crowd(2) }))
      const seats = ['0', '1'].map((mid, n) => ({
        mid,
        member: bela.id,
        kind: ['microphone', 'camera'][n],
        state: 'waiting',
      }))
      send({ type: 'seats', call_id: world.call.id, seats })
      await figure('Bela Kovács').waitFor()
      await shoot('connecting')
      await button('Leave call').click()
    },
  },
  {
    name: 'endings',
    shots: [
      'ended-cancelled',
      'ended-declined',
      'ended-no-answer',
      'ended-busy',
      'ended-over',
      'ended-left',
      'ended-failed',
      'ended-removed',
      'ended-moved',
      'ended-refused',
    ],
    play: async (stage) => {
      const { page, world, ring, change, send, button, context, shoot } = stage
      await page.goto('/')
      const seen = async (words, shot) => {
        await page.getByText(words, { exact: true }).waitFor()
        await shoot(shot)
        // It goes by itself, too.
        await button('Dismiss')
          .click({ timeout: 2_000 })
          .catch(() => undefined)
      }
      const ends = (end_reason) => change(() => ({ state: 'ended', end_reason }))
      await ring()
      await button('Leave call').click()
      await seen('You cancelled the call', 'ended-cancelled')
      for (const [reason, words, shot] of [
        ['declined', 'Bela Kovács declined', 'ended-declined'],
        ['timeout', 'No answer — leave a message?', 'ended-no-answer'],
        ['busy', 'Bela Kovács is in another call', 'ended-busy'],
        ['failed', 'The connection was lost', 'ended-failed'],
      ]) {
        await ring()
        ends(reason)
        await seen(words, shot)
      }
      const talk = async () => {
        await ring()
        change(() => ({ state: 'active', answered_at: new Date().toISOString(), members: crowd(2) }))
        await stage.figure('Bela Kovács').waitFor()
      }
      await talk()
      ends('hangup')
      await seen('Bela Kovács left the call', 'ended-over')
      await talk()
      await button('Leave call').click()
      await seen('You left the call', 'ended-left')
      await talk()
      const mine = member(me, 'left')
      const { version } = (world.call = { ...world.call, version: world.call.version + 1 })
      send({ type: 'member.left', call_id: world.call.id, version, member: mine, reason: 'removed' })
      await seen('You were removed from the call', 'ended-removed')
      await talk()
      const other = await context.newPage()
      await other.goto('/sign-in')
      await other.evaluate(
        (callId) => new BroadcastChannel('parley').postMessage({ type: 'taken', callId }),
        world.call.id,
      )
      await other.close()
      await seen('The call goes on in another tab', 'ended-moved')
      change(() => ({ state: 'ended', end_reason: 'hangup' }))
      world.refuse = /POST \/calls$/
      await button('Video call Bela Kovács').click()
      await seen('The server cannot be reached. Check your connection and try again.', 'ended-refused')
    },
  },
  {
    name: 'second-call',
    shots: ['second-call', 'call-on-hold', 'dock'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(2)) },
    play: async ({ page, world, rings, button, pictureOf, send, connected, hangUp, shoot }) => {
      await page.goto('/')
      await button('Return to call').click()
      await connected()
      send(seatsOf(world.call))
      await pictureOf('Bela Kovács')
      rings(ringingFrom(chidi, [], { id: 'c2' }))
      await page.getByText('Answering pauses your call with Bela Kovács.').waitFor()
      await shoot('second-call')
      world.answered = callOf([member(me), member(chidi)], { id: 'c2', version: 5, started_by: chidi.id })
      await hangUp()
      await button('Answer').click()
      await button('Switch').waitFor()
      await connected()
      send({
        type: 'seats',
        call_id: 'c2',
        seats: [
          { mid: '0', member: chidi.id, kind: 'microphone', state: 'live' },
          { mid: '1', member: chidi.id, kind: 'camera', state: 'live' },
        ],
      })
      await pictureOf('Chidi Okafor')
      await shoot('call-on-hold')
      await page.goBack()
      await button('Return to call').waitFor()
      await shoot('dock')
    },
  },
]

const inCall = [
  {
    name: 'people',
    shots: [
      'call-1',
      'call-2',
      'call-3',
      'call-4',
      'call-6',
      'call-9',
      'call-20',
      'call-20-last',
      'call-muted',
    ],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(2)) },
    play: async ({ page, enter, change, changeMember, button, figure, pictureOf, stir, shoot }) => {
      await enter()
      await shoot('call-2')
      await button('Mute microphone').click()
      await button('Turn camera off').click()
      await button('Turn camera on').waitFor()
      changeMember(bela.id, { muted: { audio: true, video: true } })
      await page.getByRole('img', { name: 'Microphone off' }).nth(1).waitFor()
      await shoot('call-muted')
      await button('Unmute microphone').click()
      await button('Turn camera on').click()
      for (const n of [3, 4, 6, 9]) {
        change(() => ({ members: crowd(n) }))
        const last = people[n - 1].display_name
        // On the narrowest phone nine are more than a page.
        await figure(last).or(button('Next page')).first().waitFor({ state: 'attached' })
        if (await figure(last).count()) await pictureOf(last).catch(() => undefined)
        await shoot(`call-${n}`)
      }
      change(() => ({ members: crowd(20) }))
      await button('Next page').waitFor()
      await shoot('call-20')
      await stir()
      while (await button('Next page').isEnabled()) await button('Next page').click()
      await shoot('call-20-last')
      change(() => ({
        members: [
          member(me),
          ...crowd(20)
            .slice(1)
            .map((one) => ({ ...one, state: 'left' })),
        ],
      }))
      await page.waitForTimeout(300)
      await shoot('call-1')
    },
  },
  {
    name: 'speaker',
    shots: ['speaker', 'pinned'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(6)) },
    play: async ({ page, send, enter, changeMember, stir, shoot }) => {
      await enter()
      await page.keyboard.press('w')
      send({ type: 'speaker', call_id: 'c1', member: chidi.id })
      changeMember(dora.id, { hand: true })
      changeMember(emil.id, { muted: { audio: true, video: true } })
      await page.locator('[data-main] figure[aria-label="Chidi Okafor"]').waitFor()
      await page.waitForTimeout(500)
      await shoot('speaker')
      await stir()
      await page.getByRole('button', { name: 'Pin Bela Kovács', exact: true }).click()
      await page.locator('[data-main] figure[aria-label^="Bela"]').waitFor()
      await shoot('pinned')
    },
  },
  {
    name: 'screens',
    shots: ['screen', 'screens-two', 'screen-own', 'screen-coming'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(4)) },
    play: async ({ page, world, enter, send, changeMember, pictureOf, figure, button, shoot }) => {
      await enter()
      changeMember(bela.id, { sharing: true })
      await pictureOf('Screen of Bela Kovács')
      await shoot('screen')
      changeMember(chidi.id, { sharing: true })
      await pictureOf('Screen of Chidi Okafor')
      await shoot('screens-two')
      changeMember(chidi.id, { sharing: false })
      changeMember(bela.id, { sharing: false })
      await figure('Screen of Bela Kovács').waitFor({ state: 'detached' })
      changeMember(dora.id, { sharing: true })
      send({
        type: 'seats',
        call_id: 'c1',
        seats: [{ mid: '19', member: dora.id, kind: 'screen', state: 'waiting' }],
      })
      await figure('Screen of Dora Lindqvist').waitFor()
      await shoot('screen-coming')
      world.call.members = crowd(4)
      changeMember(dora.id, {})
      if (await button('Share screen').count()) {
        await button('Share screen').click()
        await button('Stop sharing').waitFor()
        await figure('Screen of Ana Ferreira').waitFor()
        await page.waitForTimeout(600)
      }
      await shoot('screen-own')
    },
  },
  {
    name: 'pause',
    shots: ['paused-other', 'paused', 'paused-screen'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(3)) },
    play: async ({ page, enter, changeMember, button, pictureOf, shoot }) => {
      await enter()
      changeMember(chidi.id, { state: 'paused' })
      await page.getByText('paused', { exact: true }).first().waitFor()
      await shoot('paused-other')
      await button('Pause call').click()
      await button('Resume call').waitFor()
      await page.getByText('You paused — others cannot see or hear you').waitFor()
      await shoot('paused')
      await button('Resume call').click()
      changeMember(bela.id, { sharing: true })
      await pictureOf('Screen of Bela Kovács')
      await button('Pause call').click()
      await page.getByText('You paused — others cannot see or hear you').waitFor()
      await shoot('paused-screen')
    },
  },
  {
    name: 'chat',
    shots: ['chat', 'chat-empty', 'chat-loading', 'chat-emojis', 'chat-unread', 'chat-offline'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(3)), silent: /GET .*messages/ },
    play: async ({ page, world, enter, send, button, stir, connected, shoot }) => {
      await enter()
      await stir()
      await button('Chat').click()
      await shoot('chat-loading')
      world.silent = null
      await page.reload()
      await connected()
      send(seatsOf(world.call))
      await stir()
      await button('Chat').click()
      await page.getByText(/Nothing written yet/).waitFor()
      await shoot('chat-empty')
      for (const said of TALK) {
        world.messages.push(said)
        send({ type: 'message', call_id: 'c1', message: said })
      }
      await field(page, 'Message').fill('I will read it now 🙂')
      await button('Send').click()
      await page.getByRole('list', { name: 'Messages' }).getByText('I will read it now').waitFor()
      send({ type: 'typing', call_id: 'c1', user_id: bela.id })
      await page.getByText('Bela Kovács is writing…').waitFor()
      await shoot('chat')
      await button('Emoji').click()
      await page.getByRole('group', { name: 'Emojis', exact: true }).waitFor()
      await shoot('chat-emojis')
      await button('Close panel').click()
      const next = message(7, bela, 'See you at three')
      world.messages.push(next)
      send({ type: 'message', call_id: 'c1', message: next })
      await page.getByText('Bela Kovács: See you at three').waitFor()
      await shoot('chat-unread')
      await button('Chat').click()
      world.noEvents = true
      world.refuse = /./
      await world.socket.close()
      await page.getByText('Connection lost. What you write is sent when it is back.').waitFor()
      await field(page, 'Message').fill('Are you still there?')
      await button('Send').click()
      await shoot('chat-offline')
    },
  },
  {
    name: 'people-panel',
    shots: ['people-panel', 'people-remove', 'people-locked'],
    looks: EVERYWHERE,
    options: { call: callOf([...crowd(3), member(dora, 'ringing'), member(emil, 'declined')]) },
    play: async ({ page, enter, button, stir, changeMember, shoot }) => {
      await enter()
      await stir()
      await button('Add people').click()
      await shoot('people-panel')
      await button('Add Gustav Berg').click()
      await page.getByText('ringing…').nth(1).waitFor()
      changeMember(bela.id, { muted: { audio: true, video: true }, hand: true, sharing: true })
      await button('Remove Chidi Okafor').click()
      await button('Really remove').waitFor()
      await shoot('people-remove')
      await button('Lock call').click()
      await button('Open the call again').waitFor()
      await page.keyboard.press('Tab')
      await shoot('people-locked')
    },
  },
  {
    name: 'menus',
    shots: ['menu-more', 'reactions', 'details', 'hand'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(3)) },
    play: async ({ page, enter, button, stir, send, changeMember, shoot }) => {
      await enter()
      await stir()
      await button('More').click()
      await menuitem(page, 'Connection details').waitFor()
      await shoot('menu-more')
      await menuitem(page, 'Connection details').click()
      await page.getByText('Round trip').waitFor()
      await page.waitForTimeout(1200)
      await shoot('details')
      await button('Close panel').click()
      changeMember(chidi.id, { hand: true })
      await page.keyboard.press('r')
      await page.getByRole('img', { name: 'Hand is up' }).nth(1).waitFor()
      await shoot('hand')
      for (const [who, emoji] of [
        [me, '👏'],
        [bela, '❤️'],
        [bela, '🎉'],
      ])
        send({ type: 'reaction', call_id: 'c1', user_id: who.id, emoji })
      await page.waitForTimeout(700)
      await shoot('reactions')
    },
  },
  {
    name: 'devices',
    shots: ['menu-microphone', 'menu-camera', 'menu-react', 'help'],
    looks: ['wide', 'tablet'],
    options: { call: callOf(crowd(2)) },
    play: async ({ page, enter, button, stir, shoot }) => {
      await enter()
      await stir()
      for (const [name, shot] of [
        ['Choose microphone and speaker', 'menu-microphone'],
        ['Choose camera', 'menu-camera'],
      ]) {
        await button(name).click()
        await page.getByRole('menuitemradio').first().waitFor()
        await shoot(shot)
        await page.keyboard.press('Escape')
      }
      await button('React').click()
      await button('Applause').waitFor()
      await shoot('menu-react')
      await page.keyboard.press('Escape')
      await page.keyboard.press('?')
      await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
      await shoot('help')
    },
  },
  {
    name: 'devices-panel',
    shots: ['devices', 'devices-camera-off'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(2)) },
    play: async ({ page, enter, button, stir, shoot }) => {
      await enter()
      await stir()
      await button('More').click()
      await menuitem(page, 'Devices').click()
      await page.getByRole('combobox', { name: /Camera/ }).waitFor()
      await shoot('devices')
      await button('Turn camera off').click()
      await button('Try the camera').waitFor()
      await shoot('devices-camera-off')
    },
  },
  ...[
    ['both-refused', refusing('NotAllowedError', 'NotAllowedError'), 'Camera and microphone refused'],
    ['camera-refused', refusing('NotAllowedError', ''), 'Camera refused'],
    ['camera-in-use', refusing('NotReadableError', ''), 'Camera in use'],
    ['no-camera', refusing('NotFoundError', ''), 'No camera found'],
    ['no-microphone', refusing('', 'NotFoundError'), 'No microphone found'],
  ].map(([what, init, words]) => ({
    name: `trouble-${what}`,
    shots: [`trouble-${what}`],
    looks: what === 'both-refused' ? EVERYWHERE : undefined,
    options: { call: callOf(crowd(2)), init },
    play: async ({ page, enter, shoot }) => {
      await enter()
      await page.getByRole('alert').getByText(words, { exact: true }).waitFor()
      await shoot(`trouble-${what}`)
    },
  })),
  {
    name: 'trouble-interrupted',
    shots: ['trouble-interrupted'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(2)), init: phoneCall },
    play: async ({ page, enter, button, shoot }) => {
      await enter()
      await page.evaluate(() => window.__phoneRings())
      await page.getByRole('alert').getByText('Camera and microphone interrupted', { exact: true }).waitFor()
      await button('Tap to resume').waitFor()
      await shoot('trouble-interrupted')
    },
  },
  {
    name: 'asking',
    shots: ['browser-asks'],
    options: {
      call: callOf(crowd(2)),
      init: 'navigator.mediaDevices.getUserMedia = () => new Promise(() => undefined)',
    },
    play: async ({ page, enter, shoot }) => {
      await enter()
      await page.getByText(/Your browser asks whether Parley may use your camera/).waitFor()
      await shoot('browser-asks')
    },
  },
  {
    name: 'weak',
    shots: ['reconnecting-other', 'weak', 'toasts', 'call-offline', 'call-no-network', 'reconnecting'],
    looks: EVERYWHERE,
    options: { call: callOf(crowd(4)) },
    play: async ({ page, world, context, enter, send, change, changeMember, shoot }) => {
      await enter()
      changeMember(bela.id, { state: 'reconnecting' })
      await page.getByText('Reconnecting…').first().waitFor()
      await shoot('reconnecting-other')
      changeMember(bela.id, { state: 'joined' })
      const seats = [
        ['1', bela, 'weak'],
        ['5', chidi, 'live'],
        ['7', dora, 'waiting'],
      ].map(([mid, who, state]) => ({ mid, member: who.id, kind: 'camera', state }))
      send({ type: 'seats', call_id: 'c1', seats })
      await page.getByText('Weak connection').waitFor()
      await shoot('weak')
      change(({ members }) => ({ members: [...members, member(emil, 'joined')] }))
      changeMember(chidi.id, { hand: true })
      // A phone shows the last one only.
      await page.getByText('Emil Sørensen joined').waitFor({ state: 'attached' })
      await shoot('toasts')
      world.noEvents = true
      await world.socket.close()
      await page.getByText('Connection lost, reconnecting…').waitFor()
      await shoot('call-offline')
      await context.setOffline(true)
      await page.getByText('You are offline').waitFor()
      await shoot('call-no-network')
      await context.setOffline(false)
      world.refuse = /media/
      await page.evaluate(() => window.__far.close())
      world.noEvents = false
      await page.getByText('Connection lost, reconnecting…').waitFor({ state: 'detached' })
      send({ type: 'media.lost', call_id: 'c1', action: 'rejoin' })
      await page.getByText('Reconnecting…').first().waitFor()
      await shoot('reconnecting')
    },
  },
  {
    name: 'broken-call',
    shots: ['broken-call'],
    options: { call: callOf(crowd(2)), breaks: true },
    play: async ({ page, shoot }) => {
      await page.route('**/assets/CallPage*', (route) => route.abort())
      await page.goto('/call/c1')
      await page.getByRole('heading', { name: 'Something went wrong' }).waitFor()
      await shoot('broken-call')
    },
  },
  ...['de', 'fr'].map((locale) => ({
    name: `call-${locale}`,
    shots: [`call-${locale}`, `call-menu-${locale}`, `call-paused-${locale}`, `call-people-${locale}`],
    options: { locale, call: callOf(crowd(3)), messages: TALK },
    play: async ({ page, enter, stir, shoot }) => {
      const de = locale === 'de'
      await enter()
      await stir()
      await page.getByRole('button', { name: de ? 'Chat' : 'Discussion', exact: true }).click()
      await page.getByText('I can.').waitFor()
      await shoot(`call-${locale}`)
      await page.getByRole('button', { name: de ? 'Personen hinzufügen' : 'Ajouter des personnes' }).click()
      await page.getByText('Gustav Berg').waitFor()
      await shoot(`call-people-${locale}`)
      await page.keyboard.press('Escape')
      await page.getByRole('button', { name: de ? 'Mehr' : 'Plus', exact: true }).click()
      await page.getByRole('menu').waitFor()
      await shoot(`call-menu-${locale}`)
      await page.keyboard.press('Escape')
      await page.getByRole('button', { name: de ? /pausieren/i : /pause/i }).click()
      await page.waitForTimeout(400)
      await shoot(`call-paused-${locale}`)
    },
  })),
]

export const SCREENS = [...signedOut, ...home, ...ringing, ...inCall].map((screen) => ({
  ...screen,
  looks: screen.looks ?? ['wide', 'phone'],
  options: screen.options ?? {},
}))

/** Plays a scene in one window; `seen(stage, shot)` is called at each of its pictures. Gives what went wrong. */
export async function play(theatre, screen, lookName, seen, more = {}) {
  const wrong = []
  const missed = new Set(screen.shots)
  const stage = await theatre.visit(LOOKS[lookName], { ...screen.options, ...more })
  try {
    await screen.play({
      ...stage,
      look: lookName,
      shoot: async (shot) => {
        if (!missed.delete(shot)) throw new Error(`"${shot}" is not announced, or comes twice`)
        await seen(stage, shot)
      },
    })
  } catch (error) {
    wrong.push(`${screen.name} (${lookName}): ${error.message.slice(0, 800)}`)
    await seen(stage, `FAILED-${screen.name}`).catch(() => undefined)
  }
  for (const shot of missed) wrong.push(`${shot} (${lookName}): was not reached`)
  for (const line of stage.complaints) wrong.push(`${screen.name} (${lookName}): ${line}`)
  await stage.close()
  return wrong
}

/** Several at a time: most of a scene is waiting. */
export async function together(tasks, width = 3) {
  const queue = [...tasks]
  const results = []
  const worker = async () => {
    for (let task = queue.shift(); task; task = queue.shift()) results.push(...(await task()))
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}
