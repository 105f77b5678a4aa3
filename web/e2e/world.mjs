/* A browser, the built page, and a server that this module plays: what the pictures, the look for barriers and the
 * tests of the page share.
 *
 *   const theatre = await open()
 *   const stage = await theatre.visit(LOOKS.wide, { contacts: [] })
 *   await stage.page.goto('/') … await stage.close()
 *   await theatre.close()
 *
 * The far end of a call is a second RTCPeerConnection in the page that sends a moving picture of its own colour on
 * every seat: what is seen is real media. The page comes with the content security policy it is meant for. Whatever
 * it complains of, in the console or by an exception, is in `stage.complaints`. */
import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from '@playwright/test'

const DIST = process.env.PARLEY_DIST ?? fileURLToPath(new URL('../dist', import.meta.url))
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

/** Every window in which the page is looked at. */
export const LOOKS = {
  wide: { name: 'wide', viewport: { width: 1280, height: 800 } },
  phone: { name: 'phone', viewport: { width: 390, height: 844 }, touch: true },
  sideways: { name: 'sideways', viewport: { width: 844, height: 390 }, touch: true },
  narrow: { name: 'narrow', viewport: { width: 320, height: 640 }, touch: true },
  /** 1280 × 800 at 200 %. */
  zoomed: { name: 'zoomed', viewport: { width: 640, height: 400 } },
  tablet: { name: 'tablet', viewport: { width: 820, height: 1180 }, touch: true },
}

// ---- people and calls

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
  'Mina Haddad',
  'Noah Fischer',
  'Olga Petrova',
  'Pablo Ruiz',
  'Quinn Murphy',
  'Rosa Almeida',
  'Sven Nyström',
  'Tala Reyes',
]
export const people = NAMES.map((display_name, n) => ({
  id: String(101 + n),
  username: display_name.split(' ')[0].toLowerCase(),
  display_name,
  avatar_url: null,
}))
export const [me, bela, chidi, dora, emil, fatima, gustav, hana] = people

export const contact = (user, state = 'accepted', presence = 'online', more = {}) => ({
  user,
  state,
  presence,
  favourite: false,
  nickname: null,
  last_call_at: null,
  ...more,
})
export const CONTACTS = [
  contact(bela, 'accepted', 'online', { favourite: true }),
  contact(chidi, 'accepted', 'busy'),
  contact(dora, 'accepted', 'away'),
  contact(emil, 'accepted', 'offline'),
  contact(fatima, 'accepted', 'online'),
]
export const REQUESTS = [contact(gustav, 'incoming', 'offline'), contact(hana, 'outgoing', 'offline')]
const PRESENCES = ['online', 'busy', 'away', 'offline']
export const EVERYBODY = people.slice(1).map((user, n) => contact(user, 'accepted', PRESENCES[n % 4]))

export const member = (user, state = 'joined', more = {}) => ({
  user,
  state,
  muted: { audio: false, video: false },
  sharing: false,
  hand: false,
  ...more,
})
/** So many people, all of them in the call; the first is the one who looks at the page. */
export const crowd = (n) => people.slice(0, n).map((user) => member(user))

const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString()
export const callOf = (members, more = {}) => ({
  id: 'c1',
  version: 1,
  state: 'active',
  video: true,
  locked: false,
  started_by: me.id,
  created_at: ago(2.1),
  answered_at: ago(2),
  ended_at: null,
  end_reason: null,
  messages: 0,
  members,
  ...more,
})
export const ringingFrom = (caller, others = [], more = {}) =>
  callOf([member(caller), member(me, 'ringing'), ...others], {
    state: 'ringing',
    started_by: caller.id,
    answered_at: null,
    ...more,
  })

export const past = (id, minutes, by, other, end_reason, lasted = 0) =>
  callOf([member(me, 'left'), member(other, 'left')], {
    id,
    state: 'ended',
    started_by: by.id,
    created_at: ago(minutes),
    answered_at: lasted > 0 ? ago(minutes) : null,
    ended_at: ago(minutes - lasted),
    end_reason,
    messages: lasted > 20 ? 3 : 0,
  })
/** Bela did not get hold of the one who looks, and left words. */
export const leftBy = (user, unread, minutes = 12) => ({
  ...past('h0', minutes, user, user, 'timeout'),
  messages: unread,
  unread,
})
/** A group call that goes on without the one who looks. */
export const goesOn = () => ({
  ...callOf([member(me, 'left'), member(bela), member(chidi)], { id: 'g1', started_by: bela.id }),
})
export const HISTORY = [
  past('h1', 34, bela, bela, 'timeout'),
  past('h2', 150, me, chidi, 'hangup', 12),
  past('h3', 1600, dora, dora, 'hangup', 47),
  past('h4', 3000, me, bela, 'declined'),
  past('h5', 4700, me, emil, 'busy'),
  past('h6', 30000, bela, bela, 'hangup', 75),
]

export const message = (seq, user, text) => ({
  id: `m${seq}`,
  call_id: 'c1',
  seq,
  user_id: user.id,
  text,
  created_at: ago((20 - seq) / 3),
})
export const SLIDES = [
  message(1, bela, 'The slides: https://example.org/slides'),
  message(2, me, 'Thank you! Number four is the one to show on Tuesday.'),
  message(3, bela, 'Agreed.'),
]
export const TALK = [
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

const signIn = (id, user_agent, hours, current = false) => ({
  id,
  user_agent,
  current,
  created_at: ago(15_000),
  last_seen_at: ago(hours * 60),
  expires_at: ago(-15_000),
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

/** The n-th other person sits on the n-th pair of m-lines; a screen on the last. */
const pairOf = (n) => (n === 0 ? ['0', '1'] : [String(2 + 2 * n), String(3 + 2 * n)])
const PAIRS = 9

export function seatsOf(call, state = 'live') {
  const seats = []
  const sit = (n, who, kinds) =>
    pairOf(n).forEach((mid, which) => seats.push({ mid, member: who, kind: kinds[which], state }))
  const others = call.members.filter(({ user }) => user.id !== me.id)
  const sharers = others.filter(({ sharing }) => sharing)
  others
    .filter(({ state: is }) => is === 'joined' || is === 'paused')
    .slice(0, PAIRS - sharers.length)
    .forEach(({ user }, n) => sit(n, user.id, ['microphone', 'camera']))
  sharers.forEach(({ user }, n) => sit(PAIRS - 1 - n, user.id, ['screen_audio', 'screen']))
  return { type: 'seats', call_id: call.id, seats }
}

/** In the page: faces on every seat, and a page of text on the last two, where screens sit. */
function farEnd() {
  const picture = (n) => {
    const text = n > 7
    const canvas = document.createElement('canvas')
    canvas.width = text ? 1280 : 640
    canvas.height = text ? 720 : 360
    const draw = canvas.getContext('2d')
    let t = n
    const page = () => {
      draw.fillStyle = '#fff'
      draw.fillRect(0, 0, 1280, 720)
      draw.fillStyle = '#222'
      draw.font = '28px sans-serif'
      for (let line = 0; line < 16; line++)
        draw.fillText(`${line + 1}  a shared page of small text ${'·'.repeat(line)}`, 60, 60 + line * 40)
      draw.fillStyle = '#2c7a4b'
      draw.fillRect(1100, 640 + Math.sin(t) * 10, 60, 20)
    }
    const face = () => {
      const hue = (n * 47) % 360
      draw.fillStyle = `hsl(${hue} 30% 55%)`
      draw.fillRect(0, 0, 640, 360)
      for (const [colour, y, width, height] of [
        [`hsl(${hue + 180} 25% 30%)`, 340, 150, 120],
        ['#d9a98a', 165, 68, 84],
      ]) {
        draw.fillStyle = colour
        draw.beginPath()
        draw.ellipse(320 + Math.sin(t) * 8, y, width, height, 0, 0, 7)
        draw.fill()
      }
    }
    const paint = () => {
      t += 0.1
      if (text) page()
      else face()
    }
    paint()
    const track = canvas.captureStream(5).getVideoTracks()[0]
    const timer = setInterval(() => (track.readyState === 'live' ? paint() : clearInterval(timer)), 200)
    return track
  }
  window.__answer = async (sdp) => {
    const pc = new RTCPeerConnection()
    await pc.setRemoteDescription({ type: 'offer', sdp })
    const seats = []
    for (const line of pc.getTransceivers()) {
      const offered = new RegExp(`a=mid:${line.mid}\\r\\n[^]*?a=(sendrecv|sendonly|recvonly)`).exec(sdp)?.[1]
      if (offered === 'sendonly') continue
      line.direction = offered === 'recvonly' ? 'sendonly' : 'sendrecv'
      if (line.receiver.track.kind !== 'video') continue
      line.sender.setStreams(new MediaStream())
      seats.push(line)
    }
    await pc.setLocalDescription(await pc.createAnswer())
    await new Promise((done) => {
      if (pc.iceGatheringState === 'complete') done()
      pc.addEventListener('icegatheringstatechange', () => pc.iceGatheringState === 'complete' && done())
    })
    window.__far = pc
    // Only those who sit somewhere send: a picture has a price.
    window.__show = (mids) =>
      seats.forEach((line, n) => {
        const { sender } = line
        const wanted = mids.includes(line.mid)
        if (wanted === (sender.track !== null)) return
        sender.track?.stop()
        void sender.replaceTrack(wanted ? picture(n + 1) : null)
      })
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

// ---- the theatre

/** The page's files, as a worker serves them. */
async function serve() {
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname
    const file = join(DIST, path)
    const asset = extname(path) !== ''
    const docs = path === '/api/docs' && join(DIST, 'api/docs.html')
    const found = docs || (asset && existsSync(file) ? file : join(DIST, 'index.html'))
    response.writeHead(asset && found !== file ? 404 : 200, {
      'Content-Type': TYPES[extname(found)] ?? 'text/plain',
      'Content-Security-Policy': CSP,
    })
    createReadStream(found).pipe(response)
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return { server, base: `http://localhost:${server.address().port}` }
}

/** With `reuse` a scene gets the window of one that is over, emptied: a new one costs more than the scene itself. */
export async function open({ reuse = false } = {}) {
  if (!existsSync(join(DIST, 'index.html'))) throw new Error(`${DIST} is empty: \`make web\` builds the page`)
  const { server, base } = await serve()
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--use-fake-device-for-media-stream=fps=5,device-count=2',
      '--use-fake-ui-for-media-stream',
      '--allow-loopback-in-peer-connection',
      '--autoplay-policy=no-user-gesture-required',
    ],
  })
  const free = reuse ? new Map() : null
  return {
    base,
    visit: (look, options = {}) => visit({ browser, base, look, options, free }),
    close: async () => {
      await browser.close()
      server.close()
    },
  }
}

/** What a browser says of its own accord when the played server refuses something. */
const EXPECTED = /status of (4\d\d|503)|ERR_|WebSocket connection to/

/** What the played server knows; scenes change it as they go. */
const newWorld = (options) => ({
  /** Who comes is signed in already; null is the sign-in page. */
  signedIn: true,
  signups: 'open',
  contacts: options.call ? EVERYBODY : CONTACTS,
  history: HISTORY,
  messages: [],
  /** The call of the page; told at the beginning where there is one. */
  call: null,
  /** On so many devices rings whoever is called. */
  rings: 2,
  /** Answers to nothing whose method and path match: `GET /calls`. */
  silent: null,
  /** Breaks the connection for those. */
  refuse: null,
  /** The WebSocket is refused; it opens and says nothing. */
  noEvents: false,
  noHello: false,
  /** The next message is kept, and the answer to it lost. */
  loseAnswer: false,
  socket: null,
  heard: [],
  asked: [],
  ...options,
})

/** A window without a scene: what it asks for, says and complains of goes to whichever plays in it (`house.scene`). */
async function furnish({ browser, base, look, options, key }) {
  const context = await browser.newContext({
    baseURL: base,
    viewport: look.viewport,
    colorScheme: look.theme ?? 'light',
    reducedMotion: options.reducedMotion ?? 'no-preference',
    hasTouch: look.touch ?? false,
    isMobile: look.touch ?? false,
    locale: options.locale ?? 'en-GB',
    permissions: ['camera', 'microphone'],
  })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const house = { key, context, page, scene: null }
  page.on('console', (line) => {
    if (line.type() === 'error' && !EXPECTED.test(line.text())) house.scene?.complain(line.text())
  })
  page.on('pageerror', (error) => house.scene?.complain(error.stack ?? String(error)))
  await page.addInitScript(farEnd)
  await page.routeWebSocket('**/api/v1/events', (socket) =>
    house.scene ? house.scene.hear(socket) : void socket.close(),
  )
  await page.route('**/api/v1/**', (route) => (house.scene ? house.scene.answer(route) : route.abort()))
  return house
}

/** As if it had just been opened. */
async function empty({ context, page }, look) {
  await context.setOffline(false)
  for (const other of context.pages()) if (other !== page) await other.close()
  await page.evaluate(() => {
    localStorage.clear()
    sessionStorage.clear()
  })
  await page.mouse.move(look.viewport.width - 1, 1)
  await page.goto('about:blank')
  await page.emulateMedia({ colorScheme: look.theme ?? 'light' })
}

async function visit({ browser, base, look, options, free }) {
  const key = JSON.stringify([look, options.locale, options.reducedMotion])
  const house = free?.get(key)?.pop() ?? (await furnish({ browser, base, look, options, key }))
  const { context, page } = house
  const complaints = []
  const init = options.init && (await page.addInitScript(options.init))

  const world = newWorld(options)
  const send = (event) => {
    world.socket?.send(JSON.stringify(event))
    if (event.type !== 'seats') return
    const mids = event.seats.filter(({ state }) => state !== 'waiting').map(({ mid }) => mid)
    page.evaluate((them) => window.__show?.(them), mids).catch(() => undefined)
  }
  /** The call changes, and the page is told. */
  const change = (edit) => {
    world.call = { ...world.call, version: world.call.version + 1, ...edit(world.call) }
    const { id, version, state } = world.call
    const type = state === 'ended' ? 'call.ended' : 'call.updated'
    send({ type, call_id: id, version, call: world.call })
    if (state === 'active') send(seatsOf(world.call))
  }
  const changeMember = (id, edit) =>
    change((call) => ({
      members: call.members.map((one) => (one.user.id === id ? { ...one, ...edit } : one)),
    }))
  const rings = (call) => send({ type: 'call.ringing', call_id: call.id, version: call.version, call })

  const hear = (socket) => {
    if (world.noEvents) return void socket.close()
    world.socket = socket
    socket.onMessage((text) => {
      const event = JSON.parse(text)
      if (event.type === 'ping') return send({ type: 'pong' })
      world.heard.push(event)
      if (event.type === 'reaction')
        send({ type: 'reaction', call_id: event.call_id, user_id: me.id, emoji: event.emoji })
    })
    if (world.noHello) return
    const { contacts, call } = world
    send({
      type: 'hello',
      me: { ...me, status: 'available' },
      contacts,
      calls: call && call.state !== 'ended' ? [call] : [],
      server: { version: '0.1.0' },
    })
  }
  house.scene = {
    complain: (line) => void (options.breaks || complaints.push(line)),
    hear,
    answer: (route) =>
      answer({ route, page, world, send, change, changeMember }).catch(async (error) => {
        // A page that is closed has nobody to be answered; what is asked by one that is left, neither.
        if (!page.isClosed() && house.scene?.hear === hear)
          complaints.push(`the played server: ${error.stack}`)
      }),
  }
  const close = async () => {
    house.scene = null
    try {
      if (!free || options.breaks) return await context.close()
      await init?.dispose()
      await empty(house, look)
      free.set(key, [...(free.get(key) ?? []), house])
    } catch {
      await context.close()
    }
  }

  const button = (name) => page.getByRole('button', { name, exact: true })
  const figure = (name) => page.getByRole('figure', { name, exact: true })
  const pictureOf = (name) =>
    page.waitForFunction((wanted) => {
      const video = document.querySelector(`figure[aria-label="${wanted}"] video`)
      return video && video.videoWidth > 0 && !video.paused
    }, name)
  /** The far end of a call that begins now, not of the one before. */
  const connected = () => page.waitForFunction(() => window.__far?.connectionState === 'connected')
  const hangUp = () => page.evaluate(() => void (window.__far = undefined))
  /** The page is in `world.call`, and the first other person is seen. */
  const enter = async () => {
    await page.goto('/call/c1')
    await connected()
    send(seatsOf(world.call))
    const other = world.call.members.find(({ user, state }) => user.id !== me.id && state === 'joined')
    if (other) await pictureOf(other.user.display_name)
  }
  /** From Home: calls somebody, who does not answer yet. */
  const ring = async (who = bela, how = 'Video call') => {
    // What the call before it sent from there is a price, too.
    await page.evaluate(() => window.__far?.close())
    await hangUp()
    await button(`${how} ${who.display_name}`).click()
    await page.getByRole('toolbar', { name: 'Call controls', exact: true }).waitFor()
    await connected()
  }
  /** Moves the pointer where nothing is, so that the controls are seen; a menu would take that for leaving it. */
  const stir = async () => {
    if ((await page.getByRole('menu').count()) > 0) return
    const { width } = look.viewport
    await page.mouse.move(width - 8, 2)
    await page.mouse.move(width - 12, 3)
  }
  return {
    page,
    world,
    context,
    complaints,
    send,
    change,
    changeMember,
    rings,
    button,
    figure,
    pictureOf,
    connected,
    hangUp,
    enter,
    ring,
    stir,
    close,
  }
}

/** The interface of docs/openapi.yaml, as far as the page goes to see all of its screens. */
async function answer({ route, page, world, send, change, changeMember }) {
  const request = route.request()
  const url = new URL(request.url())
  const path = url.pathname.replace('/api/v1', '')
  const method = request.method()
  const name = `${method} ${path}`
  const json = (status, body) =>
    route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(body) })
  const problem = (status, code, detail, more) =>
    route.fulfill({
      status,
      contentType: 'application/problem+json',
      body: JSON.stringify({ type: 'about:blank', title: code, status, code, detail, ...more }),
    })
  const call = () => json(200, { call: world.call })
  world.asked.push(name)
  if (world.silent?.test(name)) return
  if (world.refuse?.test(name)) return route.abort()

  // the account
  const self = { ...me, status: 'available' }
  if (name === 'GET /server')
    return json(200, { server: { version: '0.1.0', signups: world.signups, password_min: 15 } })
  if (name === 'GET /sessions/current') return json(200, { user: world.signedIn ? self : null })
  if (name === 'POST /sessions') return problem(401, 'bad_credentials', 'No.')
  if (name === 'POST /accounts')
    return problem(422, 'invalid_field', 'A password has at least 15 characters.', { field: 'password' })
  if (name === 'GET /sessions') return json(200, { items: SIGN_INS, next: null })
  if (name === 'GET /me') return json(200, { user: self })
  if (name === 'PATCH /me') return json(200, { user: { ...self, ...request.postDataJSON() } })
  if (path === '/me/password') return problem(403, 'wrong_password', 'No.')
  if (name === 'GET /ice-servers') return json(200, { items: [], next: null })

  // people
  if (name === 'GET /users') {
    const q = url.searchParams.get('q') ?? ''
    const other = { ...people[0], id: '150', username: 'belinda', display_name: 'Belinda Hart' }
    const found = q.startsWith('bel') ? [bela, other] : []
    return json(200, { items: found, next: null })
  }
  if (path.startsWith('/contacts/')) {
    const known = world.contacts.find(({ user }) => path.endsWith(`/${user.id}`))
    const { blocked, ...rest } = method === 'PATCH' ? request.postDataJSON() : {}
    return json(200, { contact: { ...known, ...rest, ...(blocked ? { state: 'blocked' } : {}) } })
  }

  // calls
  if (name === 'GET /calls') return json(200, { items: world.history, next: null })
  if (name === 'POST /calls') {
    const { id, invite, video } = request.postDataJSON()
    const asked = invite.map((who) => member(people.find((one) => one.id === who) ?? bela, 'ringing'))
    world.call = callOf([member(me), ...asked], {
      id,
      state: 'ringing',
      video,
      answered_at: null,
    })
    const ringing = invite
      .filter((who) => world.rings > 0 && CONTACTS.some(({ user }) => user.id === who))
      .map((user_id) => ({ user_id, devices: world.rings }))
    return json(201, { call: world.call, ringing })
  }
  if (path.endsWith('/media') || path.includes('/media/')) {
    if (method === 'DELETE') return route.fulfill({ status: 204 })
    const sdp = await page.evaluate((offer) => window.__answer(offer), request.postData())
    return route.fulfill({
      status: 201,
      contentType: 'application/sdp',
      headers: { Location: `/api/v1${path.replace(/\/media.*/, '/media/m1')}` },
      body: sdp,
    })
  }
  const read = /^PUT \/calls\/(\w+)\/messages\/read$/.exec(name)?.[1]
  if (read) {
    world.history = world.history.map((one) => (one.id === read ? { ...one, unread: 0 } : one))
    send({ type: 'messages.read', call_id: read, seq: request.postDataJSON().seq })
    return route.fulfill({ status: 204 })
  }
  if (path.endsWith('/messages') && method === 'GET') {
    const after = Number(url.searchParams.get('after') ?? 0)
    const all = path.includes('/h') ? SLIDES : world.messages
    return json(200, { items: all.filter(({ seq }) => seq > after), next: null })
  }
  if (path.endsWith('/messages')) {
    const { id, text } = request.postDataJSON()
    let said = world.messages.find((one) => one.id === id)
    if (!said) {
      said = { ...message(world.messages.length + 1, me, text), id }
      world.messages.push(said)
      send({ type: 'message', call_id: world.call.id, message: said })
    }
    if (world.loseAnswer) {
      world.loseAnswer = false
      return route.abort()
    }
    return json(201, { message: said })
  }
  if (path.endsWith('/answer')) {
    world.aside = world.call
    world.call = world.answered
    return call()
  }
  if (world.aside && path.startsWith(`/calls/${world.aside.id}/`)) {
    world.aside = { ...world.aside, version: world.aside.version + 1 }
    return json(200, { call: world.aside })
  }
  if (path.endsWith('/members/me')) {
    const { paused, ...rest } = request.postDataJSON()
    changeMember(me.id, {
      ...rest,
      ...(paused === undefined ? {} : { state: paused ? 'paused' : 'joined' }),
    })
    return call()
  }
  const other = /\/members\/(\d+)$/.exec(path)?.[1]
  if (other) {
    changeMember(other, method === 'PATCH' ? { muted: { audio: true, video: false } } : { state: 'left' })
    return call()
  }
  if (path.endsWith('/invite')) {
    const { invite } = request.postDataJSON()
    const known = world.call.members.filter(({ user }) => !invite.includes(user.id))
    const added = people.filter(({ id }) => invite.includes(id)).map((user) => member(user, 'ringing'))
    change(() => ({ members: [...known, ...added] }))
    const ringing = added.map(({ user }) => ({ user_id: user.id, devices: world.rings }))
    return json(200, { call: world.call, ringing })
  }
  if (path.endsWith('/leave') || path.endsWith('/end') || path.endsWith('/decline')) {
    change(() => ({ state: 'ended', end_reason: 'hangup' }))
    return call()
  }
  if (/^PATCH \/calls\/[^/]+$/.test(name)) {
    change(() => request.postDataJSON())
    return call()
  }
  if (name.startsWith('GET /calls/') && world.call) return call()
  return problem(404, 'not_found', path)
}
