/* Pictures of the call: several people, screens, panels, menus, with a server played by this script.
 * `node e2e/call.mjs [folder] [scene]`; PARLEY_DIST names another build.
 *
 * The far end is a second RTCPeerConnection in the page that sends a moving picture of its own colour on every
 * seat. The content security policy is the real one; any console error, axe finding or overflow fails the run. */
import { createReadStream, existsSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import AxeBuilder from '@axe-core/playwright'
import { chromium } from '@playwright/test'

const DIST = process.env.PARLEY_DIST ?? fileURLToPath(new URL('../dist', import.meta.url))
const OUT = process.argv[2] ?? fileURLToPath(new URL('../test-results/call', import.meta.url))
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

const NAMES = [
  'Ana Ferreira',
  'Bela Kovács',
  'Chidi Okafor',
  'Dora Lindqvist',
  'Emil Sørensen',
  'Fatima Zahra El Idrissi',
  'Gustav Berg',
  'Hana Sato',
  'Ivo Marić',
  'Jun Park',
  'Kira Novak',
  'Leo Rossi',
]
const people = NAMES.map((display_name, n) => ({
  id: String(101 + n),
  username: display_name.split(' ')[0].toLowerCase(),
  display_name,
  avatar_url: null,
}))
const [me, bela, chidi] = people
const presence = ['online', 'busy', 'away', 'offline']
const contacts = people.slice(1).map((user, n) => ({
  user,
  state: 'accepted',
  presence: presence[n % 4],
  favourite: false,
  nickname: null,
  last_call_at: null,
}))
const member = (user, state = 'joined', more = {}) => ({
  user,
  state,
  muted: { audio: false, video: false },
  sharing: false,
  hand: false,
  ...more,
})
const callOf = (members, more = {}) => ({
  id: 'c1',
  version: 3,
  state: 'active',
  video: true,
  locked: false,
  started_by: me.id,
  created_at: new Date(Date.now() - 125_000).toISOString(),
  answered_at: new Date(Date.now() - 120_000).toISOString(),
  ended_at: null,
  end_reason: null,
  messages: 0,
  members,
  ...more,
})
/** The n-th other person sits on the n-th pair; a screen on the last. */
const midsOf = (n) => (n === 0 ? ['0', '1'] : [String(2 + 2 * n), String(3 + 2 * n)])
function seatsOf(call, state = 'live') {
  const seats = []
  call.members
    .filter(({ user, state: is }) => user.id !== me.id && ['joined', 'paused'].includes(is))
    .slice(0, 8)
    .forEach(({ user }, n) => {
      const [audio, video] = midsOf(n)
      seats.push({ mid: audio, member: user.id, kind: 'microphone', state })
      seats.push({ mid: video, member: user.id, kind: 'camera', state })
    })
  const sharer = call.members.find(({ sharing, user }) => sharing && user.id !== me.id)
  if (sharer) {
    const [audio, video] = midsOf(8)
    seats.push({ mid: audio, member: sharer.user.id, kind: 'screen_audio', state })
    seats.push({ mid: video, member: sharer.user.id, kind: 'screen', state })
  }
  return { type: 'seats', call_id: 'c1', seats }
}
const message = (seq, user, text) => ({
  id: `m${seq}`,
  call_id: 'c1',
  seq,
  user_id: user.id,
  text,
  created_at: new Date(Date.now() - (20 - seq) * 20_000).toISOString(),
})

/** In the page: a server that sends a face on every seat, and a page of text on the last. */
function farEnd() {
  const faces = (n) => {
    const canvas = document.createElement('canvas')
    canvas.width = n === 9 ? 1280 : 320
    canvas.height = n === 9 ? 720 : 180
    const draw = canvas.getContext('2d')
    let t = n
    const paint = () => {
      t += 0.1
      if (n === 9) {
        draw.fillStyle = '#fff'
        draw.fillRect(0, 0, 1280, 720)
        draw.fillStyle = '#222'
        draw.font = '28px sans-serif'
        for (let line = 0; line < 16; line++)
          draw.fillText(
            `${line + 1}  a shared page of small text, line by line ${'·'.repeat(line)}`,
            60,
            60 + line * 40,
          )
        draw.fillStyle = '#2c7a4b'
        draw.fillRect(1100, 640 + Math.sin(t) * 10, 60, 20)
        return
      }
      const hue = (n * 47) % 360
      draw.fillStyle = `hsl(${hue} 30% 55%)`
      draw.fillRect(0, 0, 320, 180)
      draw.fillStyle = `hsl(${hue + 180} 25% 30%)`
      draw.beginPath()
      draw.ellipse(160 + Math.sin(t) * 4, 170, 75, 60, 0, 0, 7)
      draw.fill()
      draw.fillStyle = '#d9a98a'
      draw.beginPath()
      draw.ellipse(160 + Math.sin(t) * 4, 82, 34, 42, 0, 0, 7)
      draw.fill()
    }
    paint()
    setInterval(paint, 150)
    return canvas.captureStream(7).getVideoTracks()[0]
  }
  window.__seats = 0
  window.__answer = async (sdp) => {
    const pc = new RTCPeerConnection()
    await pc.setRemoteDescription({ type: 'offer', sdp })
    window.__offerBytes = sdp.length
    let video = 0
    for (const line of pc.getTransceivers()) {
      const offered = new RegExp(`a=mid:${line.mid}\\r\\n[^]*?a=(sendrecv|sendonly|recvonly)`).exec(sdp)?.[1]
      if (offered === 'sendonly') continue
      line.direction = offered === 'recvonly' ? 'sendonly' : 'sendrecv'
      if (line.receiver.track.kind !== 'video') continue
      const track = faces(++video)
      line.sender.setStreams(new MediaStream([track]))
      await line.sender.replaceTrack(track)
    }
    window.__seats = video
    await pc.setLocalDescription(await pc.createAnswer())
    await new Promise((done) => {
      if (pc.iceGatheringState === 'complete') done()
      pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && done())
    })
    window.__far = pc
    return pc.localDescription.sdp
  }
  /** What the far end gets of one of our m-lines: frames or packets within a second. */
  window.__gets = async (mid) => {
    const count = async () => {
      let sum = 0
      for (const one of (await window.__far.getStats()).values())
        if (one.type === 'inbound-rtp' && one.mid === mid) sum += one.framesDecoded ?? one.packetsReceived
      return sum
    }
    const before = await count()
    await new Promise((done) => setTimeout(done, 1200))
    return (await count()) - before
  }
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--use-fake-device-for-media-stream=device-count=2',
    '--use-fake-ui-for-media-stream',
    '--allow-loopback-in-peer-connection',
    '--autoplay-policy=no-user-gesture-required',
  ],
})
const problems = []
const check = (truth, what) => {
  if (!truth) throw new Error(what)
}

async function scene(name, look, members, play, options = {}) {
  if (ONLY && !name.includes(ONLY)) return
  const phone = look.viewport.width < 500 || look.viewport.height < 500
  const context = await browser.newContext({
    viewport: look.viewport,
    colorScheme: look.theme,
    hasTouch: phone,
    isMobile: phone,
    locale: options.locale ?? 'en-GB',
    permissions: ['camera', 'microphone'],
    baseURL: BASE,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  page.on('console', (line) => {
    if (line.type() === 'error' && !/status of (409|422|503)|ERR_/.test(line.text()))
      problems.push(`${name}: ${line.text()}`)
  })
  page.on('pageerror', (error) => problems.push(`${name}: ${error.stack}`))
  await page.addInitScript(farEnd)
  const world = {
    call: callOf(members, options.call),
    messages: options.messages ?? [],
    heard: [],
    socket: null,
    asked: [],
    refuse: null,
  }
  const send = (event) => world.socket?.send(JSON.stringify(event))
  const change = (edit) => {
    world.call = { ...world.call, version: world.call.version + 1, ...edit(world.call) }
    send({ type: 'call.updated', call_id: 'c1', version: world.call.version, call: world.call })
    send(seatsOf(world.call))
  }
  const changeMember = (id, edit) =>
    change((call) => ({
      members: call.members.map((one) => (one.user.id === id ? { ...one, ...edit } : one)),
    }))
  await page.routeWebSocket('**/api/v1/events', (socket) => {
    world.socket = socket
    socket.onMessage((text) => {
      const event = JSON.parse(text)
      if (event.type === 'ping') send({ type: 'pong' })
      else world.heard.push(event)
      if (event.type === 'reaction')
        send({ type: 'reaction', call_id: 'c1', user_id: me.id, emoji: event.emoji })
    })
    send({
      type: 'hello',
      me: { ...me, status: 'available' },
      contacts,
      calls: [world.call],
      server: { version: '0.1.0' },
    })
  })
  await page.route('**/api/v1/**', async (route) => {
    const request = route.request()
    const url = new URL(request.url())
    const path = url.pathname.replace('/api/v1', '')
    const method = request.method()
    const json = (status, body) =>
      route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(body) })
    const call = () => json(200, { call: world.call })
    world.asked.push(`${method} ${path}`)
    if (world.refuse?.(method, path)) return route.abort()
    if (path === '/sessions/current' || path === '/me')
      return json(200, { user: { ...me, status: 'available' } })
    if (path === '/server')
      return json(200, { server: { version: '0.1.0', signups: 'open', password_min: 15 } })
    if (path === '/ice-servers' || path === '/calls') return json(200, { items: [], next: null })
    if (path.endsWith('/media')) {
      const answer = await page.evaluate((sdp) => window.__answer(sdp), request.postData())
      return route.fulfill({
        status: 201,
        contentType: 'application/sdp',
        headers: { Location: '/api/v1/calls/c1/media/m1' },
        body: answer,
      })
    }
    if (path.endsWith('/messages') && method === 'GET') {
      const after = Number(url.searchParams.get('after') ?? 0)
      return json(200, { items: world.messages.filter(({ seq }) => seq > after), next: null })
    }
    if (path.endsWith('/messages')) {
      const body = request.postDataJSON()
      let said = world.messages.find(({ id }) => id === body.id)
      if (!said) {
        said = { ...message(world.messages.length + 1, me, body.text), id: body.id }
        world.messages.push(said)
        send({ type: 'message', call_id: 'c1', message: said })
      }
      if (world.loseAnswer) {
        world.loseAnswer = false
        return route.abort()
      }
      return json(201, { message: said })
    }
    const edit = request.postDataJSON() ?? {}
    if (path.endsWith('/members/me')) {
      const { paused, muted, ...rest } = edit
      changeMember(me.id, {
        ...rest,
        ...(muted ? { muted } : {}),
        ...(paused === undefined ? {} : { state: paused ? 'paused' : 'joined' }),
      })
      return call()
    }
    const other = /\/members\/(\d+)$/.exec(path)?.[1]
    if (other && method === 'PATCH') {
      changeMember(other, { muted: { audio: true, video: false } })
      return call()
    }
    if (other) {
      changeMember(other, { state: 'left' })
      return call()
    }
    if (path.endsWith('/invite')) {
      const known = world.call.members.filter(({ user }) => !edit.invite.includes(user.id))
      const added = edit.invite.map((id) =>
        member(
          people.find((one) => one.id === id),
          'ringing',
        ),
      )
      change(() => ({ members: [...known, ...added] }))
      return call()
    }
    if (method === 'PATCH' && path === '/calls/c1') {
      change(() => edit)
      return call()
    }
    if (path.endsWith('/leave') || path.endsWith('/end')) {
      change(() => ({ state: 'ended', end_reason: 'hangup' }))
      return call()
    }
    if (path === '/calls/c1') return call()
    return json(404, { type: 'about:blank', title: '', status: 404, code: 'not_found', detail: path })
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
  const button = (label) => page.getByRole('button', { name: label, exact: true })
  const figure = (label) => page.getByRole('figure', { name: label, exact: true })
  const stir = async () => {
    await page.mouse.move(300, 300)
    await page.mouse.move(310, 310)
  }
  try {
    await page.goto('/call/c1')
    await page.waitForFunction(() => window.__far?.connectionState === 'connected')
    send(seatsOf(world.call))
    const others = world.call.members.filter(({ user, state }) => user !== me && state === 'joined')
    if (others.length > 0) {
      await figure(others[0].user.display_name).waitFor()
      await page.waitForFunction(
        (wanted) => document.querySelector(`figure[aria-label="${wanted}"] video`).videoWidth > 0,
        others[0].user.display_name,
      )
    }
    await play({ page, world, send, change, changeMember, shoot, button, figure, stir })
  } catch (error) {
    problems.push(`${name}-${look.name}: ${error.message}`)
    await page.screenshot({ path: join(OUT, `FAILED-${name}-${look.name}.png`) })
  }
  await context.close()
}

const ALL = [
  { name: 'wide-light', viewport: { width: 1280, height: 800 }, theme: 'light' },
  { name: 'phone-light', viewport: { width: 390, height: 844 }, theme: 'light' },
  { name: 'wide-dark', viewport: { width: 1280, height: 800 }, theme: 'dark' },
  { name: 'phone-dark', viewport: { width: 390, height: 844 }, theme: 'dark' },
]
const LOOKS = process.env.PARLEY_LOOKS ? ALL.slice(0, Number(process.env.PARLEY_LOOKS)) : ALL
const with_ = (n) => people.slice(0, n + 1).map((user) => member(user))

const TALK = [
  message(
    1,
    bela,
    'Good morning! Here is the plan: https://example.org/plan?week=12, tell me what you think.',
  ),
  message(2, me, 'Thank you. Two questions:\n1. who writes the summary?\n2. when?'),
  message(3, chidi, 'I can.'),
  message(4, chidi, 'By Friday.'),
  message(5, bela, '🎉👏'),
]

for (const look of LOOKS) {
  const wide = look.viewport.width > 500
  for (const n of [1, 2, 3, 6])
    await scene(`people-${n + 1}`, look, with_(n), async ({ page, shoot, figure, stir }) => {
      await stir()
      for (const { display_name } of people.slice(0, n + 1)) await figure(display_name).waitFor()
      await page.waitForTimeout(700)
      await shoot()
    })
  await scene('people-12', look, with_(11), async ({ page, shoot, button, stir }) => {
    await stir()
    await page.waitForTimeout(700)
    await shoot()
    await button('Next page').click()
    await shoot('people-12-page-2')
  })
  await scene('speaker', look, with_(4), async ({ page, send, shoot, stir, changeMember }) => {
    await page.keyboard.press('w')
    send({ type: 'speaker', call_id: 'c1', member: people[2].id })
    changeMember(people[3].id, { hand: true })
    changeMember(people[4].id, { muted: { audio: true, video: true } })
    await stir()
    await page.waitForTimeout(700)
    await shoot()
    check(
      (await page.locator('[data-main] figure').getAttribute('aria-label')) === NAMES[2],
      'the speaker has the stage',
    )
  })
  await scene('screen', look, with_(3), async ({ page, changeMember, shoot, figure, stir, button }) => {
    changeMember(bela.id, { sharing: true })
    await figure('Screen of Bela Kovács').waitFor()
    await stir()
    await page.waitForTimeout(900)
    await shoot()
    if (wide) {
      await button('Share screen').click()
      await button('Stop sharing').waitFor()
      await figure('Screen of Ana Ferreira').waitFor()
      await page.waitForTimeout(900)
      await shoot('screen-both')
    }
  })
  await scene('paused', look, with_(2), async ({ page, changeMember, shoot, button, stir }) => {
    changeMember(chidi.id, { state: 'paused' })
    await page.getByText('paused', { exact: true }).first().waitFor()
    await stir()
    await shoot('paused-other')
    await button('Pause call').click()
    await button('Resume call').waitFor()
    await page.getByText('You paused — others cannot see or hear you').waitFor()
    await page.waitForTimeout(400)
    await shoot()
  })
  await scene(
    'chat',
    look,
    with_(2),
    async ({ page, world, send, shoot, button, stir }) => {
      await stir()
      await button('Chat').click()
      await page.getByRole('textbox', { name: 'Message', exact: true }).fill('I will read it now 🙂')
      await button('Send').click()
      await page.getByRole('list', { name: 'Messages' }).getByText('I will read it now').waitFor()
      send({ type: 'typing', call_id: 'c1', user_id: bela.id })
      await page.getByText('Bela Kovács is writing…').waitFor()
      check(
        world.heard.some(({ type }) => type === 'typing'),
        'others hear that one writes',
      )
      await shoot()
      await page.getByRole('button', { name: 'Close panel', exact: true }).click()
      const next = message(7, bela, 'See you at three')
      world.messages.push(next)
      send({ type: 'message', call_id: 'c1', message: next })
      await page.getByText('Bela Kovács: See you at three').waitFor()
      await shoot('chat-unread')
    },
    { messages: [...TALK] },
  )
  await scene(
    'people-panel',
    look,
    [...with_(2), member(people[3], 'ringing'), member(people[4], 'declined')],
    async ({ page, shoot, button, stir, world }) => {
      await stir()
      await button('Add people').click()
      await shoot()
      await button('Add Gustav Berg').click()
      await page.getByText('ringing…').nth(1).waitFor()
      await button('Mute Bela Kovács').click()
      await page.getByRole('img', { name: 'Microphone off' }).first().waitFor()
      await button('Lock call').click()
      await button('Open the call again').waitFor()
      await button('Remove Chidi Okafor').click()
      await shoot('people-remove')
      await button('Really remove').click()
      await page.getByText('Chidi Okafor left').waitFor()
      check(world.asked.includes('DELETE /calls/c1/members/103'), 'removed by the server')
    },
  )
  await scene('menus', look, with_(2), async ({ page, shoot, button, stir, send, world }) => {
    await stir()
    await button('More').click()
    await shoot('menu-more')
    if (!wide) {
      await page.getByRole('menuitem', { name: 'Devices' }).click()
      await page.getByRole('combobox', { name: /Camera/ }).waitFor()
      await shoot('devices')
      await button('Close panel').click()
      await button('More').click()
      await page.getByRole('menuitem', { name: 'Raise hand' }).click()
      await page.getByRole('img', { name: 'Hand is up' }).waitFor()
      return
    }
    await page.keyboard.press('Escape')
    await button('Choose microphone and speaker').click()
    await page.getByRole('menuitemradio').first().waitFor()
    await shoot('menu-microphone')
    await page.keyboard.press('Escape')
    await button('Choose camera').click()
    await page.getByRole('menuitemradio').nth(1).click()
    await page.keyboard.press('Escape')
    await button('React').click()
    await shoot('menu-react')
    await button('Applause').click()
    send({ type: 'reaction', call_id: 'c1', user_id: bela.id, emoji: '❤️' })
    await page.getByText('👏').waitFor()
    check(
      world.heard.some(({ type, emoji }) => type === 'reaction' && emoji === '👏'),
      'the reaction was sent',
    )
    await page.keyboard.press('r')
    await button('Lower hand').waitFor()
    await shoot('reactions')
  })
  await scene('details', look, with_(2), async ({ page, shoot, stir }) => {
    await stir()
    await page.keyboard.press('t')
    await page.getByText('Round trip').waitFor()
    await page.waitForTimeout(1500)
    await shoot()
    await page.keyboard.press('t')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    await shoot('help')
  })
  await scene(
    'german',
    look,
    with_(2),
    async ({ page, shoot, stir }) => {
      await stir()
      await page.getByRole('button', { name: 'Anruf verlassen' }).waitFor()
      await page.getByRole('button', { name: 'Chat', exact: true }).click()
      await shoot()
    },
    { locale: 'de-DE', messages: [...TALK] },
  )
}
await scene(
  'landscape',
  { name: 'phone', viewport: { width: 844, height: 390 }, theme: 'dark' },
  with_(3),
  async ({ page, shoot, stir }) => {
    await stir()
    await page.waitForTimeout(700)
    await shoot()
  },
)

// Behaviour that only a real browser shows.
await scene('behaviour', ALL[0], with_(2), async ({ page, world, button, stir, send }) => {
  console.log(
    `offer: ${await page.evaluate(() => window.__offerBytes)} bytes, ${await page.evaluate(() => window.__seats)} seats`,
  )
  const gets = (mid) => page.evaluate((wanted) => window.__gets(wanted), mid)
  check((await gets('1')) > 3, 'the camera is sent')
  check((await gets('2')) === 0, 'no screen is sent yet')
  await stir()
  await button('Share screen').click()
  await button('Stop sharing').waitFor()
  await page.waitForTimeout(500)
  check((await gets('2')) > 0, 'the screen is sent')
  // As the browser's own stop button does it.
  await button('Stop sharing').click()
  await button('Share screen').waitFor()
  check((await gets('2')) === 0, 'the screen is no longer sent')
  await button('Pause call').click()
  await button('Resume call').waitFor()
  await page.waitForTimeout(300)
  check((await gets('1')) === 0, 'paused: no picture is sent')
  await button('Resume call').click()
  await button('Pause call').waitFor()
  check((await gets('1')) > 3, 'resumed: the picture is sent again')
  // Push to talk.
  await button('Mute microphone').click()
  await page.keyboard.down(' ')
  await button('Mute microphone').waitFor()
  await page.keyboard.up(' ')
  await button('Unmute microphone').waitFor()
  // Once and in order, though the answer to the first was lost and the link broke in between.
  await page.keyboard.press('c')
  const box = page.getByRole('textbox', { name: 'Message', exact: true })
  world.loseAnswer = true
  for (const text of ['one', 'two', 'three']) {
    await box.fill(text)
    await box.press('Enter')
  }
  await world.socket.close()
  await page.waitForTimeout(2500)
  const texts = await page
    .getByRole('list', { name: 'Messages' })
    .locator('li p:last-child')
    .allTextContents()
  check(texts.join(' ') === 'one two three', `each message once and in order: ${texts.join(' ')}`)
  check(world.messages.map(({ text }) => text).join(' ') === 'one two three', 'in order on the server')
  // Others decide.
  send({
    type: 'call.updated',
    call_id: 'c1',
    version: 99,
    call: (world.call = {
      ...world.call,
      version: 99,
      members: world.call.members.map((one) =>
        one.user.id === me.id ? { ...one, muted: { audio: false, video: false } } : one,
      ),
    }),
  })
  const view = world.heard.filter(({ type }) => type === 'view').at(-1)
  check(view?.view.length === 2 && view.view[0].height > 100, 'the server knows what is shown')
  await page.mouse.move(20, 20)
  await page.keyboard.press('Escape')
  const toolbar = page.getByRole('toolbar', { name: 'Call controls', exact: true })
  await button('Close panel')
    .click()
    .catch(() => undefined)
  await page.mouse.move(600, 300)
  await page.waitForTimeout(5000)
  check((await toolbar.evaluate((one) => getComputedStyle(one).opacity)) === '0', 'the toolbar fades')
  await page.keyboard.press('Tab')
  await page.waitForTimeout(5000)
  check(
    (await toolbar.evaluate((one) => getComputedStyle(one).opacity)) === '1',
    'it stays for who uses the keyboard',
  )
})

await browser.close()
server.close()
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exit(1)
}
console.log(`pictures in ${OUT}`)
