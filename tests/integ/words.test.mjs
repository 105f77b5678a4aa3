// Words outside a call: replies of those for whom it rings, messages for those who did not answer.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, sleep } from "../support/server.mjs";
import { Person, befriend, randomUUID } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: ["limits.messages_per_minute=300", "limits.logins_per_minute=0"] })));
after(() => server?.stop());

const people = async (...names) => Promise.all(names.map((name) => Person.create(server, name)));
const post = (p, call, text, id = randomUUID()) => p.request("POST", `/calls/${call.id}/messages`, { id, text });
const read = async (p, call) => (await p.must("GET", `/calls/${call.id}/messages`)).json.items.map((m) => m.text);
const mark = (p, call, seq) => p.request("PUT", `/calls/${call.id}/messages/read`, { seq });
const inHistory = async (p, call) => (await p.must("GET", "/calls")).json.items.find((c) => c.id === call.id);
const block = (a, b) => a.must("PATCH", `/contacts/${b.id}`, { blocked: true });
const ring = async (a, ...others) => (await a.must("POST", "/calls", { invite: others.map((o) => o.id) })).json.call;
const heard = (p, type) => p.events.filter((e) => e.type === type);

/** Ana has called Bela, who did not answer. */
async function missed() {
  const [ana, bela] = await people("Ana", "Bela");
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  const call = await ring(ana, bela);
  await ana.must("POST", `/calls/${call.id}/leave`);
  await bela.event("call.ended");
  return { ana, bela, call };
}

test("who is called replies and declines: the caller's pages and the own ones hear it, and both read it afterwards", async () => {
  const [ana, bela] = await people("Ana", "Bela");
  const phone = await bela.device();
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect(), phone.connect()]);
  const call = await ring(ana, bela);
  await bela.event("call.ringing");
  const { status, json } = await post(bela, call, "I will call you back.");
  assert.deepEqual([status, json.message.user_id, json.message.seq], [201, bela.id, 1]);
  for (const p of [ana, bela, phone]) assert.deepEqual((await p.event("message")).message, json.message);
  await bela.must("POST", `/calls/${call.id}/decline`);
  assert.equal((await ana.event("call.ended")).call.end_reason, "declined");
  for (const p of [ana, bela]) {
    assert.deepEqual(await read(p, call), ["I will call you back."]);
    const { messages, unread } = await inHistory(p, call);
    assert.deepEqual([messages, unread], [1, 0], "the caller was there, the other one wrote it");
  }
  assert.equal((await post(bela, call, "and again")).json.code, "wrong_state");
});

test("who called and got no answer leaves a message: it is heard at once, unread in the history, and read once for all devices", async () => {
  const { ana, bela, call } = await missed();
  const phone = await bela.device();
  await phone.connect();
  const { status, json } = await post(ana, call, "Call me when you can.");
  assert.equal(status, 201);
  for (const p of [ana, bela, phone]) assert.deepEqual((await p.event("message")).message, json.message);
  assert.deepEqual([(await inHistory(bela, call)).unread, (await inHistory(ana, call)).unread], [1, 0]);
  assert.equal((await bela.must("GET", `/calls/${call.id}`)).json.call.unread, 1);
  assert.deepEqual(await read(bela, call), ["Call me when you can."]);
  assert.equal((await inHistory(bela, call)).unread, 1, "a list that was fetched was not yet read by anybody");
  assert.equal((await mark(bela, call, 1)).status, 204);
  for (const p of [bela, phone]) assert.equal((await p.event("messages.read", (e) => e.call_id === call.id)).seq, 1);
  assert.equal((await mark(bela, call, 1)).status, 204);
  assert.equal((await inHistory(phone, call)).unread, 0);
  await post(ana, call, "Still here.");
  assert.equal((await inHistory(bela, call)).unread, 1);
  assert.equal((await mark(bela, call, 99)).status, 204, "as far as there is something");
  assert.equal((await bela.event("messages.read", (e) => e.seq !== 1)).seq, 2);
  await sleep(200);
  assert.equal(heard(ana, "messages.read").length, 0, "nobody else is told who has read what");
  const stranger = await Person.create(server, "Dora");
  assert.equal((await mark(stranger, call, 1)).status, 404);
  for (const seq of [0, -1, 1.5, "1", null]) assert.equal((await mark(bela, call, seq)).json.field, "seq");
});

test("however a call goes unanswered, the caller can leave a message; nobody else can, and not after a conversation", async () => {
  const [ana, bela, carla] = await people("Ana", "Bela", "Carla");
  await befriend(ana, bela);
  await befriend(ana, carla);
  const ends = {
    declined: async (call) => bela.must("POST", `/calls/${call.id}/decline`),
    cancelled: async (call) => ana.must("POST", `/calls/${call.id}/leave`),
    timeout: async (call) => {
      server.sql(`update calls set ring_deadline = now() - interval '1 second' where id = '${call.id}'`);
      for (let i = 0; i < 100 && (await ana.must("GET", `/calls/${call.id}`)).json.call.state !== "ended"; i++) await sleep(100);
    },
    busy: async () => undefined,
  };
  for (const [reason, end] of Object.entries(ends)) {
    if (reason === "busy") await bela.must("PATCH", "/me", { status: "do_not_disturb" });
    const call = await ring(ana, bela);
    await end(call);
    assert.equal((await ana.must("GET", `/calls/${call.id}`)).json.call.end_reason, reason);
    assert.equal((await post(ana, call, reason)).status, 201, reason);
    assert.deepEqual(await read(bela, call), [reason]);
    const answer = await post(bela, call, "me too");
    assert.deepEqual([answer.status, answer.json.code, answer.json.call.id], [409, "wrong_state", call.id]);
    assert.equal((await post(carla, call, "x")).status, 404);
  }
  await bela.must("PATCH", "/me", { status: "available" });
  const call = await ring(ana, bela, carla);
  await bela.must("POST", `/calls/${call.id}/answer`);
  await ana.must("POST", `/calls/${call.id}/end`);
  assert.equal((await post(ana, call, "late")).json.code, "wrong_state");
});

test("a day and ten messages, then it is time to call again", async () => {
  const { ana, bela, call } = await missed();
  const id = randomUUID();
  for (let i = 1; i <= 10; i++) assert.equal((await post(ana, call, `${i}`, i === 10 ? id : undefined)).status, 201);
  const more = await post(ana, call, "11");
  assert.deepEqual([more.status, more.json.code], [403, "forbidden"]);
  assert.equal((await post(ana, call, "10", id)).status, 201, "a repetition is not one more");
  assert.equal((await read(bela, call)).length, 10);
  const second = await ring(ana, bela);
  for (let i = 1; i <= 10; i++) assert.equal((await post(bela, second, `${i}`)).status, 201);
  assert.equal((await post(bela, second, "11")).json.code, "forbidden");
  await bela.must("POST", `/calls/${second.id}/decline`);
  server.sql(`update calls set ended_at = now() - interval '25 hours' where id = '${second.id}'`);
  const late = await post(ana, second, "late");
  assert.deepEqual([late.status, late.json.code, late.json.call.id], [409, "wrong_state", second.id]);
});

test("what was said in a conversation is not for who never came into it; what was said before it is", async () => {
  const [ana, bela, carla, dora] = await people("Ana", "Bela", "Carla", "Dora");
  for (const p of [bela, carla, dora]) await befriend(ana, p);
  await Promise.all([ana, bela, carla, dora].map((p) => p.connect()));
  const call = await ring(ana, bela, carla);
  await post(ana, call, "to all who are called");
  await post(carla, call, "not today");
  await carla.must("POST", `/calls/${call.id}/decline`);
  await bela.must("POST", `/calls/${call.id}/answer`);
  await post(ana, call, "between us");
  await ana.must("POST", `/calls/${call.id}/invite`, { invite: [dora.id] });
  await dora.event("call.ringing");
  await post(dora, call, "Dora has no time");
  await bela.event("message", (e) => e.message.text === "Dora has no time");
  await dora.must("POST", `/calls/${call.id}/decline`);
  await post(bela, call, "what a pity");
  await ana.must("POST", `/calls/${call.id}/end`);
  const before = ["to all who are called", "not today"];
  const all = [...before, "between us", "Dora has no time", "what a pity"];
  for (const p of [ana, bela]) assert.deepEqual(await read(p, call), all);
  assert.deepEqual(await read(carla, call), before);
  assert.deepEqual(await read(dora, call), ["Dora has no time"], "she was not among those called then");
  assert.deepEqual(heard(carla, "message").map((e) => e.message.text), before);
  assert.deepEqual(heard(dora, "message").map((e) => e.message.text), ["Dora has no time"]);
  const counts = {};
  for (const p of [ana, bela, carla, dora]) counts[p.name] = (({ messages, unread }) => [messages, unread])(await inHistory(p, call));
  assert.deepEqual(counts, { Ana: [5, 0], Bela: [5, 0], Carla: [2, 1], Dora: [1, 0] });
});

test("whoever is blocked writes in vain and cannot tell it from an absence", async () => {
  // The same steps with somebody who blocks before the call, one who does it after, and one who is only not there.
  const answers = {};
  for (const when of ["before", "after", "never"]) {
    const [ana, bela] = await people("Ana", "Bela");
    await befriend(ana, bela);
    await bela.connect();
    if (when === "before") await block(bela, ana);
    const call = await ring(ana, bela);
    await post(ana, call, "while it rings");
    await ana.must("POST", `/calls/${call.id}/leave`);
    if (when === "after") await block(bela, ana);
    const { status, json } = await post(ana, call, "please answer");
    const own = (await ana.must("GET", `/calls/${call.id}`)).json.call;
    answers[when] = [status, json.message.seq, await read(ana, call), own.messages, own.unread, own.end_reason, own.members[1].state];
    await sleep(300);
    const texts = heard(bela, "message").map((e) => e.message.text);
    if (when === "before") {
      assert.deepEqual(texts, []);
      assert.equal((await bela.request("GET", `/calls/${call.id}/messages`)).status, 404);
      assert.equal((await mark(bela, call, 1)).status, 404);
      assert.equal(await inHistory(bela, call), undefined);
      assert.equal((await post(bela, call, "x")).status, 404);
    } else {
      const seen = when === "after" ? ["while it rings"] : ["while it rings", "please answer"];
      assert.deepEqual(texts, seen);
      assert.deepEqual(await read(bela, call), seen);
      const { messages, unread } = await inHistory(bela, call);
      assert.deepEqual([messages, unread], [seen.length, seen.length]);
    }
    if (when === "after") {
      await bela.must("PATCH", `/contacts/${ana.id}`, { blocked: false });
      assert.deepEqual(await read(bela, call), ["while it rings"], "forgiven, but not delivered later");
    }
  }
  assert.deepEqual(answers.before, answers.never);
  assert.deepEqual(answers.after, answers.never);
});

test("somebody whom the caller blocks while it rings there is not heard by the caller either", async () => {
  const [ana, bela] = await people("Ana", "Bela");
  await befriend(ana, bela);
  await ana.connect();
  const call = await ring(ana, bela);
  await block(ana, bela);
  assert.equal((await post(bela, call, "why?")).status, 201);
  await bela.must("POST", `/calls/${call.id}/decline`);
  await ana.event("call.ended");
  assert.equal(heard(ana, "message").length, 0);
  assert.deepEqual(await read(ana, call), []);
  assert.deepEqual(await read(bela, call), ["why?"]);
});

test("who is no contact any more gets no message", async () => {
  const { ana, bela, call } = await missed();
  await bela.must("DELETE", `/contacts/${ana.id}`);
  const removed = await post(ana, call, "hello?");
  assert.deepEqual([removed.status, removed.json.code], [403, "not_a_contact"]);
  const other = await missed();
  await block(other.ana, other.bela);
  assert.equal((await post(other.ana, other.call, "x")).json.code, "not_a_contact");
});
