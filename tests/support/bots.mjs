// Many people who do what people do, all at once and not always in a sensible order, while a worker dies; and then the
// question whether everybody and the database tell the same. tests/integ/bots.test.mjs and tests/soak/bots.mjs.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, eventually, sleep } from "./server.mjs";
import { Person } from "./api.mjs";
import { crowd, leftovers, query } from "./database.mjs";
import { Page } from "./page.mjs";
import { randomOf } from "./dice.mjs";

/** What a server for bots is started with: ringing and waiting for media end within the test. */
export const OPTS = [
  "calls.ring_timeout=3",
  "calls.reconnect_grace=5",
  "limits.logins_per_minute=0",
  "limits.messages_per_minute=0",
];

const CLUSTER = 10; // who may know each other
const offer = readFileSync(path.join(ROOT, "tests/unit/sdp/chromium-sendrecv.sdp"), "utf8");

/** Refusals that are no fault: others were faster, or it is not theirs to do. */
const REFUSALS = new Set([403, 404, 409]);

class Bot {
  constructor(world, person, index) {
    Object.assign(this, { world, person, index, random: randomOf(world.seed * 7919 + index), pages: [] });
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  chance(p) {
    return this.random() < p;
  }

  /** What the person's page shows; while it is closed, nothing. */
  get page() {
    return this.pages.at(-1);
  }

  async open() {
    this.away = false;
    for (;;) {
      const from = Date.now();
      try {
        const page = await Page.open(this.person);
        page.from = from;
        this.pages.push(page);
        page.closed.then(() => {
          page.to = Date.now();
          if (page.meant) return;
          this.reopening = this.reopen(page);
          this.world.note(this, "page", "broken", this.reopening);
        });
        return;
      } catch (error) {
        if (!this.world.shaken()) throw error;
        this.world.count("page", "refused");
        await sleep(200 + 500 * this.random());
      }
    }
  }

  async reopen(page) {
    // Also when the hello that the dead worker's successor wants for it finds no answer.
    if (!this.world.shaken(7000)) this.world.faults.push(`bot ${this.index}: its WebSocket broke`);
    await sleep(100 + 400 * this.random());
    await this.open();
  }

  async shut() {
    this.away = true;
    this.page.meant = true;
    await this.page.close();
  }

  /** One request, sometimes sent twice at once. Answers of the first. */
  async send(what, method, target, body, options = {}) {
    const once = async () => {
      try {
        const answer = await this.person.request(method, target, body, options);
        const { status } = answer;
        this.world.count(what, status);
        if (status >= 500 ? !this.world.shaken() : status >= 400 && !REFUSALS.has(status) && status !== options.also)
          this.world.faults.push(`bot ${this.index}: ${method} ${target} answered ${status} ${answer.text.slice(0, 300)}`);
        return answer;
      } catch (error) {
        this.world.count(what, "lost");
        if (!this.world.shaken() || !error.code) this.world.faults.push(`bot ${this.index}: ${method} ${target}: ${error.message}`);
        return { status: 0 };
      }
    };
    if (options.once || !this.chance(0.1)) return once();
    return (await Promise.all([once(), once()]))[0];
  }

  async run() {
    await sleep(1000 * this.random());
    while (!this.world.over) {
      await this.act();
      await sleep(this.world.pause * (0.2 + 1.6 * this.random()));
    }
  }

  async act() {
    // Nothing else is done before the page is there again.
    while (!this.away && !this.page.open) await (this.reopening ?? sleep(10));
    if (this.away) {
      if (this.chance(0.5)) await this.open();
      return;
    }
    const live = this.page.live();
    const mine = (c) => c.members.find((m) => m.user.id === this.person.id).state;
    const rings = live.find((c) => mine(c) === "ringing");
    const here = live.filter((c) => mine(c) !== "ringing");
    if (rings && this.chance(0.8)) await this.onRinging(rings);
    else if (here.length && this.chance(0.85)) await this.onCall(this.pick(here));
    else if (this.chance(0.55)) await this.call();
    else await this.aside();
  }

  async onRinging(call) {
    this.last = call;
    if (this.chance(0.7)) await this.send("answer", "POST", `/calls/${call.id}/answer`);
    else await this.send("decline", "POST", `/calls/${call.id}/decline`);
    if (this.chance(0.15)) await this.send("media", "POST", `/calls/${call.id}/media`, offer, { type: "application/sdp", once: true });
  }

  async onCall(call) {
    this.last = call;
    const at = `/calls/${call.id}`;
    const other = this.pick(call.members).user.id;
    const does = [
      [30, () => this.say(call)],
      [6, () => this.page.ws.send(JSON.stringify({ type: "typing", call_id: call.id }))],
      [3, () => this.page.ws.send(JSON.stringify({ type: "reaction", call_id: call.id, emoji: "👍" }))],
      [8, () => this.send("pause", "PATCH", `${at}/members/me`, { paused: this.chance(0.5) })],
      [6, () => this.send("mute", "PATCH", `${at}/members/me`, { muted: { audio: this.chance(0.5) }, hand: this.chance(0.5) })],
      [14, () => this.send("leave", "POST", `${at}/leave`)],
      [10, () => this.send("invite", "POST", `${at}/invite`, { invite: [this.friend()] })],
      [3, () => this.send("lock", "PATCH", at, { locked: this.chance(0.5) })],
      [4, () => this.send("end", "POST", `${at}/end`)],
      [3, () => this.send("remove", "DELETE", `${at}/members/${other}`)],
      [2, () => this.send("mute other", "PATCH", `${at}/members/${other}`, { muted: { audio: true } })],
      [3, () => this.send("read", "GET", `${at}/messages?after=0`)],
      [3, () => this.call()],
    ];
    await this.choose(does);
  }

  async choose(does) {
    let n = this.random() * does.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of does) if ((n -= weight) < 0) return act();
  }

  /** The client's way: until there is an answer, the same id again. */
  async say(call) {
    const message = { id: randomUUID(), text: `${this.index}: ${Math.floor(this.random() * 1e9)}` };
    for (let tries = 0; tries < 20; tries++) {
      const { status, json } = await this.send("message", "POST", `/calls/${call.id}/messages`, message);
      if (status === 201) this.world.posted.set(message.id, { ...json.message, text: message.text });
      if (status > 0 && status < 500) return;
      await sleep(200);
    }
    this.world.faults.push(`bot ${this.index}: a message found no answer`);
  }

  friend() {
    return this.pick(this.cluster.filter((b) => b !== this)).person.id;
  }

  friends() {
    return [...this.page.contacts.values()].filter((c) => c.state === "accepted").map((c) => c.user.id);
  }

  async call() {
    const friends = this.friends();
    if (friends.length === 0) return;
    const invite = [...new Set(Array.from({ length: this.chance(0.3) ? 4 : 1 }, () => this.pick(friends)))];
    const id = randomUUID();
    const { status, json } = await this.send("call", "POST", "/calls", { id, invite, video: this.chance(0.5) });
    if (status === 201 && this.chance(0.15)) await this.send("cancel", "POST", `/calls/${json.call.id}/leave`);
  }

  async aside() {
    const other = this.friend();
    await this.choose([
      [20, () => this.send("ask or accept", "PUT", `/contacts/${other}`)],
      [3, () => this.send("remove contact", "DELETE", `/contacts/${other}`)],
      [2, () => this.send("block", "PATCH", `/contacts/${other}`, { blocked: true })],
      [4, () => this.send("unblock", "PATCH", `/contacts/${other}`, { blocked: false })],
      [6, () => this.send("favourite", "PATCH", `/contacts/${other}`, { favourite: this.chance(0.5) })],
      [4, () => this.change({ status: this.chance(0.4) ? "do_not_disturb" : "available" })],
      [2, () => this.change({ display_name: `Bot ${this.index} ${Math.floor(this.random() * 100)}` })],
      [8, () => this.shut()],
      [3, () => this.again()],
      [6, () => this.late()],
      [3, () => this.send("history", "GET", "/calls")],
    ]);
  }

  /** What no answer came for is asked again. The page hears of it by an event. */
  async change(what) {
    const answer = await this.send("account", "PATCH", "/me", what, { once: true });
    if (answer.status !== 200) await this.change(what);
  }

  /** Signs out and in. */
  async again() {
    const { page, person } = this;
    page.meant = true;
    // Lost with a worker, it may have been done or not.
    let out;
    do out = await this.send("sign out", "DELETE", "/sessions/current", undefined, { once: true, also: 401 });
    while (out.status === 0 || out.status >= 500);
    await eventually(`bot ${this.index}: the page of a sign-in that has ended is closed`, () => !page.open, 20_000);
    person.token = undefined;
    const who = { username: person.username, password: person.password };
    while (!person.token) person.token = (await this.send("sign in", "POST", "/sessions", who, { once: true })).json?.token;
    await this.open();
  }

  /** Something that made sense some time ago. */
  async late() {
    const call = this.last;
    if (!call) return;
    const what = this.pick(["answer", "decline", "leave", "end", "pause"]);
    if (what === "pause") await this.send("late pause", "PATCH", `/calls/${call.id}/members/me`, { paused: true });
    else await this.send(`late ${what}`, "POST", `/calls/${call.id}/${what}`);
  }
}

class World {
  constructor(server, seed, pause) {
    Object.assign(this, { server, seed, pause, counts: {}, faults: [], posted: new Map(), pending: [], over: false, kills: [] });
  }

  count(what, how) {
    this.counts[what] ??= {};
    this.counts[what][how] = (this.counts[what][how] ?? 0) + 1;
  }

  note(bot, what, how, promise) {
    this.count(what, how);
    this.pending.push(promise.catch((error) => this.faults.push(`bot ${bot.index}: ${error.message}`)));
  }

  /** Is a worker dying or coming back? Then connections break. */
  shaken(ms = 0) {
    const last = this.kills.at(-1);
    return last !== undefined && (last.until === undefined || Date.now() < last.until + ms);
  }

  async kill() {
    const kill = { at: Date.now() };
    this.kills.push(kill);
    const before = this.server.pid("worker", 1);
    this.server.kill("worker", 1);
    await eventually("the worker is back", async () => {
      const p = this.server.processes().find((x) => x.role === "worker" && x.index === 1);
      return p && p.pid !== before && (await this.server.admin("/readyz")).status === 200;
    }, 60_000);
    kill.until = Date.now() + 8000;
  }
}

/** The people: some sign up as anybody does, the rest is put into the database. */
async function people(server, count) {
  const real = Math.min(20, count);
  const own = [];
  for (let i = 0; i < real; i++) own.push(await Person.create(server, `Real ${i}`));
  return [...own, ...(count > real ? await crowd(server, count - real, "Bot") : [])];
}

const contactOf = (page, bot) => page.contacts.get(bot.person.id);

/** A person's page, and a page that is opened just now, show the same. */
async function sameAsFresh(bot) {
  await eventually(`bot ${bot.index} sees what a fresh page shows`, async () => {
    const page = bot.page;
    const fresh = await Page.open(bot.person);
    await fresh.close();
    const byId = (list) => Object.fromEntries(list.map((x) => [x.id ?? x.user.id, x]));
    assert.deepEqual(byId(page.live()), byId(fresh.live()));
    assert.deepEqual(byId([...page.contacts.values()].map(settled)), byId([...fresh.contacts.values()].map(settled)));
    assert.deepEqual(page.me, { ...page.me, ...fresh.me });
    return true;
  }, 20_000, 300);
}

// Nobody is told when somebody calls a contact; last_call_at is of the moment when the contact was read.
const settled = ({ last_call_at: _, ...contact }) => contact;

async function checkMessages(world, bots) {
  const rows = await query(
    world.server,
    `select coalesce(json_agg(json_build_object('id', m.id, 'call', m.call_id, 'seq', m.seq, 'by', m.user_id, 'text', m.text,
      'at', extract(epoch from m.created_at) * 1000)), '[]') from messages m`,
  );
  const byId = new Map(rows.map((m) => [m.id, m]));
  for (const [id, m] of world.posted) {
    const row = byId.get(id);
    if (!row || row.seq !== m.seq || row.text !== m.text) world.faults.push(`message ${id} was answered with 201 and is not there as it was`);
  }
  const gaps = await query(
    world.server,
    `select coalesce(json_agg(c.id), '[]') from calls c left join lateral (select count(*) as n, max(m.seq) as last
      from messages m where m.call_id = c.id) m on true where c.messages <> m.n or coalesce(m.last, 0) <> m.n`,
  );
  for (const id of gaps) world.faults.push(`call ${id}: its messages have gaps`);

  // Who was in a call for some time, with one page: what was written in that time came to that page.
  const stays = await query(
    world.server,
    `select coalesce(json_agg(json_build_object('call', m.call_id, 'user', m.user_id,
      'from', extract(epoch from m.joined_at) * 1000, 'to', extract(epoch from m.left_at) * 1000)), '[]')
      from call_members m where m.joined_at is not null and m.left_at > m.joined_at`,
  );
  const perCall = Map.groupBy ? Map.groupBy(rows, (m) => m.call) : rows.reduce((map, m) => map.set(m.call, [...(map.get(m.call) ?? []), m]), new Map());
  const byUser = new Map(bots.map((b) => [b.person.id, b]));
  let due = 0;
  let fetched = 0;
  for (const stay of stays) {
    const bot = byUser.get(stay.user);
    const written = (perCall.get(stay.call) ?? []).filter((m) => m.at > stay.from && m.at < stay.to);
    if (written.length === 0) continue;
    let readable;
    for (const m of written) {
      const page = bot.pages.find((p) => p.from < m.at - 3000 && (p.to ?? Infinity) > m.at + 3000);
      if (page) due++;
      if (page?.messages.get(stay.call)?.some((x) => x.id === m.id)) continue;
      // Not connected, or a worker died with it: it can be read.
      readable ??= await allMessages(bot, stay.call);
      fetched++;
      if (!readable.some((x) => x.id === m.id)) world.faults.push(`message ${m.seq} of ${stay.call} cannot be read by bot ${bot.index}`);
      const shaken = world.kills.some((k) => m.at > k.at - 5000 && m.at < (k.until ?? Infinity));
      if (page && !shaken) world.faults.push(`message ${m.seq} of ${stay.call} did not come to bot ${bot.index}`);
    }
  }
  return { messages: rows.length, due, fetched };
}

async function allMessages(bot, call) {
  const all = [];
  for (let after = "0"; after !== null;) {
    const { json } = await bot.person.must("GET", `/calls/${call}/messages?after=${after}`);
    all.push(...json.items);
    after = json.next;
  }
  return all;
}

async function checkDatabase(world) {
  world.faults.push(...(await leftovers(world.server)));
  world.faults.push(
    ...(await query(
      world.server,
      `select coalesce(json_agg(w.what), '[]') from (
        select 'contact ' || a.owner_id || ' ' || a.other_id || ': ' || a.state || ' against ' || coalesce(b.state, 'nothing') as what
        from contacts a left join contacts b on b.owner_id = a.other_id and b.other_id = a.owner_id
        where (a.state = 'accepted' and b.state is distinct from 'accepted')
          or (a.state = 'incoming' and b.state is distinct from 'outgoing')
          or (a.state = 'outgoing' and b.state is not null and b.state <> 'incoming' and not (b.state = 'none' and b.blocked))
          or (a.state = 'none' and not a.blocked)
        union all
        select 'nobody was ever in the call ' || c.id from calls c
        where not exists (select from call_members m where m.call_id = c.id and m.joined_at is not null)
        union all
        select 'the call ' || c.id || ' has two members at ' || m.position from calls c join call_members m on m.call_id = c.id
        group by c.id, m.position having count(*) > 1
        union all
        select 'the sign-in ' || s.id || ' is of nobody' from sessions s
        where not exists (select from users u where u.id = s.user_id and u.disabled_at is null)
      ) w`,
    )),
  );
}

/** Everybody sees of everybody what is so: who is connected, in a call, not to be disturbed, blocked. */
async function checkPresence(bots) {
  await eventually("everybody sees how the others are", () => {
    for (const bot of bots) {
      if (bot.away) continue;
      for (const other of bot.cluster) {
        const seen = contactOf(bot.page, other);
        if (!seen) continue;
        const theirs = other.away ? undefined : contactOf(other.page, bot)?.state;
        const visible = seen.state === "accepted" && theirs === "accepted";
        const is = !visible || other.away ? "offline" : other.page.me.status === "do_not_disturb" ? "busy" : "online";
        assert.equal(seen.presence, is, `bot ${other.index} (${other.away ? "away" : other.page.me.status}) as seen by bot ${bot.index}`);
      }
    }
    return true;
  }, 20_000, 200);
}

/** options: bots, seconds, seed, pause (ms between two actions of one), kills (how often a worker is killed).
 * Resolves with a line that says what happened; throws when something does not fit. */
export async function bots(server, { count, seconds, seed, pause, kills = 1 }) {
  const world = new World(server, seed, pause);
  const all = (await people(server, count)).map((p, i) => new Bot(world, p, i));
  const rows = [];
  for (const bot of all) {
    const first = Math.floor(bot.index / CLUSTER) * CLUSTER;
    bot.cluster = all.slice(first, first + CLUSTER);
    for (const other of bot.cluster) if (other.index > bot.index && bot.chance(0.7)) rows.push([bot.person.id, other.person.id], [other.person.id, bot.person.id]);
  }
  await query(server, `insert into contacts (owner_id, other_id, state) values ${rows.map(([a, b]) => `('${a}', '${b}', 'accepted')`)}`);
  for (let i = 0; i < all.length; i += 20) await Promise.all(all.slice(i, i + 20).map((bot) => bot.open()));
  const began = Date.now();
  const running = all.map((bot) => bot.run().catch((error) => world.faults.push(`bot ${bot.index}: ${error.stack}`)));
  for (let k = 0; k < kills; k++) {
    await sleep(Math.max(0, began + ((k + 1) * seconds * 1000) / (kills + 1) - Date.now()));
    await world.kill();
  }
  await sleep(Math.max(0, began + seconds * 1000 - Date.now()));
  world.over = true;
  await Promise.all(running);
  const acted = Date.now() - began;

  // Quiet: nobody acts; what rings ends by itself, and so does waiting for media that never comes.
  for (const bot of all) if (bot.away && bot.index % 10 !== 3) await bot.open();
  for (let n = -1; n !== world.pending.length;) {
    n = world.pending.length;
    await Promise.all(world.pending);
  }
  for (const bot of all) if (bot.index % 10 === 3 && !bot.away) await bot.shut();
  for (let i = 0; i < all.length; i += 10) await Promise.all(all.slice(i, i + 10).filter((b) => !b.away).map(sameAsFresh));
  await eventually("all calls end", async () => (await leftovers(server)).length === 0, 60_000, 500);
  await eventually("no transport is left", async () => (await server.metric("parley_mediad_transports")) === 0, 40_000, 500);
  for (let i = 0; i < all.length; i += 10) await Promise.all(all.slice(i, i + 10).filter((b) => !b.away).map(sameAsFresh));
  for (const bot of all) assert.equal(bot.pages.filter((page) => page.open).length, bot.away ? 0 : 1);
  await checkPresence(all);
  const chat = await checkMessages(world, all);
  await checkDatabase(world);
  for (const bot of all) for (const page of bot.pages) world.faults.push(...page.faults.map((f) => `bot ${bot.index}: ${f}`));
  for (const bot of all) if (!bot.away) await bot.shut();

  const statuses = {};
  for (const how of Object.values(world.counts)) for (const [status, n] of Object.entries(how)) statuses[status] = (statuses[status] ?? 0) + n;
  const show = (o) => Object.entries(o).map(([k, n]) => `${k} ${typeof n === "object" ? `(${show(n)})` : n}`).join(", ");
  const line =
    `seed ${seed}: ${count} bots, ${Math.round(acted / 1000)} s, ${kills} killed; answers ${show(statuses)}; ` +
    `${chat.messages} messages, ${chat.due} deliveries due, ${chat.fetched} fetched; ${show(world.counts)}`;
  assert.deepEqual(world.faults.slice(0, 20), [], `${world.faults.length} faults. ${line}`);
  return line;
}
