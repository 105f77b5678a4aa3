import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, Server, eventually } from "../support/server.mjs";
import { Person, befriend, randomUUID } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: ["calls.ring_timeout=3"] })));
after(() => server?.stop());

async function pair() {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  return [ana, bela];
}
const start = async (a, b, extra = {}) => (await a.must("POST", "/calls", { invite: [b.id], video: true, ...extra })).json.call;
const member = (call, person) => call.members.find((m) => m.user.id === person.id);
const now = async (p, call) => (await p.must("GET", `/calls/${call.id}`)).json.call;

test("ring, answer, leave: both hear each step, and the history shows it", async () => {
  const [ana, bela] = await pair();
  const call = await start(ana, bela);
  assert.equal(call.state, "ringing");
  assert.equal(call.started_by, ana.id);
  const ringing = await bela.event("call.ringing");
  assert.equal(ringing.call.id, call.id);
  assert.equal(member(ringing.call, bela).state, "ringing");
  const answered = (await bela.must("POST", `/calls/${call.id}/answer`)).json.call;
  assert.equal(answered.state, "active");
  assert.ok(answered.version > call.version);
  await ana.event("call.updated", (e) => e.call.state === "active");
  await bela.must("POST", `/calls/${call.id}/leave`);
  const ended = await ana.event("call.ended");
  assert.equal(ended.call.end_reason, "hangup");
  for (const p of [ana, bela]) {
    const { json } = await p.must("GET", "/calls");
    assert.equal(json.items[0].id, call.id);
    assert.equal(json.items[0].state, "ended");
  }
});

test("the caller hears on how many devices it rings: sign-ins with an open page, tabs of one count once", async () => {
  const [ana, bela] = await pair();
  const rings = async (person = ana) => {
    const { call, ringing } = (await person.must("POST", "/calls", { invite: [bela.id] })).json;
    await person.must("POST", `/calls/${call.id}/leave`);
    return ringing;
  };
  assert.deepEqual(await rings(), [{ user_id: bela.id, devices: 1 }]);
  const again = () => Object.assign(new Person(), { base: bela.base, name: bela.name, username: bela.username, password: bela.password });
  const phone = again();
  await phone.signIn();
  await phone.connect();
  assert.deepEqual(await rings(), [{ user_id: bela.id, devices: 2 }]);
  // Three tabs more, on whichever worker: the same two devices.
  const tabs = [];
  for (let i = 0; i < 3; i++) {
    const tab = Object.assign(again(), { token: phone.token });
    await tab.connect();
    tabs.push(tab);
  }
  assert.deepEqual(await rings(), [{ user_id: bela.id, devices: 2 }]);
  for (const tab of [...tabs, phone]) tab.ws.close();
  await eventually("the phone is gone", async () => (await rings())[0].devices === 1);
  // The same request again rings nobody again, and says so; an invitation says it, too.
  const id = randomUUID();
  const body = { id, invite: [bela.id] };
  assert.equal((await ana.must("POST", "/calls", body)).json.ringing.length, 1);
  assert.deepEqual((await ana.must("POST", "/calls", body)).json.ringing, []);
  const chidi = await Person.create(server, "Chidi");
  await befriend(ana, chidi);
  assert.deepEqual((await ana.must("POST", `/calls/${id}/invite`, { invite: [chidi.id] })).json.ringing, [], "nobody is there");
  await ana.must("POST", `/calls/${id}/leave`);
  await chidi.connect();
  const call = (await ana.must("POST", "/calls", { invite: [bela.id] })).json.call;
  assert.deepEqual((await ana.must("POST", `/calls/${call.id}/invite`, { invite: [chidi.id] })).json.ringing, [{ user_id: chidi.id, devices: 1 }]);
  await ana.must("POST", `/calls/${call.id}/leave`);
});

test("decline, cancel and no answer end the call with their reason on both screens", async () => {
  const [ana, bela] = await pair();
  let call = await start(ana, bela);
  await bela.must("POST", `/calls/${call.id}/decline`);
  let ended = await ana.event("call.ended", (e) => e.call_id === call.id);
  assert.equal(ended.call.end_reason, "declined");
  assert.equal(member(ended.call, bela).state, "declined");

  call = await start(ana, bela);
  await bela.event("call.ringing", (e) => e.call_id === call.id);
  await ana.must("POST", `/calls/${call.id}/leave`);
  await bela.event("call.cancelled", (e) => e.call_id === call.id);
  assert.equal((await now(bela, call)).end_reason, "cancelled");
  assert.equal(member(await now(bela, call), bela).state, "missed");

  call = await start(ana, bela);
  ended = await ana.event("call.ended", (e) => e.call_id === call.id, 8000);
  assert.equal(ended.call.end_reason, "timeout");
  assert.equal(member(ended.call, bela).state, "missed");
});

test("somebody in a call is seen busy by contacts", async () => {
  const [ana, bela] = await pair();
  const carla = await Person.create(server, "Carla");
  await befriend(carla, bela);
  await carla.connect();
  const call = await start(ana, bela);
  await bela.must("POST", `/calls/${call.id}/answer`);
  await carla.event("presence", (e) => e.user_id === bela.id && e.presence === "busy");
  await bela.must("POST", `/calls/${call.id}/leave`);
  await carla.event("presence", (e) => e.user_id === bela.id && e.presence === "online");
});

test("all devices ring, the first to answer has it, the others stop and know why", async () => {
  const [ana, bela] = await pair();
  const phone = await bela.device();
  await phone.connect();
  const call = await start(ana, bela);
  await Promise.all([bela.event("call.ringing"), phone.event("call.ringing")]);
  await phone.must("POST", `/calls/${call.id}/answer`);
  await bela.event("call.answered_elsewhere");
  const late = await bela.request("POST", `/calls/${call.id}/answer`);
  assert.equal(late.status, 409);
  assert.ok(["wrong_state", "answered_elsewhere"].includes(late.json.code));
  await phone.must("POST", `/calls/${call.id}/leave`);
});

test("the same id makes one call, however often it is posted", async () => {
  const [ana, bela] = await pair();
  const id = randomUUID();
  const calls = await Promise.all([start(ana, bela, { id }), start(ana, bela, { id }), start(ana, bela, { id })]);
  assert.deepEqual(new Set(calls.map((c) => c.id)), new Set([id]));
  await ana.must("POST", `/calls/${id}/leave`);
});

test("only accepted contacts can be called, and strangers cannot see a call", async () => {
  const [ana, bela] = await pair();
  const carla = await Person.create(server, "Carla");
  assert.equal((await carla.request("POST", "/calls", { invite: [bela.id] })).json.code, "not_a_contact");
  const call = await start(ana, bela);
  for (const [method, path] of [["GET", ""], ["POST", "/answer"], ["POST", "/decline"], ["POST", "/leave"], ["POST", "/end"]])
    assert.equal((await carla.request(method, `/calls/${call.id}${path}`)).status, 404, `${method} ${path}`);
  await ana.must("POST", `/calls/${call.id}/leave`);
});

test("a transition that comes too late is 409 wrong_state with the call as it is", async () => {
  const [ana, bela] = await pair();
  const call = await start(ana, bela);
  await bela.must("POST", `/calls/${call.id}/decline`);
  const late = await bela.request("POST", `/calls/${call.id}/answer`);
  assert.equal(late.status, 409);
  assert.equal(late.json.code, "wrong_state");
  assert.equal(late.json.call.id, call.id);
  assert.equal(late.json.call.state, "ended");
});

test("media is closed to who has not answered, and to another device", async () => {
  const [ana, bela] = await pair();
  const phone = await bela.device();
  const call = await start(ana, bela);
  const offer = readFileSync(path.join(ROOT, "tests/unit/sdp/chromium-sendrecv.sdp"), "utf8");
  const early = await bela.request("POST", `/calls/${call.id}/media`, offer, { type: "application/sdp" });
  assert.deepEqual([early.status, early.json.code], [409, "not_joined"]);
  await bela.must("POST", `/calls/${call.id}/answer`);
  const other = await phone.request("POST", `/calls/${call.id}/media`, offer, { type: "application/sdp" });
  assert.deepEqual([other.status, other.json.code], [409, "answered_elsewhere"]);
  const bad = await bela.request("POST", `/calls/${call.id}/media`, "v=0\r\n", { type: "application/sdp" });
  assert.deepEqual([bad.status, bad.json.code], [422, "invalid_sdp"]);
  await bela.must("POST", `/calls/${call.id}/leave`);
});

// Both requests leave on connections of their own, so they land on either worker.
async function race(what, first, second, check) {
  for (let i = 0; i < 20; i++) {
    const [ana, bela] = await pair();
    const call = await start(ana, bela);
    const answers = await Promise.all([first(ana, bela, call), second(ana, bela, call)]);
    const views = await eventually(`${what}: both see the same`, async () => {
      const [x, y] = await Promise.all([now(ana, call), now(bela, call)]);
      assert.deepEqual(x, y);
      return [x, y];
    });
    check(views[0], answers);
    const last = (p) => p.events.filter((e) => e.call_id === call.id && e.call).reduce((a, e) => (e.version > a.version ? e : a));
    await eventually(`${what}: the events of both tell the same end`, () => {
      for (const p of [ana, bela]) assert.equal(last(p).call.state, views[0].state);
      return true;
    });
    if (views[0].state !== "ended") await ana.must("POST", `/calls/${call.id}/end`);
    for (const p of [ana, bela]) p.disconnect();
  }
}

test("answer against cancel ends in one state on all screens", () =>
  race(
    "answer × cancel",
    (ana, bela, call) => ana.request("POST", `/calls/${call.id}/leave`),
    (ana, bela, call) => bela.request("POST", `/calls/${call.id}/answer`),
    (call, [leave, answer]) => {
      assert.equal(call.state, "ended");
      assert.equal(call.end_reason, answer.status === 200 ? "hangup" : "cancelled");
      assert.equal(leave.status, 200);
    },
  ));

test("decline against cancel ends in one state on all screens", () =>
  race(
    "decline × cancel",
    (ana, bela, call) => ana.request("POST", `/calls/${call.id}/leave`),
    (ana, bela, call) => bela.request("POST", `/calls/${call.id}/decline`),
    (call, [leave, decline]) => {
      assert.equal(call.state, "ended");
      assert.ok(["cancelled", "declined"].includes(call.end_reason));
      assert.ok(leave.status === 200 || decline.status === 200);
    },
  ));

test("answer against decline of the same person ends in one state on all screens", () =>
  race(
    "answer × decline",
    (ana, bela, call) => bela.request("POST", `/calls/${call.id}/answer`),
    (ana, bela, call) => bela.request("POST", `/calls/${call.id}/decline`),
    (call, answers) => {
      assert.equal(answers.filter((a) => a.status === 200).length, 1);
      assert.equal(call.state, answers[0].status === 200 ? "active" : "ended");
    },
  ));

test("two who call each other at the same moment end up in one call", async () => {
  for (let i = 0; i < 10; i++) {
    const [ana, bela] = await pair();
    const [x, y] = await Promise.all([start(ana, bela), start(bela, ana)]);
    assert.equal(x.id, y.id);
    const call = await now(ana, x);
    assert.equal(call.state, "active");
    assert.deepEqual(call, await now(bela, x));
    await ana.must("POST", `/calls/${call.id}/leave`);
    for (const p of [ana, bela]) p.disconnect();
  }
});
