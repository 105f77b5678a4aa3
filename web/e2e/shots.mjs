/* Pictures of every screen of the built page, with a server played by this script: `npm run shots [folder]`.
 *
 * The far end of a call is a second RTCPeerConnection in the page, so what is seen is real media. The page comes
 * with the content security policy it is meant for; any violation or console error fails the run. */
import { createReadStream, existsSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import AxeBuilder from '@axe-core/playwright'
import { chromium } from '@playwright/test'

const DIST = fileURLToPath(new URL('../dist', import.meta.url))
const OUT = process.argv[2] ?? fileURLToPath(new URL('../test-results/shots', import.meta.url))
const ONLY = process.argv[3]
mkdirSync(OUT, { recursive: true })

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; media-src 'self' blob:; font-src 'self'; manifest-src 'self'"
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
}

const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname
  const file = join(DIST, path)
  const found = extname(path) !== '' && existsSync(file) ? file : join(DIST, 'index.html')
  response.writeHead(200, {
    'Content-Type': TYPES[extname(found)] ?? 'text/plain',
    'Content-Security-Policy': CSP,
  })
  createReadStream(found).pipe(response)
})
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const BASE = `http://localhost:${server.address().port}`

const user = (id, username, display_name) => ({ id, username, display_name, avatar_url: null })
const me = { ...user('101', 'ana', 'Ana Ferreira'), status: 'available' }
const bela = user('102', 'bela', 'Bela Kovács')
const chidi = user('103', 'chidi', 'Chidi Okafor')
const dora = user('104', 'dora', 'Dora Lindqvist')
const emil = user('105', 'emil.s', 'Emil Sørensen')
const contact = (who, state, presence, more) => ({
  user: who,
  state,
  presence,
  favourite: false,
  nickname: null,
  last_call_at: null,
  ...more,
})
const CONTACTS = [
  contact(bela, 'accepted', 'online', { favourite: true }),
  contact(chidi, 'accepted', 'busy'),
  contact(dora, 'accepted', 'away'),
  contact(emil, 'accepted', 'offline'),
  contact(user('106', 'fatima', 'Fatima Zahra El Idrissi'), 'accepted', 'online'),
]
const REQUESTS = [
  contact(user('107', 'gustav', 'Gustav Berg'), 'incoming', 'offline'),
  contact(user('108', 'hana', 'Hana Sato'), 'outgoing', 'offline'),
]
const member = (who, state, muted = {}) => ({
  user: who,
  state,
  muted: { audio: false, video: false, ...muted },
  sharing: false,
  hand: false,
})
const call = (more) => ({
  id: 'c1',
  version: 1,
  state: 'ringing',
  video: true,
  locked: false,
  started_by: me.id,
  created_at: new Date().toISOString(),
  answered_at: null,
  ended_at: null,
  end_reason: null,
  messages: 0,
  members: [member(me, 'joined'), member(bela, 'ringing')],
  ...more,
})
const past = (id, minutesAgo, by, other, reason, lasted = 0) =>
  call({
    id,
    state: 'ended',
    started_by: by.id,
    created_at: new Date(Date.now() - minutesAgo * 60_000).toISOString(),
    ended_at: new Date(Date.now() - (minutesAgo - lasted) * 60_000).toISOString(),
    end_reason: reason,
    messages: lasted > 20 ? 3 : 0,
    members: [member(me, 'left'), member(other, 'left')],
  })
const written = (seq, who, text) => ({
  id: `m${seq}`,
  call_id: 'h6',
  seq,
  user_id: who.id,
  text,
  created_at: new Date(Date.now() - 30_000_000 + seq * 60_000).toISOString(),
})
const MESSAGES = [
  written(1, bela, 'The slides: https://example.org/slides'),
  written(2, me, 'Thank you! Number four is the one to show on Tuesday.'),
  written(3, bela, 'Agreed.'),
]
const signIn = (id, user_agent, hoursAgo, current = false) => ({
  id,
  user_agent,
  current,
  created_at: new Date(Date.now() - 9e8).toISOString(),
  last_seen_at: new Date(Date.now() - hoursAgo * 3_600_000).toISOString(),
  expires_at: new Date(Date.now() + 9e8).toISOString(),
})
const SIGN_INS = [
  signIn('s1', 'Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0', 0, true),
  signIn(
    's2',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1',
    30,
  ),
  signIn('s3', 'Mozilla/5.0 (Windows NT 10.0) Chrome/156.0.0.0 Safari/537.36', 300),
]
const HISTORY = [
  past('h1', 34, bela, bela, 'timeout'),
  past('h2', 150, me, chidi, 'hangup', 12),
  past('h3', 1600, dora, dora, 'hangup', 47),
  past('h4', 3000, me, bela, 'declined'),
  past('h5', 4700, me, emil, 'busy'),
  past('h6', 30000, bela, bela, 'hangup', 75),
]

/** In the page: the far end, with a moving picture. */
function farEnd() {
  window.__answer = async (sdp) => {
    const pc = new RTCPeerConnection()
    const canvas = document.createElement('canvas')
    canvas.width = 640
    canvas.height = 360
    const draw = canvas.getContext('2d')
    let t = 0
    setInterval(() => {
      t += 0.05
      const sky = draw.createLinearGradient(0, 0, 640, 360)
      sky.addColorStop(0, '#8fb3a4')
      sky.addColorStop(1, '#d9b98c')
      draw.fillStyle = sky
      draw.fillRect(0, 0, 640, 360)
      draw.fillStyle = '#6b4b3e'
      draw.beginPath()
      draw.ellipse(320 + Math.sin(t) * 8, 330, 150, 120, 0, 0, 7)
      draw.fill()
      draw.fillStyle = '#e0b091'
      draw.beginPath()
      draw.ellipse(320 + Math.sin(t) * 8, 165, 68, 84, 0, 0, 7)
      draw.fill()
    }, 40)
    await pc.setRemoteDescription({ type: 'offer', sdp })
    const track = canvas.captureStream(25).getVideoTracks()[0]
    const stream = new MediaStream([track])
    const line = pc.getTransceivers().find((one) => one.receiver.track.kind === 'video')
    line.direction = 'sendrecv'
    line.sender.setStreams(stream)
    await line.sender.replaceTrack(track)
    pc.getTransceivers().find((one) => one.receiver.track.kind === 'audio').direction = 'sendrecv'
    await pc.setLocalDescription(await pc.createAnswer())
    await new Promise((done) => {
      if (pc.iceGatheringState === 'complete') done()
      pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && done())
    })
    window.__far = pc
    return pc.localDescription.sdp
  }
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    '--allow-loopback-in-peer-connection',
    '--autoplay-policy=no-user-gesture-required',
  ],
})
const problems = []

/** One page with its own played server. */
async function scene(name, look, options, play) {
  if (ONLY && !name.includes(ONLY)) return
  const context = await browser.newContext({
    viewport: look.viewport,
    colorScheme: look.theme,
    deviceScaleFactor: 1,
    hasTouch: look.viewport.width < 500,
    isMobile: look.viewport.width < 500,
    permissions: ['camera', 'microphone'],
    locale: options.locale ?? 'en-GB',
  })
  const page = await context.newPage()
  page.on('console', (message) => {
    const text = message.text()
    const expected = /status of (401|403|409|422|503)|ERR_/.test(text) || options.expectErrors
    if (message.type() === 'error' && !expected) problems.push(`${name}: ${text}`)
  })
  page.on('pageerror', (error) => problems.push(`${name}: ${error.stack}`))
  await page.addInitScript(farEnd)
  if (options.init) await page.addInitScript(options.init)
  const world = { signedIn: true, contacts: CONTACTS, calls: [], history: HISTORY, socket: null, ...options }
  const send = (event) => world.socket?.send(JSON.stringify(event))
  await page.routeWebSocket('**/api/v1/events', (socket) => {
    if (world.refuse) return void socket.close()
    world.socket = socket
    socket.onMessage(() => send({ type: 'pong' }))
    if (!world.mute) {
      const { contacts, calls } = world
      send({ type: 'hello', me, contacts, calls, server: { version: '0.1.0' } })
    }
  })
  await page.route('**/api/v1/**', async (route) => {
    const request = route.request()
    const path = new URL(request.url()).pathname.replace('/api/v1', '')
    const json = (status, body) =>
      route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(body) })
    const problem = (status, code, detail, more) =>
      route.fulfill({
        status,
        contentType: 'application/problem+json',
        body: JSON.stringify({ type: 'about:blank', title: code, status, code, detail, ...more }),
      })
    const method = request.method()
    if (path === '/sessions/current') return json(200, { user: world.signedIn ? me : null })
    if (path === '/server')
      return json(200, { server: { version: '0.1.0', signups: world.signups ?? 'open', password_min: 15 } })
    if (path === '/me' && method === 'PATCH')
      return json(200, { user: { ...me, ...JSON.parse(request.postData()) } })
    if (path === '/me/password') return problem(403, 'wrong_password', 'No.')
    if (path === '/me/avatar') return json(200, { user: { ...me, avatar_url: `${BASE}/favicon.svg` } })
    if (path === '/sessions' && method === 'GET')
      return world.devicesPending ? undefined : json(200, { items: SIGN_INS, next: null })
    if (path === '/sessions') return problem(401, 'bad_credentials', 'No.')
    if (path.endsWith('/messages')) return json(200, { items: MESSAGES, next: null })
    if (path.startsWith('/contacts/')) {
      const known = world.contacts.find((one) => path.endsWith(`/${one.user.id}`))
      const change = method === 'PATCH' ? JSON.parse(request.postData()) : {}
      const { blocked, ...rest } = change
      return json(200, { contact: { ...known, ...rest, ...(blocked ? { state: 'blocked' } : {}) } })
    }
    if (path === '/accounts')
      return problem(422, 'invalid_field', 'A password has at least 15 characters.', { field: 'password' })
    if (path === '/users')
      return json(200, { items: [bela, chidi, user('109', 'belinda', 'Belinda Hart')], next: null })
    if (path === '/ice-servers') return json(200, { items: [], next: null })
    if (path === '/calls' && request.method() === 'GET') {
      if (world.historyPending) return undefined
      return json(200, { items: world.history, next: null })
    }
    if (path === '/calls') return json(201, { call: (world.call = call()) })
    if (path.endsWith('/media')) {
      const answer = await page.evaluate((sdp) => window.__answer(sdp), request.postData())
      return route.fulfill({
        status: 201,
        contentType: 'application/sdp',
        headers: { Location: '/api/v1/calls/c1/media/m1' },
        body: answer,
      })
    }
    if (path.endsWith('/answer')) return json(200, { call: (world.call = world.answered) })
    if (path.endsWith('/members/me')) {
      world.call = { ...world.call, version: world.call.version + 1 }
      return json(200, { call: world.call })
    }
    if (path.startsWith('/calls/')) {
      world.call = { ...world.call, version: 99, state: 'ended', end_reason: 'hangup' }
      return json(200, { call: world.call })
    }
    return problem(404, 'not_found', path)
  })
  const shoot = async (label = name) => {
    await page.evaluate(() => document.fonts.ready)
    await page.waitForTimeout(350)
    const file = `${label}-${look.name}`
    await page.screenshot({ path: join(OUT, `${file}.png`) })
    const axe = await new AxeBuilder({ page })
      .withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'])
      .analyze()
    for (const found of axe.violations)
      problems.push(
        `${file}: axe ${found.id}: ${found.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`,
      )
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (wide > 0) problems.push(`${file}: ${wide} px wider than the window`)
  }
  try {
    await play({ page, world, send, shoot })
  } catch (error) {
    problems.push(`${name}-${look.name}: ${error.message}`)
    await page.screenshot({ path: join(OUT, `FAILED-${name}-${look.name}.png`) })
  }
  await context.close()
}

const LOOKS = [
  { name: 'wide-light', viewport: { width: 1280, height: 800 }, theme: 'light' },
  { name: 'wide-dark', viewport: { width: 1280, height: 800 }, theme: 'dark' },
  { name: 'phone-light', viewport: { width: 390, height: 844 }, theme: 'light' },
  { name: 'phone-dark', viewport: { width: 390, height: 844 }, theme: 'dark' },
]

const button = (page, name) => page.getByRole('button', { name, exact: true })
const active = (more) =>
  call({ version: 3, state: 'active', members: [member(me, 'joined'), member(bela, 'joined')], ...more })
const seats = (state) => ({
  type: 'seats',
  call_id: 'c1',
  seats: [
    { mid: '0', member: bela.id, kind: 'microphone', state },
    { mid: '1', member: bela.id, kind: 'camera', state },
  ],
})
async function connect({ page, world, send }) {
  await button(page, 'Video call Bela Kovács').click()
  await page.getByRole('status').getByText('Calling…').waitFor()
  await page.waitForFunction(() => window.__far?.connectionState === 'connected')
  world.call = active()
  send(seats('waiting'))
  send({ type: 'call.updated', call_id: 'c1', version: 3, call: world.call })
  await page.getByRole('figure', { name: 'Bela Kovács', exact: true }).waitFor()
  send(seats('live'))
  await page.waitForFunction(() => {
    const video = document.querySelector('figure[aria-label="Bela Kovács"] video')
    return video.videoWidth > 0 && !video.paused
  })
}

/** The remote picture moves. */
async function framesRise(page) {
  const frames = () =>
    page.evaluate(
      () =>
        document.querySelector('figure[aria-label="Bela Kovács"] video').getVideoPlaybackQuality()
          .totalVideoFrames,
    )
  const before = await frames()
  for (let n = 0; n < 50; n++) {
    await page.waitForTimeout(100)
    if ((await frames()) > before + 3) return
  }
  throw new Error('the remote picture does not move')
}

/** The far end gets more of what we send. */
async function received(page, kind) {
  const bytes = () =>
    page.evaluate(async (wanted) => {
      let sum = 0
      const stats = await window.__far.getStats()
      stats.forEach((entry) => {
        if (entry.type === 'inbound-rtp' && entry.kind === wanted)
          sum += entry.framesDecoded ?? entry.packetsReceived
      })
      return sum
    }, kind)
  const before = await bytes()
  await page.waitForTimeout(1000)
  if ((await bytes()) <= before) throw new Error(`the far end gets no ${kind}`)
}

for (const look of LOOKS) {
  await scene('sign-in', look, { signedIn: false }, async ({ page, shoot }) => {
    await page.goto(BASE)
    await page.getByRole('textbox', { name: 'Username', exact: true }).fill('ana')
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill('wrong')
    await button(page, 'Sign in').click()
    await page.getByRole('alert').waitFor()
    await shoot()
  })
  await scene('sign-up', look, { signedIn: false }, async ({ page, shoot }) => {
    await page.goto(BASE)
    await page.getByRole('link', { name: 'Create account', exact: true }).click()
    await shoot()
    await page.getByRole('textbox', { name: 'Display name', exact: true }).fill('Ana')
    await button(page, 'Create account').click()
    await page.getByRole('alert').waitFor()
    await shoot('sign-up-error')
  })
  await scene('home-loading', look, { mute: true, historyPending: true }, async ({ page, shoot }) => {
    await page.goto(BASE)
    await button(page, 'Account menu').waitFor()
    await shoot()
  })
  await scene('home-empty', look, { contacts: [], history: [] }, async ({ page, shoot }) => {
    await page.goto(BASE)
    await page.getByText('Nobody here yet').waitFor()
    await shoot()
  })
  await scene('home', look, { contacts: [...REQUESTS, ...CONTACTS] }, async ({ page, shoot }) => {
    await page.goto(BASE)
    await button(page, 'Accept').waitFor()
    await shoot()
    await button(page, 'Account menu').click()
    await shoot('home-menu')
    await page.keyboard.press('Escape')
    await button(page, 'Add contact').click()
    await shoot('add-contact-start')
    await page.getByRole('searchbox', { name: 'Search people', exact: true }).fill('bel')
    await button(page, 'Add Belinda Hart').waitFor()
    await shoot('add-contact')
  })
  await scene('person', look, {}, async ({ page, shoot }) => {
    await page.goto(BASE)
    await page.getByRole('link', { name: /Bela/ }).click()
    await button(page, 'Start video call').waitFor()
    await shoot()
    await button(page, '3 messages').click()
    await page.getByText('Agreed.').waitFor()
    await shoot('person-chat')
    await button(page, 'Give a nickname').click()
    await shoot('person-nickname')
    await page.keyboard.press('Escape')
    await button(page, 'Block').click()
    await shoot('person-block')
    await page.keyboard.press('Escape')
    await button(page, 'Remove contact').click()
    await shoot('person-remove')
  })
  await scene(
    'select',
    look,
    { contacts: [...CONTACTS, contact(user('110', 'spam', 'Spam Merchant'), 'blocked', 'offline')] },
    async ({ page, shoot }) => {
      await page.goto(BASE)
      await page.getByRole('checkbox', { name: 'Select Bela Kovács', exact: true }).check()
      await page.getByRole('checkbox', { name: 'Select Dora Lindqvist', exact: true }).check()
      await page.getByRole('checkbox', { name: 'Select Chidi Okafor', exact: true }).check()
      await page.getByText('Call 3 people').waitFor()
      await shoot()
      await button(page, 'Clear selection').click()
      await page.getByText('1 person blocked').click()
      await button(page, 'Unblock Spam Merchant').waitFor()
      await shoot('blocked')
    },
  )
  await scene('device-check', look, {}, async ({ page, shoot }) => {
    await page.goto(BASE)
    await button(page, 'Check camera and microphone').click()
    await page.getByText('Your microphone works.').waitFor()
    await page.getByLabel('Your camera').scrollIntoViewIfNeeded()
    await shoot()
  })
  await scene(
    'welcome',
    look,
    { contacts: [], history: [], init: () => localStorage.setItem('parley.welcome.101', 'open') },
    async ({ page, shoot }) => {
      await page.goto(BASE)
      await button(page, 'Next').waitFor()
      await shoot('welcome-1')
      await button(page, 'Next').click()
      await button(page, 'Check camera and microphone').click()
      await page.getByText('Your microphone works.').waitFor()
      await shoot('welcome-2')
      await button(page, 'Next').click()
      await button(page, 'Search by name').waitFor()
      await shoot('welcome-3')
      await button(page, 'Done').click()
      await button(page, 'Check camera and microphone').waitFor()
    },
  )
  await scene('settings', look, {}, async ({ page, shoot }) => {
    await page.goto(`${BASE}/settings`)
    await page.getByText('Firefox on Linux').waitFor()
    await shoot('settings-top')
    await page.screenshot({ path: join(OUT, `settings-${look.name}.png`), fullPage: true })
    await page.getByLabel('Current password', { exact: true }).fill('wrong')
    await page.getByLabel('New password', { exact: true }).fill('a short swim in the lake')
    await button(page, 'Change password').click()
    await page.getByRole('alert').waitFor()
    await shoot('settings-password')
    await button(page, 'Delete account…').click()
    await shoot('settings-delete')
  })
  for (const locale of ['de', 'fr']) {
    await scene(
      `home-${locale}`,
      look,
      { locale, contacts: [...REQUESTS, ...CONTACTS] },
      async ({ page, shoot }) => {
        await page.goto(BASE)
        await page.getByRole('link', { name: /Bela/ }).waitFor()
        await shoot()
        await page.goto(`${BASE}/settings`)
        await page.getByText(/Firefox (unter|sur) Linux/).waitFor()
        await page.waitForTimeout(300)
        await page.screenshot({ path: join(OUT, `settings-${locale}-${look.name}.png`), fullPage: true })
        await page.goto(`${BASE}/people/102`)
        await shoot(`person-${locale}`)
      },
    )
  }
  await scene('invite', look, { signedIn: false, signups: 'invite' }, async ({ page, shoot }) => {
    await page.goto(`${BASE}/sign-up`)
    await page.getByRole('textbox', { name: 'Invitation', exact: true }).waitFor()
    await shoot()
  })
  await scene('lost', look, { expectErrors: true }, async ({ page, world, shoot }) => {
    await page.goto(BASE)
    await button(page, 'Video call Bela Kovács').waitFor()
    world.refuse = true
    world.socket.close()
    await page.getByText('Connection lost, reconnecting…').waitFor()
    await shoot()
  })
  await scene('incoming', look, {}, async ({ page, send, shoot }) => {
    await page.goto(BASE)
    await button(page, 'Video call Bela Kovács').waitFor()
    const ringing = call({ started_by: bela.id, members: [member(bela, 'joined'), member(me, 'ringing')] })
    send({ type: 'call.ringing', call_id: 'c1', version: 1, call: ringing })
    await page.getByRole('dialog', { name: 'Incoming call', exact: true }).waitFor()
    await shoot()
    for (let n = 0; n < 3; n++) await page.keyboard.press('Escape')
    await page.mouse.click(5, 5)
    for (let n = 0; n < 3; n++) await page.keyboard.press('Escape')
    if (!(await page.evaluate(() => document.querySelector('dialog').matches(':modal'))))
      throw new Error('Escape closed the incoming call')
    const gone = { ...ringing, version: 2, state: 'ended', end_reason: 'cancelled' }
    send({ type: 'call.cancelled', call_id: 'c1', version: 2, call: gone })
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  })
  await scene('call', look, {}, async (stage) => {
    const { page, world, send, shoot } = stage
    await page.goto(BASE)
    await button(page, 'Video call Bela Kovács').click()
    await page.waitForFunction(() => window.__far?.connectionState === 'connected')
    await shoot('calling')
    world.call = active()
    send(seats('waiting'))
    send({ type: 'call.updated', call_id: 'c1', version: 3, call: world.call })
    await page.getByRole('figure', { name: 'Bela Kovács', exact: true }).waitFor()
    await shoot('call-connecting')
    send(seats('live'))
    await page.waitForTimeout(600)
    await shoot()
    await page.mouse.move(200, 200)
    await page.mouse.move(210, 210)
    await button(page, 'Mute microphone').click()
    await button(page, 'Turn camera off').click()
    await button(page, 'Turn camera on').waitFor()
    await button(page, 'Unmute microphone').waitFor()
    world.call = {
      ...world.call,
      version: world.call.version + 1,
      members: [
        member(me, 'joined', { audio: true, video: true }),
        member(bela, 'joined', { audio: true, video: true }),
      ],
    }
    send({ type: 'call.updated', call_id: 'c1', version: world.call.version, call: world.call })
    await shoot('call-muted')
    world.call = {
      ...world.call,
      version: world.call.version + 1,
      members: [member(me, 'joined'), member(bela, 'reconnecting')],
    }
    send({ type: 'call.updated', call_id: 'c1', version: world.call.version, call: world.call })
    await shoot('call-reconnecting')
    world.call = { ...world.call, version: world.call.version + 1, state: 'ended', end_reason: 'hangup' }
    send({ type: 'call.ended', call_id: 'c1', version: world.call.version, call: world.call })
    await page.getByText('Bela Kovács left the call').waitFor()
    await shoot('ended')
  })
  await scene('declined', look, {}, async ({ page, world, send, shoot }) => {
    await page.goto(BASE)
    await button(page, 'Audio call Bela Kovács').click()
    await page.getByRole('toolbar', { name: 'Call controls', exact: true }).waitFor()
    await page.waitForFunction(() => window.__far)
    world.call = call({ version: 9, state: 'ended', end_reason: 'declined' })
    send({ type: 'call.ended', call_id: 'c1', version: 9, call: world.call })
    await page.getByText('Bela Kovács declined').waitFor()
    await shoot()
  })
  await scene(
    'refused',
    look,
    {
      init: () => {
        navigator.mediaDevices.getUserMedia = ({ video }) =>
          Promise.reject(new DOMException('no', video ? 'NotAllowedError' : 'NotFoundError'))
      },
    },
    async (stage) => {
      await stage.page.goto(BASE)
      await button(stage.page, 'Video call Bela Kovács').click()
      await stage.page.getByRole('alert').waitFor()
      await stage.shoot()
    },
  )
  await scene('return', look, { calls: [active()] }, async (stage) => {
    const { page, world, send, shoot } = stage
    world.call = active()
    await page.goto(BASE)
    await button(page, 'Return to call').waitFor()
    await shoot()
    await page.goto(`${BASE}/call/c1`)
    await page.waitForFunction(() => window.__far?.connectionState === 'connected')
    send(seats('live'))
    await page.getByRole('figure', { name: 'Bela Kovács', exact: true }).waitFor()
  })
}

// A phone on its side.
const SIDEWAYS = { name: 'landscape', viewport: { width: 844, height: 390 }, theme: 'light' }
await scene('sideways', SIDEWAYS, { contacts: [...REQUESTS, ...CONTACTS] }, async ({ page, send, shoot }) => {
  await page.goto(BASE)
  await button(page, 'Video call Bela Kovács').waitFor()
  await shoot('home')
  const ringing = call({ started_by: bela.id, members: [member(bela, 'joined'), member(me, 'ringing')] })
  send({ type: 'call.ringing', call_id: 'c1', version: 1, call: ringing })
  await button(page, 'Answer').waitFor()
  await shoot('incoming')
})

// A second call while one is on.
for (const look of LOOKS)
  await scene('waiting', look, {}, async (stage) => {
    const { page, world, send, shoot } = stage
    await page.goto(BASE)
    await connect(stage)
    const members = [member(chidi, 'joined'), member(me, 'ringing')]
    const second = call({ id: 'c2', started_by: chidi.id, members })
    send({ type: 'call.ringing', call_id: 'c2', version: 1, call: second })
    await page.getByText('Answering pauses your call with Bela Kovács.').waitFor()
    await shoot('waiting')
    world.answered = active({
      id: 'c2',
      started_by: chidi.id,
      members: [member(me, 'joined'), member(chidi, 'joined')],
    })
    await button(page, 'Answer').click()
    await button(page, 'Switch').waitFor()
    await shoot('held')
  })

// Behaviour that only a real browser shows.
await scene('rejoin', LOOKS[0], {}, async (stage) => {
  const { page, send } = stage
  await page.goto(BASE)
  await connect(stage)
  await page.evaluate(() => {
    window.__old = window.__far
    window.__far.close()
  })
  const began = Date.now()
  send({ type: 'media.lost', call_id: 'c1', action: 'rejoin' })
  await page.waitForFunction(
    () => window.__far !== window.__old && window.__far.connectionState === 'connected',
  )
  send(seats('live'))
  await page.waitForFunction(() => !document.body.innerText.includes('Reconnecting'))
  await framesRise(page)
  console.log(`rejoin after media.lost, to moving picture: ${Date.now() - began} ms`)
  await button(page, 'Turn camera off').click()
  await button(page, 'Turn camera on').click()
  await button(page, 'Turn camera off').waitFor()
  await page.waitForTimeout(500)
  await received(page, 'video')
  await page.keyboard.press('m')
  await button(page, 'Unmute microphone').waitFor()
  await page.goBack()
  await button(page, 'Return to call').click()
  await page.getByRole('figure', { name: 'Bela Kovács', exact: true }).waitFor()
  await button(page, 'Leave call').click()
  await page.getByText('You left the call').waitFor()
})
await scene('answer', LOOKS[0], {}, async (stage) => {
  const { page, world, send } = stage
  world.answered = active({ started_by: bela.id })
  await page.goto(BASE)
  await button(page, 'Account menu').waitFor()
  const ringing = call({ started_by: bela.id, members: [member(bela, 'joined'), member(me, 'ringing')] })
  send({ type: 'call.ringing', call_id: 'c1', version: 1, call: ringing })
  await button(page, 'Answer').click()
  const began = Date.now()
  await page.waitForFunction(() => window.__far?.connectionState === 'connected')
  console.log(`answer to connected: ${Date.now() - began} ms`)
})

await browser.close()
server.close()
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exit(1)
}
console.log(`pictures in ${OUT}`)
