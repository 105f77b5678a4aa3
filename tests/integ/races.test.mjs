// Two transitions of one call at the same moment, on two workers, a hundred times each: one outcome, on all screens, in
// the answers and in the database. Who is sent first shifts by what won last, so that the two really meet.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { befriend, randomUUID } from "../support/api.mjs";
import { crowd, leftovers, query } from "../support/database.mjs";
import { lanes, pages } from "../support/lane.mjs";
import { Page } from "../support/page.mjs";

const ROUNDS = Number(process.env.RACE_ROUNDS ?? 100);
const LEAD_STEP_MS = 0.4;
const LEAD_MAX_MS = 20;

let server, quick;
before(async () => (server = await Server.start({ workers: 2, mediads: 1 })));
after(async () => {
  await server?.stop();
  await quick?.stop();
});

const member = (call, person) => call.members.find((m) => m.user.id === person.id);
const act = async (p, call, what, body) => (await p.must("POST", `/calls/${call.id}/${what}`, body)).json.call;
const start = async (p, ...invite) => (await p.must("POST", "/calls", { invite: invite.map((q) => q.id), video: true })).json.call;
/** The call as events tell it: they say nothing of what this person has not read. */
async function now(p, { id }) {
  const { unread: _, ...call } = (await p.must("GET", `/calls/${id}`)).json.call;
  return call;
}

/** People who all know each other, one more who only watches them, and a page on each worker for everybody. */
async function scene(count) {
  const people = await crowd(server, count + 1, "Ana");
  for (const [i, a] of people.entries()) for (const b of people.slice(i + 1)) await befriend(a, b);
  for (const p of people) p.pages = await pages(server, p);
  return { people: people.slice(0, count), watcher: people[count], everybody: people, lanes: await lanes(server) };
}

function close(s) {
  for (const lane of s.lanes) lane.close();
  for (const p of s.everybody) for (const page of p.pages) page.close();
}

function spin(ms) {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Both leave in one tick, or lead milliseconds apart: first earlier when lead is positive. */
async function together(first, second, lead) {
  const [early, late] = lead >= 0 ? [first, second] : [second, first];
  const one = early();
  // Agents hand a request to its socket in the next tick; from here the first is on its way.
  if (Math.abs(lead) > 0.05) await new Promise((resolve) => setImmediate(resolve));
  spin(Math.abs(lead) > 0.05 ? Math.abs(lead) : 0);
  const other = late();
  const [a, b] = await Promise.all([one, other]);
  return lead >= 0 ? [a, b] : [b, a];
}

const presenceOf = (call, person) =>
  call.state === "active" && ["joined", "paused", "reconnecting"].includes(member(call, person)?.state) ? "busy" : "online";

/** All pages of everybody tell what the server tells, in order, and nothing rings that does not ring. */
async function agree(s, call, who) {
  const truth = await now(who[0], call);
  await eventually(`all pages agree on ${JSON.stringify(truth)}`, () => {
    for (const p of who)
      for (const [w, page] of p.pages.entries()) {
        const view = page.calls.get(truth.id);
        assert.deepEqual(view, truth, `the page of ${p.name} on worker ${w}`);
        const rings = truth.state !== "ended" && member(truth, p).state === "ringing";
        assert.equal(page.rings.get(truth.id) === "rings", rings, `ringing on the page of ${p.name}`);
      }
    for (const p of s.everybody)
      for (const q of s.people)
        if (p.id !== q.id)
          for (const page of p.pages)
            assert.equal(page.contacts.get(q.id).presence, presenceOf(truth, q), `${q.name} as seen by ${p.name}`);
    return true;
  }, 10_000, 5);
  for (const p of s.everybody) for (const page of p.pages) assert.deepEqual(page.faults, []);
  return truth;
}

/** rounds of { call, first, second } from prepare(): two requests [person, method, path, body]. winner() says who was
 * first; check() looks at the agreed end. */
async function race(t, count, prepare, { winner, check, who = (s) => s.people }) {
  const s = await scene(count);
  const calls = [];
  const wins = { first: 0, second: 0 };
  let lead = 0;
  let crossed = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const { call, first, second, ...more } = await prepare(s, i);
    const [x, y] = i % 2 ? [s.lanes[1], s.lanes[0]] : s.lanes;
    assert.notEqual(x.worker, y.worker);
    const answers = await together(
      () => x.request(...first),
      () => y.request(...second),
      lead,
    );
    crossed += x.isWarm() && y.isWarm();
    const id = call?.id ?? answers[0].json.call.id;
    calls.push(id);
    for (const a of answers) {
      assert.ok([200, 201, 409].includes(a.status), `${a.status} ${a.text}`);
      if (a.status === 409) {
        assert.ok(["wrong_state", "answered_elsewhere"].includes(a.json.code), a.text);
        assert.equal(a.json.call.id, id);
      }
    }
    const truth = await agree(s, { id }, who(s, answers));
    const won = winner(answers, truth, s, more);
    wins[won]++;
    lead += won === "first" ? -LEAD_STEP_MS : LEAD_STEP_MS;
    lead = Math.max(-LEAD_MAX_MS, Math.min(LEAD_MAX_MS, lead));
    check(answers, truth, won, s, more);
    if (truth.state !== "ended") {
      const starter = s.people.find((p) => p.id === truth.started_by);
      await act(starter, truth, "end");
      await agree(s, { id }, who(s, answers));
    }
  }
  close(s);
  assert.equal(crossed, ROUNDS, "each pair of requests used one connection to each worker");
  assert.equal(new Set(calls).size, ROUNDS);
  const rows = await query(
    server,
    `select json_agg(r) from (select c.end_reason as ended, count(*) from calls c
      where c.id in (${calls.map((id) => `'${id}'`)}) group by 1 order by 1) r`,
  );
  assert.deepEqual(await leftovers(server), []);
  t.diagnostic(`won: ${wins.first} first, ${wins.second} second; in the database: ${rows.map((r) => `${r.count} ${r.ended}`).join(", ")}`);
  assert.ok(wins.first > 0 && wins.second > 0, `both can win: ${JSON.stringify(wins)}`);
  return { calls, wins, rows: Object.fromEntries(rows.map((r) => [r.ended, Number(r.count)])) };
}

const rang = (person, call) => person.pages.map((page) => page.rings.get(call.id));

test("answer against cancel", async (t) => {
  const { wins, rows } = await race(
    t,
    2,
    async ({ people: [ana, bela] }) => {
      const call = await start(ana, bela);
      return { call, first: [bela, "POST", `/calls/${call.id}/answer`], second: [ana, "POST", `/calls/${call.id}/leave`] };
    },
    {
      winner: ([answer]) => (answer.status === 200 ? "first" : "second"),
      check: ([answer, leave], call, won, { people: [, bela] }) => {
        assert.deepEqual([leave.status, call.state], [200, "ended"]);
        assert.equal(call.end_reason, won === "first" ? "hangup" : "cancelled");
        assert.equal(member(call, bela).state, won === "first" ? "left" : "missed");
        if (won === "second") assert.deepEqual([answer.json.code, answer.json.call.state], ["wrong_state", "ended"]);
        if (won === "second") assert.deepEqual(rang(bela, call), ["cancelled", "cancelled"]);
      },
    },
  );
  assert.deepEqual([rows.hangup, rows.cancelled], [wins.first, wins.second]);
});

test("answer against answer on two devices of one person", async (t) => {
  const { calls, wins } = await race(
    t,
    2,
    async (s) => {
      const [ana, bela] = s.people;
      if (!s.phone) {
        s.phone = await bela.device();
        s.phone.pages = await pages(server, s.phone);
        s.everybody.push(s.phone);
      }
      const call = await start(ana, bela);
      return { call, first: [bela, "POST", `/calls/${call.id}/answer`], second: [s.phone, "POST", `/calls/${call.id}/answer`] };
    },
    {
      who: (s) => [...s.people, s.phone],
      winner: ([one]) => (one.status === 200 ? "first" : "second"),
      check: (answers, call, won, s) => {
        const [winner, loser] = won === "first" ? [s.people[1], s.phone] : [s.phone, s.people[1]];
        assert.deepEqual(answers.map((a) => a.status).sort(), [200, 409]);
        const lost = answers.find((a) => a.status === 409).json;
        assert.deepEqual([lost.code, lost.call.state, call.state], ["answered_elsewhere", "active", "active"]);
        assert.deepEqual(rang(loser, call), ["answered_elsewhere", "answered_elsewhere"]);
        assert.deepEqual(rang(winner, call), ["here", "here"]);
      },
    },
  );
  const rows = await query(
    server,
    `select json_object_agg(r.sign_in, r.n) from (select m.sign_in, count(*) as n from call_members m
      where m.position = 1 and m.call_id in (${calls.map((id) => `'${id}'`)}) group by 1) r`,
  );
  assert.deepEqual(Object.values(rows).sort(), Object.values(wins).sort());
});

test("two who call each other", async (t) => {
  const { calls, wins } = await race(
    t,
    2,
    async ({ people: [ana, bela] }) => ({
      first: [ana, "POST", "/calls", { id: randomUUID(), invite: [bela.id] }],
      second: [bela, "POST", "/calls", { id: randomUUID(), invite: [ana.id] }],
    }),
    {
      winner: (answers, call, s) => (call.started_by === s.people[0].id ? "first" : "second"),
      check: ([one, other], call) => {
        assert.deepEqual([one.status, other.status, call.state], [201, 201, "active"]);
        assert.equal(one.json.call.id, other.json.call.id);
        assert.deepEqual(call.members.map((m) => m.state), ["joined", "joined"]);
      },
    },
  );
  const rows = await query(
    server,
    `select json_agg(r.n) from (select count(*) as n from calls c where c.glare_id is not null
      and c.id in (${calls.map((id) => `'${id}'`)}) group by c.started_by) r`,
  );
  assert.deepEqual(rows.sort(), Object.values(wins).sort());
});

test("leave against add", async (t) => {
  const { rows } = await race(
    t,
    3,
    async (s) => {
      const [ana, bela, carla] = s.people;
      const call = await start(ana, bela);
      await act(bela, call, "answer");
      return { call, first: [ana, "POST", `/calls/${call.id}/invite`, { invite: [carla.id] }], second: [bela, "POST", `/calls/${call.id}/leave`] };
    },
    {
      // Carla knows nothing of a call to which she was not added; Bela's pages hear no more once Bela has left.
      who: (s, [add]) => (add.status === 200 ? [s.people[0], s.people[2]] : s.people.slice(0, 2)),
      winner: ([add]) => (add.status === 200 ? "first" : "second"),
      check: ([add, leave], call, won, { people: [ana, bela, carla] }) => {
        assert.equal(leave.status, 200);
        assert.equal(member(call, bela).state, "left");
        for (const page of bela.pages) assert.equal(member(page.calls.get(call.id), bela).state, "left");
        if (won === "first") assert.deepEqual([call.state, member(call, carla).state], ["active", "ringing"]);
        else assert.deepEqual([add.json.code, add.json.call.state, call.state], ["wrong_state", "ended", "ended"]);
        if (won === "second") for (const page of carla.pages) assert.ok(!page.calls.has(call.id));
        assert.equal(member(call, ana).state, won === "first" ? "joined" : "left");
      },
    },
  );
  assert.deepEqual(Object.keys(rows), ["hangup"]);
});

test("pause against leave", async (t) => {
  await race(
    t,
    2,
    async ({ people: [ana, bela] }) => {
      const call = await start(ana, bela);
      await act(bela, call, "answer");
      return { call, first: [ana, "PATCH", `/calls/${call.id}/members/me`, { paused: true }], second: [bela, "POST", `/calls/${call.id}/leave`] };
    },
    {
      winner: ([pause]) => (pause.status === 200 ? "first" : "second"),
      check: ([pause, leave], call, won) => {
        assert.deepEqual([leave.status, call.state, call.end_reason], [200, "ended", "hangup"]);
        assert.equal(call.version, won === "first" ? 4 : 3);
        if (won === "second") assert.deepEqual([pause.json.code, pause.json.call.state], ["wrong_state", "ended"]);
      },
    },
  );
});

test("remove against coming back", async (t) => {
  await race(
    t,
    3,
    async ({ people: [ana, bela, carla] }) => {
      const call = await start(ana, bela, carla);
      await act(bela, call, "answer");
      await act(carla, call, "answer");
      await act(bela, call, "leave");
      return { call, first: [bela, "POST", `/calls/${call.id}/answer`], second: [ana, "DELETE", `/calls/${call.id}/members/${bela.id}`] };
    },
    {
      who: (s, [back]) => (back.status === 200 ? s.people : [s.people[0], s.people[2]]),
      winner: ([back]) => (back.status === 200 ? "first" : "second"),
      check: ([back, remove], call, won, { people: [, bela] }) => {
        assert.equal(remove.status, 200);
        assert.deepEqual([call.state, member(call, bela).state], ["active", "left"]);
        if (won === "second") assert.deepEqual([back.json.code, member(back.json.call, bela).state], ["wrong_state", "left"]);
        for (const page of bela.pages) assert.equal(member(page.calls.get(call.id), bela).state, "left");
      },
    },
  );
});

test("end against add", async (t) => {
  await race(
    t,
    3,
    async ({ people: [ana, bela, carla] }) => {
      const call = await start(ana, bela);
      await act(bela, call, "answer");
      return { call, first: [bela, "POST", `/calls/${call.id}/invite`, { invite: [carla.id] }], second: [ana, "POST", `/calls/${call.id}/end`] };
    },
    {
      who: (s, [add]) => (add.status === 200 ? s.people : s.people.slice(0, 2)),
      winner: ([add]) => (add.status === 200 ? "first" : "second"),
      check: ([add, end], call, won, { people: [, , carla] }) => {
        assert.deepEqual([end.status, call.state, call.end_reason], [200, "ended", "hangup"]);
        // A page that heard of the end first never rang.
        for (const how of rang(carla, call)) assert.ok(how === undefined || (won === "first" && how === "hangup"), how);
        if (won === "first") assert.equal(member(call, carla).state, "missed");
        else assert.deepEqual([add.json.code, add.json.call.state, member(call, carla)], ["wrong_state", "ended", undefined]);
      },
    },
  );
});

// The sweepers look each second. Where they are in that second is learned from the calls that they ended; then many
// declines are aimed at that instant, spread over a few milliseconds around it.
test("decline against the end of ringing", async (t) => {
  const PAIRS = 20;
  const SPREAD_MS = 30;
  quick = await Server.start({ workers: 2, mediads: 1, opts: ["calls.ring_timeout=1"] });
  const people = await crowd(quick, PAIRS * 2, "Bela");
  const pairs = Array.from({ length: PAIRS }, (_, i) => people.slice(2 * i, 2 * i + 2));
  await query(
    quick,
    `insert into contacts (owner_id, other_id, state) values ${pairs.flatMap(([a, b]) => [`('${a.id}', '${b.id}', 'accepted')`, `('${b.id}', '${a.id}', 'accepted')`])}`,
  );
  await Promise.all(people.map(async (p) => (p.pages = [await Page.open(p), await Page.open(p)])));
  const outcomes = { declined: 0, timeout: 0 };
  const calls = [];
  let close_ = 0; // declines within 15 ms of the sweep that ended another call
  let sweep; // when one was, by the clock that this machine and its database share
  for (let batch = 0; calls.length < ROUNDS + PAIRS; batch++) {
    let aim = null;
    if (sweep !== undefined) {
      // Their deadlines pass 100 to 400 ms before the sweep that is meant.
      aim = sweep + 1000 * Math.ceil((Date.now() + 1500 - sweep) / 1000);
      await sleep(aim - 1400 - Date.now());
    }
    const round = await Promise.all(pairs.map(([ana, bela]) => start(ana, bela)));
    calls.push(...round.map((c) => c.id));
    const answers = await Promise.all(
      pairs.map(async ([, bela], i) => {
        if (aim === null) return null;
        await sleep(aim + ((i + 0.5) / PAIRS - 0.5) * SPREAD_MS - Date.now());
        return bela.request("POST", `/calls/${round[i].id}/decline`);
      }),
    );
    const ends = await Promise.all(
      pairs.map(async ([ana, bela], i) =>
        eventually(`call ${i} of batch ${batch} has ended on all pages`, async () => {
          const truth = await now(ana, round[i]);
          assert.equal(truth.state, "ended");
          for (const p of [ana, bela])
            for (const page of p.pages) {
              assert.deepEqual(page.calls.get(truth.id), truth);
              assert.notEqual(page.rings.get(truth.id), "rings");
            }
          return truth;
        }, 10_000),
      ),
    );
    const missed = ends.filter((c) => c.end_reason === "timeout").map((c) => Date.parse(c.ended_at));
    if (missed.length) sweep = Math.min(...missed);
    if (aim === null) continue;
    for (const [i, truth] of ends.entries()) {
      const [ana, bela] = pairs[i];
      outcomes[truth.end_reason]++;
      close_ += Math.abs(Date.parse(truth.ended_at) - sweep) < 15;
      assert.equal(member(truth, bela).state, truth.end_reason === "declined" ? "declined" : "missed");
      assert.equal(answers[i].status, truth.end_reason === "declined" ? 200 : 409);
      if (answers[i].status === 409) assert.deepEqual([answers[i].json.code, answers[i].json.call], ["wrong_state", truth]);
      for (const page of ana.pages) assert.equal(page.calls.get(truth.id).end_reason, truth.end_reason);
      for (const p of [ana, bela]) for (const page of p.pages) assert.deepEqual(page.faults, []);
    }
  }
  const rows = await query(quick, `select json_object_agg(r.end_reason, r.n) from (select end_reason, count(*) as n from calls group by 1) r`);
  assert.deepEqual(await leftovers(quick), []);
  t.diagnostic(`won: ${outcomes.declined} declined, ${outcomes.timeout} ended by the sweeper, ${close_} of all within 15 ms of a sweep; in the database: ${JSON.stringify(rows)}`);
  assert.deepEqual(rows, { declined: outcomes.declined, timeout: outcomes.timeout + PAIRS });
  assert.ok(outcomes.declined > 0 && outcomes.timeout > 0, `both can win: ${JSON.stringify(outcomes)}`);
  for (const p of people) for (const page of p.pages) page.close();
  await quick.stop();
  quick = undefined;
});

// The answer waits for the call's row, its worker dies, and the database goes on: nobody is left to tell of it.
test("a worker dies between an answer and telling of it: the caller's pages learn that it was answered", async () => {
  const s = await scene(2);
  const [ana, bela] = s.people;
  const call = await start(ana, bela);
  await agree(s, call, s.people);
  const name = `holder ${randomUUID().slice(0, 8)}`;
  const held = query(
    server,
    `set application_name = '${name}'; begin; select 'null' from calls where id = '${call.id}' for update; select 'null', pg_sleep(60);`,
  ).catch(() => {});
  const sees = (where) => query(server, `select count(*) from pg_stat_activity where ${where}`);
  await eventually("the row is held", () => sees(`application_name = '${name}' and query like '%pg_sleep%'`));
  const answered = s.lanes[1].request(bela, "POST", `/calls/${call.id}/answer`).catch((error) => error);
  await eventually("the answer waits for the row", () => sees("wait_event_type = 'Lock'"));
  server.kill("worker", 1);
  assert.ok((await answered) instanceof Error, "there was no answer");
  await query(server, `select to_json(pg_terminate_backend(pid)) from pg_stat_activity where application_name = '${name}'`);
  await held;
  const truth = await eventually("the answer was made", async () => {
    const view = await now(ana, call);
    return view.state === "active" && view;
  });
  await eventually("the pages that are left know it", () => {
    for (const p of s.people) assert.deepEqual(p.pages[0].calls.get(call.id), truth);
    for (const p of s.people) assert.equal(s.watcher.pages[0].contacts.get(p.id).presence, "busy");
    return true;
  }, 20_000);
  for (const p of s.everybody) assert.deepEqual(p.pages[0].faults, []);
  assert.ok(s.everybody.every((p) => p.pages[0].open), "without a new connection");
  await act(ana, call, "end");
  close(s);
});
