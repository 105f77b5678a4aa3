import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, sleep } from "../support/server.mjs";
import { Person, befriend, randomUUID } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: ["limits.messages_per_minute=300"] })));
after(() => server?.stop());

/** Ana, Bela and Carla know each other; Ana is in a call with Bela. */
async function talk() {
  const [ana, bela, carla] = await Promise.all(["Ana", "Bela", "Carla"].map((name) => Person.create(server, name)));
  await befriend(ana, bela);
  await befriend(ana, carla);
  await Promise.all([ana.connect(), bela.connect(), carla.connect()]);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  await bela.must("POST", `/calls/${call.id}/answer`);
  return { ana, bela, carla, call };
}
const post = (p, call, text, id = randomUUID()) => p.request("POST", `/calls/${call.id}/messages`, { id, text });
const read = async (p, call, after = 0) => (await p.must("GET", `/calls/${call.id}/messages?after=${after}`)).json;
const send = (p, message) => p.ws.send(JSON.stringify(message));

test("what one writes reaches everybody in the call, on all their pages, and is there to be read", async () => {
  const { ana, bela, carla, call } = await talk();
  const phone = await ana.device();
  await phone.connect();
  const { json, status } = await post(ana, call, "Olá 👋\nsee https://example.org");
  assert.equal(status, 201);
  assert.deepEqual([json.message.seq, json.message.user_id, json.message.call_id], [1, ana.id, call.id]);
  for (const p of [ana, phone, bela]) assert.deepEqual((await p.event("message")).message, json.message);
  assert.ok(!carla.events.some((e) => e.type === "message"));
  assert.deepEqual((await read(bela, call)).items, [json.message]);
  assert.equal((await bela.must("GET", `/calls/${call.id}`)).json.call.messages, 1);
});

test("the same id makes one message, however often and wherever it is posted", async () => {
  const { ana, bela, call } = await talk();
  const id = randomUUID();
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(ana, call, "once", id)));
  assert.deepEqual(answers.map((a) => a.status), Array(8).fill(201));
  assert.equal(new Set(answers.map((a) => JSON.stringify(a.json))).size, 1);
  await bela.event("message");
  await sleep(300);
  assert.ok(!bela.events.some((e) => e.type === "message"), "told twice");
  assert.equal((await read(bela, call)).items.length, 1);
  const stolen = await post(bela, call, "mine", id);
  assert.deepEqual([stolen.status, stolen.json.code, stolen.json.field], [422, "invalid_field", "id"]);
  const { call: other } = (await talkWith(ana, bela, call)).json;
  const elsewhere = await post(ana, other, "again", id);
  assert.deepEqual([elsewhere.status, elsewhere.json.field], [422, "id"]);
});

async function talkWith(a, b, old) {
  await a.must("POST", `/calls/${old.id}/leave`);
  const answer = await a.must("POST", "/calls", { invite: [b.id] });
  await b.must("POST", `/calls/${answer.json.call.id}/answer`);
  return answer;
}

test("many who write at once get numbers without gaps, the same for everybody", async () => {
  const { ana, bela, call } = await talk();
  const all = [];
  for (let i = 0; i < 60; i++) all.push(post(i % 2 ? ana : bela, call, `message ${i}`));
  const seqs = (await Promise.all(all)).map((a) => a.json.message.seq).sort((x, y) => x - y);
  assert.deepEqual(seqs, Array.from({ length: 60 }, (_, i) => i + 1));
  const seen = (await read(ana, call)).items;
  assert.deepEqual(seen.map((m) => m.seq), seqs);
  assert.deepEqual(seen, (await read(bela, call)).items);
  for (let i = 0; i < 60; i++) await bela.event("message");
  assert.deepEqual((await read(bela, call, 58)).items.map((m) => m.seq), [59, 60]);
});

test("reading goes on where a page of 200 ends", async () => {
  const { ana, call } = await talk();
  for (let i = 0; i < 205; i += 41) await Promise.all(Array.from({ length: 41 }, (_, k) => post(ana, call, `${i + k}`)));
  const first = await read(ana, call);
  assert.deepEqual([first.items.length, first.next], [200, "200"]);
  const second = await read(ana, call, first.next);
  assert.deepEqual([second.items.length, second.next, second.items[0].seq], [5, null, 201]);
});

test("who joins late reads all; who left reads what was said until then, also after the call; who never came in nothing of it", async () => {
  const { ana, bela, carla, call } = await talk();
  await post(ana, call, "one");
  await ana.must("POST", `/calls/${call.id}/invite`, { invite: [carla.id] });
  assert.deepEqual((await read(carla, call)).items, []);
  await carla.must("POST", `/calls/${call.id}/answer`);
  assert.deepEqual((await read(carla, call)).items.map((m) => m.text), ["one"]);
  await post(carla, call, "two");
  await bela.must("POST", `/calls/${call.id}/leave`);
  const left = await post(bela, call, "gone");
  assert.deepEqual([left.status, left.json.code, left.json.call.id], [409, "wrong_state", call.id]);
  await post(ana, call, "three");
  assert.deepEqual((await read(bela, call)).items.map((m) => m.text), ["one", "two"]);
  await ana.must("POST", `/calls/${call.id}/end`);
  assert.equal((await post(ana, call, "late")).json.code, "wrong_state");
  assert.deepEqual((await read(ana, call)).items.map((m) => m.text), ["one", "two", "three"]);
  assert.deepEqual((await read(bela, call)).items.map((m) => m.text), ["one", "two"]);
  const stranger = await Person.create(server, "Dora");
  assert.equal((await stranger.request("GET", `/calls/${call.id}/messages`)).status, 404);
  assert.equal((await post(stranger, call, "x")).status, 404);
});

test("what is no message is refused with the field's name", async () => {
  const { ana, call } = await talk();
  const refused = async (body, field, code = "invalid_field") => {
    const answer = await ana.request("POST", `/calls/${call.id}/messages`, body);
    assert.deepEqual([answer.status, answer.json.code, answer.json.field], [422, code, field]);
  };
  await refused({ id: randomUUID(), text: "" }, "text");
  await refused({ id: randomUUID(), text: "x".repeat(4001) }, "text");
  await refused({ id: "1", text: "x" }, "id");
  await refused({ text: "x" }, "id");
  await refused({ id: randomUUID(), text: "x", seq: 1 }, "seq", "unknown_field");
  assert.equal((await post(ana, call, "😀".repeat(4000))).status, 201);
  for (const after of ["-1", "x", "", "1e3", "9999999999"])
    assert.equal((await ana.request("GET", `/calls/${call.id}/messages?after=${after}`)).json.field, "after");
});

test("who writes without end is slowed down", async () => {
  const slow = await Server.start({ workers: 2, mediads: 1, opts: ["limits.messages_per_minute=5"] });
  try {
    const [ana, bela] = [await Person.create(slow, "Ana"), await Person.create(slow, "Bela")];
    await befriend(ana, bela);
    const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
    const answers = [];
    for (let i = 0; i < 8; i++) answers.push(await post(ana, call, `${i}`));
    assert.equal(answers.filter((a) => a.status === 201).length, 5);
    assert.equal(answers[7].json.code, "too_many_requests");
    assert.ok(Number(answers[7].headers["retry-after"]) > 0);
  } finally {
    await slow.stop();
  }
});

test("typing reaches the others in the call, a reaction everybody; nobody else, and not without end", async () => {
  const { ana, bela, carla, call } = await talk();
  send(ana, { type: "typing", call_id: call.id });
  assert.equal((await bela.event("typing")).user_id, ana.id);
  for (let i = 0; i < 20; i++) send(bela, { type: "reaction", call_id: call.id, emoji: "👍🏽" });
  const heard = await ana.event("reaction");
  assert.deepEqual([heard.user_id, heard.emoji, heard.call_id], [bela.id, "👍🏽", call.id]);
  await bela.event("reaction");
  await sleep(500);
  const more = ana.events.filter((e) => e.type === "reaction").length;
  assert.ok(more >= 3 && more <= 8, `${more} more of 20`);
  send(carla, { type: "reaction", call_id: call.id, emoji: "👎" });
  send(carla, { type: "typing", call_id: call.id });
  await sleep(300);
  assert.ok(!ana.events.some((e) => e.emoji === "👎" || (e.type === "typing" && e.user_id === carla.id)));
  assert.ok(!carla.events.some((e) => ["typing", "reaction", "message"].includes(e.type)));
  assert.ok(!ana.events.some((e) => e.type === "typing"), "one's own typing came back");
});

test("a reaction that is words, and a message that is none, close the WebSocket", async () => {
  const { ana, bela, call } = await talk();
  send(ana, { type: "reaction", call_id: call.id, emoji: "hello" });
  assert.equal(await ana.closed, 1008);
  send(bela, { type: "typing" });
  assert.equal(await bela.closed, 1008);
});
