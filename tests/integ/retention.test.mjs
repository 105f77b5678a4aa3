// [retention]: what is older than it says goes, what is newer stays.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { ROOT, Server, eventually, sleep } from "../support/server.mjs";
import { Person, befriend, randomUUID } from "../support/api.mjs";

const servers = {};
before(async () => {
  servers.kept = await Server.start({ workers: 1, mediads: 1, opts: ["retention.audit_days=0"] });
  servers.swept = await Server.start({
    workers: 2,
    mediads: 1,
    opts: ["retention.history_days=30", "retention.messages_days=7", "retention.audit_days=10"],
  });
});
after(async () => {
  for (const server of Object.values(servers)) await server.stop();
});

/** Calls of Ana and Bela that ended so many days ago, with two messages each; the one that began `late` days ago ended today,
 * and its second message is of today. */
async function history(server, ages, late) {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  const calls = {};
  for (const days of ages) {
    const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
    await bela.must("POST", `/calls/${call.id}/answer`);
    for (const text of ["one", "two"]) await ana.must("POST", `/calls/${call.id}/messages`, { id: randomUUID(), text });
    await ana.must("POST", `/calls/${call.id}/end`);
    calls[days] = call.id;
    const back = `interval '${days} days'`;
    const end = days === late ? "interval '0'" : back;
    server.sql(`update calls set created_at = created_at - ${back}, answered_at = answered_at - ${back}, ended_at = ended_at - ${end} where id = '${call.id}';
      update call_members set call_created_at = call_created_at - ${back}, joined_at = joined_at - ${back}, left_at = left_at - ${end} where call_id = '${call.id}';
      update messages set created_at = created_at - ${back} where call_id = '${call.id}' and ${days === late ? "seq = 1" : "true"};
      update contacts set last_call_at = last_call_at - ${back} where '${ana.id}' in (owner_id, other_id)`);
  }
  return { ana, bela, calls };
}
/** A fresh worker looks at once, instead of within a minute. */
function look(server) {
  server.kill("worker", 0);
}
const listed = async (p) => Object.fromEntries((await p.must("GET", "/calls")).json.items.map((c) => [c.id, c.messages]));

test("old calls go, old messages go and leave their call, young ones stay", async () => {
  const server = servers.swept;
  const { ana, bela, calls } = await history(server, [31, 29, 8, 6], 8);
  look(server);
  await eventually("the old ones are gone", async () => !(calls[31] in (await listed(bela))) && (await listed(bela))[calls[29]] === 0, 30_000);
  for (const p of [ana, bela]) {
    assert.deepEqual(await listed(p), { [calls[29]]: 0, [calls[8]]: 1, [calls[6]]: 2 });
    assert.equal((await p.request("GET", `/calls/${calls[31]}`)).status, 404);
    assert.deepEqual((await p.must("GET", `/calls/${calls[29]}/messages`)).json.items, []);
    assert.deepEqual((await p.must("GET", `/calls/${calls[8]}/messages`)).json.items.map((m) => [m.seq, m.text]), [[2, "two"]]);
  }
  assert.equal(server.sql(`select count(*) from call_members where call_id = '${calls[31]}'`), "0");
  assert.equal(server.sql(`select count(*) from messages where call_id in ('${calls[31]}', '${calls[29]}')`), "0");
});

test("with the last call gone the contacts do not tell of it any more", async () => {
  const server = servers.swept;
  const { ana, bela } = await history(server, [40]);
  look(server);
  for (const p of [ana, bela])
    await eventually("last_call_at is empty", async () => (await p.must("GET", "/contacts")).json.items[0].last_call_at === null, 30_000);
});

test("old rows of the audit log go, young ones stay", async () => {
  const server = servers.swept;
  server.sql(`insert into audit (at, actor, action) select now() - interval '11 days', 'admin', 'old' from generate_series(1, 1000);
    insert into audit (at, actor, action) values (now() - interval '9 days', 'admin', 'young')`);
  look(server);
  await eventually("all in several steps", () => server.sql("select count(*) from audit where action = 'old'") === "0", 30_000);
  assert.equal(server.sql("select count(*) from audit where action = 'young'"), "1");
});

test("hundreds of old calls and messages go in steps, and a call that somebody works on is left for later", async () => {
  const server = servers.swept;
  const { ana, calls } = await history(server, [5]);
  const call = calls[5];
  server.sql(`insert into messages (id, call_id, seq, user_id, text, created_at) select gen_random_uuid(), '${call}', n, '${ana.id}', 'old', now() from generate_series(3, 902) n;
    update calls set messages = 902 where id = '${call}'`);
  const env = { ...process.env, PARLEY_VAR: path.join(server.dir, "var") };
  const holder = spawn(path.join(ROOT, "scripts/pg"), ["psql", "-X", "-q", "-A", "-t"], { cwd: ROOT, env, stdio: ["pipe", "pipe", "inherit"] });
  holder.stdin.write(`begin; select 'held' from calls where id = '${call}' for update;\n`);
  assert.equal((await once(holder.stdout, "data")).toString(), "held\n");
  server.sql(`update messages set created_at = now() - interval '36 days' where call_id = '${call}' and seq <= 900;
    insert into calls (id, state, video, started_by, created_at, ended_at, end_reason, reconnect_grace)
    select gen_random_uuid(), 'ended', true, '${ana.id}', now() - interval '50 days', now() - interval '50 days', 'timeout', '30 s' from generate_series(1, 700);
    insert into call_members (call_id, user_id, position, state, call_created_at) select id, '${ana.id}', 0, 'left', created_at from calls where ended_at < now() - interval '49 days'`);
  look(server);
  await eventually("the others are gone", () => server.sql("select count(*) from calls where ended_at < now() - interval '49 days'") === "0", 30_000);
  assert.equal(server.sql(`select count(*) from messages where call_id = '${call}'`), "902", "this one is locked");
  holder.stdin.end("commit;\n");
  await once(holder, "exit");
  look(server);
  await eventually("it follows", () => server.sql(`select count(*) from messages where call_id = '${call}'`) === "2", 30_000);
  assert.deepEqual(await listed(ana), { [call]: 2 });
});

test("without days everything stays", async () => {
  const server = servers.kept;
  const { ana, calls } = await history(server, [4000]);
  server.sql("insert into audit (at, actor, action) values (now() - interval '4000 days', 'admin', 'old')");
  look(server);
  // The same question as on the other server, asked and answered.
  await eventually("the new worker is there", async () => (await ana.request("GET", "/me").catch(() => null))?.status === 200, 30_000);
  await sleep(3000);
  assert.deepEqual(await listed(ana), { [calls[4000]]: 2 });
  assert.equal(server.sql("select count(*) from audit where action = 'old'"), "1");
});
