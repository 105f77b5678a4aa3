import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { Person, befriend } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: ["calls.ring_timeout=4", "limits.call_members=5"] })));
after(() => server?.stop());

/** The first knows all the others. */
async function people(...names) {
  const all = await Promise.all(names.map((name) => Person.create(server, name)));
  for (const other of all.slice(1)) await befriend(all[0], other);
  await Promise.all(all.map((p) => p.connect()));
  return all;
}
const start = async (a, ...others) => (await a.must("POST", "/calls", { invite: others.map((o) => o.id) })).json.call;
const act = async (p, call, what, body) => (await p.must("POST", `/calls/${call.id}/${what}`, body)).json.call;
const now = async (p, call) => (await p.must("GET", `/calls/${call.id}`)).json.call;
const member = (call, person) => call.members.find((m) => m.user.id === person.id);
const states = (call) => call.members.map((m) => m.state);

test("several are called: one answers, one declines, one misses it, and the two talk on", async () => {
  const [ana, bela, carla, dora] = await people("Ana", "Bela", "Carla", "Dora");
  const call = await start(ana, bela, carla, dora);
  for (const p of [bela, carla, dora]) await p.event("call.ringing", (e) => e.call_id === call.id);
  await act(bela, call, "answer");
  const joined = await carla.event("member.joined");
  assert.deepEqual([joined.member.user.id, joined.member.state], [bela.id, "joined"]);
  await act(carla, call, "decline");
  await ana.event("member.updated", (e) => e.member.state === "declined");
  await ana.event("call.updated", (e) => e.call.state === "active" && member(e.call, dora).state === "missed", 8000);
  assert.deepEqual(states(await now(ana, call)), ["joined", "joined", "declined", "missed"]);
  const left = await act(bela, call, "leave");
  assert.deepEqual([left.state, left.end_reason], ["ended", "hangup"]);
  assert.ok(left.answered_at > left.created_at && left.ended_at >= left.answered_at);
});

test("nobody answers a group: it ends once, with one reason", async () => {
  const [ana, bela, carla] = await people("Ana", "Bela", "Carla");
  let call = await start(ana, bela, carla);
  await act(bela, call, "decline");
  await act(carla, call, "decline");
  assert.equal((await ana.event("call.ended", (e) => e.call_id === call.id)).call.end_reason, "declined");
  call = await start(ana, bela, carla);
  assert.equal((await carla.event("call.ended", (e) => e.call_id === call.id, 8000)).call.end_reason, "timeout");
  assert.equal((await now(ana, call)).answered_at, null);
});

test("people are added to a running call by anybody in it, of their own contacts, up to the limit", async () => {
  const [ana, bela, carla, dora] = await people("Ana", "Bela", "Carla", "Dora");
  const [eva, fia, gil] = await Promise.all(["Eva", "Fia", "Gil"].map((n) => Person.create(server, n)));
  for (const p of [eva, fia, gil]) await befriend(bela, p);
  const call = await start(ana, bela);
  await act(bela, call, "answer");
  const strange = await bela.request("POST", `/calls/${call.id}/invite`, { invite: [carla.id] });
  assert.deepEqual([strange.status, strange.json.code], [403, "not_a_contact"]);
  const rung = await act(bela, call, "invite", { invite: [eva.id] });
  assert.equal(member(rung, eva).state, "ringing");
  assert.equal((await ana.event("call.updated", (e) => member(e.call, eva))).call.version, rung.version);
  assert.equal((await act(bela, call, "invite", { invite: [eva.id] })).version, rung.version, "inviting twice changes nothing");
  await act(eva, call, "answer");
  assert.equal((await carla.request("POST", `/calls/${call.id}/invite`, { invite: [dora.id] })).status, 404);
  await act(ana, call, "invite", { invite: [carla.id] });
  const many = await bela.request("POST", `/calls/${call.id}/invite`, { invite: [fia.id, gil.id] });
  assert.deepEqual([many.status, many.json.code, many.json.field], [422, "invalid_field", "invite"]);
  // Who left is called back.
  await act(eva, call, "leave");
  const outside = await eva.request("POST", `/calls/${call.id}/invite`, { invite: [bela.id] });
  assert.deepEqual([outside.status, outside.json.code], [409, "wrong_state"]);
  assert.equal(member(await act(bela, call, "invite", { invite: [eva.id] }), eva).state, "ringing");
  await act(ana, call, "end");
  for (const [p, state] of [[eva, "missed"], [carla, "missed"], [bela, "left"]]) assert.equal(member(await now(p, call), p).state, state);
});

test("a call of three goes on without the one who started it; who left comes back in", async () => {
  const [ana, bela, carla] = await people("Ana", "Bela", "Carla");
  const call = await start(ana, bela, carla);
  await act(bela, call, "answer");
  await act(carla, call, "answer");
  await act(ana, call, "leave");
  const heard = await carla.event("member.left");
  assert.deepEqual([heard.member.user.id, heard.reason], [ana.id, "left"]);
  assert.equal((await now(bela, call)).state, "active");
  assert.equal(member(await act(ana, call, "answer"), ana).state, "joined");
  await act(ana, call, "leave");
  await act(bela, call, "leave");
  assert.equal((await carla.event("call.ended")).call.end_reason, "hangup");
});

test("who started the call mutes, removes, locks and ends; nobody else does", async () => {
  const [ana, bela, carla, dora] = await people("Ana", "Bela", "Carla", "Dora");
  const eva = await Person.create(server, "Eva");
  await befriend(bela, eva);
  const call = await start(ana, bela, carla);
  await act(bela, call, "answer");
  await act(carla, call, "answer");
  const path = `/calls/${call.id}`;
  for (const [method, target, body] of [
    ["PATCH", path, { locked: true }],
    ["PATCH", `${path}/members/${carla.id}`, { muted: { audio: true } }],
    ["DELETE", `${path}/members/${carla.id}`],
    ["POST", `${path}/end`],
  ]) {
    const answer = await bela.request(method, target, body);
    assert.deepEqual([answer.status, answer.json.code], [403, "forbidden"], `${method} ${target}`);
    assert.equal((await dora.request(method, target, body)).status, 404, `${method} ${target}`);
  }
  // mute
  const muted = (await ana.must("PATCH", `${path}/members/${carla.id}`, { muted: { audio: true } })).json.call;
  assert.deepEqual(member(muted, carla).muted, { audio: true, video: false });
  assert.deepEqual((await carla.event("member.updated", (e) => e.member.user.id === carla.id)).member.muted, { audio: true, video: false });
  const loud = await ana.request("PATCH", `${path}/members/${carla.id}`, { muted: { audio: false } });
  assert.deepEqual([loud.status, loud.json.field], [422, "muted.audio"]);
  const own = (await carla.must("PATCH", `${path}/members/me`, { muted: { audio: false } })).json.call;
  assert.equal(member(own, carla).muted.audio, false);
  // remove
  await ana.must("DELETE", `${path}/members/${carla.id}`);
  for (const p of [ana, bela, carla]) {
    const gone = await p.event("member.left", (e) => e.member.user.id === carla.id);
    assert.deepEqual([gone.reason, gone.member.state], ["removed", "left"]);
  }
  assert.equal((await carla.request("POST", `${path}/answer`)).json.code, "wrong_state");
  assert.equal((await ana.request("DELETE", `${path}/members/${ana.id}`)).json.code, "forbidden");
  assert.equal((await ana.request("DELETE", `${path}/members/${eva.id}`)).status, 404);
  assert.equal((await ana.request("PATCH", `${path}/members/${carla.id}`, { muted: { audio: true } })).json.code, "wrong_state");
  // invited anew they come back
  await act(ana, call, "invite", { invite: [carla.id] });
  await act(carla, call, "answer");
  // lock
  assert.equal((await ana.must("PATCH", path, { locked: true })).json.call.locked, true);
  assert.equal((await bela.event("call.updated", (e) => e.call.locked)).call.locked, true);
  const add = await bela.request("POST", `${path}/invite`, { invite: [eva.id] });
  assert.deepEqual([add.status, add.json.code], [403, "forbidden"]);
  await act(carla, call, "leave");
  assert.equal((await carla.request("POST", `${path}/answer`)).json.code, "wrong_state");
  await act(ana, call, "invite", { invite: [dora.id] });
  await act(dora, call, "answer");
  await ana.must("PATCH", path, { locked: false });
  await act(carla, call, "answer");
  // end
  assert.equal((await act(ana, call, "end")).end_reason, "hangup");
  for (const p of [bela, carla, dora]) await p.event("call.ended", (e) => e.call_id === call.id);
  assert.equal((await ana.request("PATCH", path, { locked: true })).json.code, "wrong_state");
  assert.equal((await ana.request("PATCH", path, {})).json.field, "locked");
});

test("who still rings can be taken off the call; the last one cancels it", async () => {
  const [ana, bela, carla] = await people("Ana", "Bela", "Carla");
  const call = await start(ana, bela, carla);
  await ana.must("DELETE", `/calls/${call.id}/members/${bela.id}`);
  await bela.event("call.cancelled", (e) => e.call_id === call.id);
  assert.equal((await bela.request("POST", `/calls/${call.id}/answer`)).json.code, "wrong_state");
  assert.equal((await now(carla, call)).state, "ringing");
  const end = (await ana.must("DELETE", `/calls/${call.id}/members/${carla.id}`)).json.call;
  assert.deepEqual([end.state, end.end_reason], ["ended", "cancelled"]);
  await carla.event("call.cancelled");
});

test("a hand, a pause, a shared screen: everybody sees whose, and the version rises once for each", async () => {
  const [ana, bela] = await people("Ana", "Bela");
  const call = await start(ana, bela);
  const { version } = await act(bela, call, "answer");
  const set = async (p, body) => (await p.must("PATCH", `/calls/${call.id}/members/me`, body)).json.call;
  await set(bela, { hand: true });
  assert.equal((await ana.event("member.updated")).member.hand, true);
  await set(bela, { sharing: true });
  assert.equal((await ana.event("member.updated")).member.sharing, true);
  await set(bela, { paused: true });
  assert.equal((await ana.event("member.updated")).member.state, "paused");
  assert.equal((await set(bela, { paused: true })).version, version + 3);
  const back = await set(bela, { paused: false, hand: false, sharing: false });
  assert.deepEqual([member(back, bela).state, member(back, bela).hand, member(back, bela).sharing, back.version], ["joined", false, false, version + 4]);
  await act(ana, call, "end");
});

test("call waiting: the second call rings, answering it pauses the first, resuming one pauses the other, a third is busy", async () => {
  const [bela, ana, carla, dora] = await people("Bela", "Ana", "Carla", "Dora");
  const first = await start(ana, bela);
  await act(bela, first, "answer");
  const second = await start(carla, bela);
  assert.equal(second.state, "ringing");
  await bela.event("call.ringing", (e) => e.call_id === second.id);
  assert.equal((await now(ana, first)).state, "active");
  const third = await start(dora, bela);
  assert.deepEqual([third.state, third.end_reason, member(third, bela).state], ["ended", "busy", "busy"]);
  await act(bela, second, "answer");
  const paused = await ana.event("member.updated", (e) => e.call_id === first.id);
  assert.deepEqual([paused.member.user.id, paused.member.state], [bela.id, "paused"]);
  assert.deepEqual(states(await now(bela, second)), ["joined", "joined"]);
  await bela.must("PATCH", `/calls/${first.id}/members/me`, { paused: false });
  await carla.event("member.updated", (e) => e.call_id === second.id && e.member.state === "paused");
  assert.equal(member(await now(bela, first), bela).state, "joined");
  const more = await bela.request("POST", "/calls", { invite: [dora.id] });
  assert.deepEqual([more.status, more.json.code], [409, "wrong_state"]);
  await act(bela, first, "leave");
  assert.equal(member(await now(bela, second), bela).state, "paused", "the other call waits until it is resumed");
  await act(bela, second, "leave");
  await ana.event("presence", (e) => e.user_id === bela.id && e.presence === "online");
});

test("starting a second call pauses the first; declining a waiting one disturbs nothing", async () => {
  const [ana, bela, carla] = await people("Ana", "Bela", "Carla");
  const first = await start(ana, bela);
  await act(bela, first, "answer");
  const second = await start(carla, ana);
  await act(ana, second, "decline");
  assert.equal(member(await now(ana, first), ana).state, "joined");
  const third = await start(ana, carla);
  await bela.event("member.updated", (e) => e.member.state === "paused");
  await act(carla, third, "answer");
  await act(ana, third, "leave");
  await act(ana, first, "leave");
});

test("two call the same person at once: both ring, one is answered, the other goes on ringing", async () => {
  const [bela, ana, carla] = await people("Bela", "Ana", "Carla");
  const [x, y] = await Promise.all([start(ana, bela), start(carla, bela)]);
  assert.deepEqual([x.state, y.state], ["ringing", "ringing"]);
  await act(bela, x, "answer");
  assert.equal((await now(bela, y)).state, "ringing");
  await act(bela, y, "decline");
  assert.equal((await carla.event("call.ended")).call.end_reason, "declined");
  await act(bela, x, "leave");
});

test("two who call each other end up in one call, also while one of them is in another", async () => {
  for (let i = 0; i < 10; i++) {
    const [bela, ana, carla] = await people("Bela", "Ana", "Carla");
    const first = await start(carla, bela);
    await act(bela, first, "answer");
    const [x, y] = await Promise.all([start(ana, bela), start(bela, ana)]);
    assert.equal(x.id, y.id);
    assert.equal((await now(ana, x)).state, "active");
    assert.equal(member(await now(carla, first), bela).state, "paused");
    for (const p of [bela, ana, carla]) p.disconnect();
  }
});

test("do not disturb: who calls hears busy, nothing rings, and the call is in the history", async () => {
  const [ana, bela] = await people("Ana", "Bela");
  await bela.must("PATCH", "/me", { status: "do_not_disturb" });
  const call = await start(ana, bela);
  assert.deepEqual([call.state, call.end_reason], ["ended", "busy"]);
  await eventually("history", async () => (await bela.must("GET", "/calls")).json.items[0]?.id === call.id);
  assert.ok(!bela.events.some((e) => e.type === "call.ringing"));
  await bela.must("PATCH", "/me", { status: "available" });
  assert.equal((await start(ana, bela)).state, "ringing");
});

test("the last call stands beside the contact, on both sides", async () => {
  const [ana, bela] = await people("Ana", "Bela");
  const contact = async (p) => (await p.must("GET", "/contacts")).json.items[0].last_call_at;
  assert.equal(await contact(ana), null);
  const call = await start(ana, bela);
  assert.deepEqual([await contact(ana), await contact(bela)], [call.created_at, call.created_at]);
  await act(ana, call, "leave");
});

test("leaving while somebody is added ends in one state on all screens", async () => {
  for (let i = 0; i < 15; i++) {
    const [ana, bela, carla] = await people("Ana", "Bela", "Carla");
    const call = await start(ana, bela);
    await act(bela, call, "answer");
    const [leave, add] = await Promise.all([
      bela.request("POST", `/calls/${call.id}/leave`),
      ana.request("POST", `/calls/${call.id}/invite`, { invite: [carla.id] }),
    ]);
    assert.equal(leave.status, 200);
    const end = await now(ana, call);
    assert.deepEqual(end, await now(bela, call));
    if (add.status === 200) assert.equal(member(end, carla).state, "ringing");
    else assert.deepEqual([add.json.code, end.state], ["wrong_state", "ended"]);
    for (const p of [ana, bela, carla]) p.disconnect();
  }
});
