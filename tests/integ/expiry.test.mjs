// Sign-ins that end by themselves: their time is over, or there are too many of one account.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { Person, befriend } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: ["limits.logins_per_minute=0"] })));
after(() => server?.stop());

const expire = (p) => server.sql(`update sessions set expires_at = now() - interval '1 second' where token_hash = sha256('${p.token}'::bytea)`);
async function talk() {
  const [ana, bela] = await Promise.all(["Ana", "Bela"].map((name) => Person.create(server, name)));
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  await bela.must("POST", `/calls/${call.id}/answer`);
  return { ana, bela, call };
}

test("a sign-in whose time is over loses its WebSocket and leaves its call; other devices stay", async () => {
  const { ana, bela, call } = await talk();
  const phone = await ana.device();
  await phone.connect();
  expire(ana);
  assert.equal((await ana.request("GET", "/me")).status, 401, "at once, whatever the sweeper does");
  assert.equal(await ana.closed, 4401);
  const ended = (await bela.event("call.ended", (e) => e.call_id === call.id, 15_000)).call;
  assert.deepEqual([ended.end_reason, ended.members[0].state], ["hangup", "left"]);
  assert.equal((await phone.must("GET", `/calls/${call.id}`)).json.call.state, "ended");
  assert.equal(phone.ws.readyState, 1);
  assert.equal(server.sql(`select count(*) from sessions where user_id = '${ana.id}'`), "1");
});

test("a device that only waits loses its WebSocket, and the call of the other one goes on", async () => {
  const { ana, bela, call } = await talk();
  const phone = await ana.device();
  await phone.connect();
  expire(phone);
  assert.equal(await phone.closed, 4401);
  assert.equal((await bela.must("GET", `/calls/${call.id}`)).json.call.state, "active");
  assert.equal(ana.ws.readyState, 1);
});

test("many sign-ins of many people end together, those in one call among them, and nothing gets stuck", async () => {
  const pairs = await Promise.all(Array.from({ length: 6 }, talk));
  const all = pairs.flatMap(({ ana, bela }) => [ana, bela]);
  const ids = all.map((p) => `'${p.id}'`).join();
  server.sql(`update sessions set expires_at = now() - interval '1 second' where user_id in (${ids})`);
  for (const p of all) assert.equal(await p.closed, 4401);
  await eventually("no call goes on", () => server.sql(`select count(*) from calls where state <> 'ended' and started_by in (${ids})`) === "0", 15_000);
  assert.equal(server.sql(`select count(*) from sessions where user_id in (${ids})`), "0");
  assert.doesNotMatch(server.log(), /deadlock/);
});

test("the 201st sign-in of an account ends the oldest, with its WebSocket and its call", async () => {
  const { ana, bela, call } = await talk();
  server.sql(`update sessions set created_at = created_at - interval '1 hour' where token_hash = sha256('${ana.token}'::bytea);
    insert into sessions (id, user_id, token_hash, expires_at, user_agent)
    select gen_random_uuid(), '${ana.id}', sha256(gen_random_uuid()::text::bytea), now() + interval '1 day', 'test' from generate_series(1, 199)`);
  const fresh = await ana.device();
  assert.equal(await ana.closed, 4401);
  assert.equal((await bela.event("call.ended", (e) => e.call_id === call.id)).call.members[0].state, "left");
  assert.equal((await ana.request("GET", "/me")).status, 401);
  assert.equal((await fresh.must("GET", "/sessions")).json.items.length, 200);
});

test("signing out, expiring, disabling and signing in at once takes locks in one order", async () => {
  const pairs = await Promise.all(Array.from({ length: 4 }, talk));
  const work = [];
  for (const { ana, bela } of pairs)
    for (const p of [ana, bela]) {
      for (let i = 0; i < 3; i++) work.push(p.device().then((d) => d.request("DELETE", "/sessions/current")));
      work.push(p.request("PUT", "/me/password", { current: p.password, new: p.password }));
      work.push(p.request("POST", "/sessions", { username: p.username, password: p.password }));
    }
  server.sql(`update sessions set expires_at = now() - interval '1 second' where user_id = '${pairs[0].ana.id}'`);
  work.push(pairs[1].ana.must("DELETE", "/me", { password: pairs[1].ana.password }));
  const answers = await Promise.allSettled(work);
  for (const { value, reason } of answers) assert.ok(value ? value.status < 500 : reason.status !== 503, JSON.stringify(value?.json ?? reason?.message));
  assert.doesNotMatch(server.log(), /deadlock/);
});
