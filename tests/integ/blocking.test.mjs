import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, sleep } from "../support/server.mjs";
import { Person, befriend } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: ["calls.ring_timeout=2"] })));
after(() => server?.stop());

const block = (a, b, blocked = true) => a.request("PATCH", `/contacts/${b.id}`, { blocked });
const contact = async (a, b) => (await a.must("GET", "/contacts")).json.items.find((c) => c.user.id === b.id);

test("a blocked contact sees somebody who is offline, cannot be found and does not answer; nothing gives it away", async () => {
  const [ana, bela] = [await Person.create(server, "Anabel Q"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  const { json } = await block(ana, bela);
  assert.deepEqual([json.contact.state, json.contact.presence], ["blocked", "offline"]);
  await bela.event("presence", (e) => e.user_id === ana.id && e.presence === "offline");
  ana.events.length = 0;
  const seen = await contact(bela, ana);
  assert.deepEqual([seen.state, seen.presence], ["accepted", "offline"]);
  assert.equal((await bela.must("GET", "/users?q=anabel")).json.items.length, 0);
  // The same steps, the same answers and events as with somebody who is not there.
  const { call, ringing } = (await bela.must("POST", "/calls", { invite: [ana.id] })).json;
  assert.deepEqual(ringing, [], "not a word of her open page");
  assert.deepEqual([call.state, call.members[1].state], ["ringing", "ringing"]);
  assert.equal((await bela.must("PUT", `/contacts/${ana.id}`)).json.contact.state, "accepted");
  for (const what of ["", "/messages"]) assert.equal((await ana.request("GET", `/calls/${call.id}${what}`)).status, 404);
  assert.equal((await ana.request("POST", `/calls/${call.id}/answer`)).status, 404);
  const ended = await bela.event("call.ended", () => true, 6000);
  assert.deepEqual([ended.call.end_reason, ended.call.members[1].state], ["timeout", "missed"]);
  assert.deepEqual(ana.events, []);
  assert.equal((await ana.must("GET", "/calls")).json.items.length, 0);
  assert.equal((await ana.request("POST", "/calls", { invite: [bela.id] })).json.code, "not_a_contact");
  // Forgiven.
  assert.equal((await block(ana, bela, false)).json.contact.state, "accepted");
  await bela.event("presence", (e) => e.user_id === ana.id && e.presence === "online");
  assert.equal((await bela.must("GET", "/users?q=anabel")).json.items.length, 1);
});

test("do not disturb is no way to tell a block from an absence", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  await ana.must("PATCH", "/me", { status: "do_not_disturb" });
  await block(ana, bela);
  assert.equal((await bela.must("POST", "/calls", { invite: [ana.id] })).json.call.members[1].state, "ringing");
});

test("a stranger can be blocked before they ask: they ask in vain, and nothing is left when they are unblocked", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await ana.connect();
  const { json } = await block(ana, bela);
  assert.equal(json.contact.state, "blocked");
  await ana.event("contact");
  assert.equal((await bela.must("PUT", `/contacts/${ana.id}`)).json.contact.state, "outgoing");
  await sleep(300);
  assert.deepEqual(ana.events, []);
  assert.equal((await contact(ana, bela)).state, "blocked");
  assert.equal((await ana.request("PUT", `/contacts/${bela.id}`)).json.code, "forbidden");
  assert.equal((await block(ana, bela, false)).status, 204);
  assert.equal(await contact(ana, bela), undefined);
  assert.equal((await block(ana, bela, false)).status, 404);
  assert.equal((await block(ana, ana)).status, 404);
  assert.equal((await block(ana, { id: "00000000-0000-4000-8000-000000000000" })).status, 404);
});

/** What somebody can see of a call, but for its times. */
const lookOf = ({ version, state, end_reason, members }) => ({ version, state, end_reason, members: members.map((m) => [m.user.id, m.state]) });

test("blocking who calls just now ends the ringing on all own devices; for the caller it rings on and nobody answers", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  const tablet = await ana.device();
  await Promise.all([ana, tablet, bela].map((p) => p.connect()));
  const { call } = (await bela.must("POST", "/calls", { invite: [ana.id] })).json;
  for (const device of [ana, tablet]) await device.event("call.ringing", (e) => e.call_id === call.id);
  await block(ana, bela);
  for (const device of [ana, tablet]) {
    const over = await device.event("call.cancelled", (e) => e.call_id === call.id);
    assert.deepEqual([over.call.state, over.call.members[1].state], ["ended", "missed"]);
    await device.event("contact", (e) => e.contact?.state === "blocked");
  }
  // For her the call never was.
  assert.equal((await ana.request("GET", `/calls/${call.id}`)).status, 404);
  assert.equal((await tablet.request("POST", `/calls/${call.id}/answer`)).status, 404);
  assert.deepEqual((await ana.must("GET", "/calls")).json.items, []);
  assert.deepEqual((await tablet.connect()).calls, []);
  assert.deepEqual(lookOf((await bela.must("GET", `/calls/${call.id}`)).json.call), lookOf(call), "nothing has changed for him");
  for (const device of [ana, tablet]) device.events.length = 0;
  const ended = await bela.event("call.ended", () => true, 8000);
  assert.deepEqual(lookOf(ended.call), { version: call.version + 1, state: "ended", end_reason: "timeout", members: [[bela.id, "left"], [ana.id, "missed"]] });
  assert.deepEqual(bela.events.filter((e) => !["presence", "call.updated"].includes(e.type)), []);
  assert.deepEqual([...ana.events, ...tablet.events].filter((e) => e.call_id), []);
});

test("in a call of several, blocking its caller ends the ringing for one; the others talk on and hear of a call that was missed", async () => {
  const [ana, bela, carla] = [await Person.create(server, "Ana"), await Person.create(server, "Bela"), await Person.create(server, "Carla")];
  await befriend(bela, ana);
  await befriend(bela, carla);
  await Promise.all([ana, bela, carla].map((p) => p.connect()));
  const { call } = (await bela.must("POST", "/calls", { invite: [ana.id, carla.id] })).json;
  await carla.must("POST", `/calls/${call.id}/answer`);
  await ana.event("member.joined", (e) => e.member.user.id === carla.id);
  await block(ana, bela);
  const over = await ana.event("call.cancelled");
  assert.deepEqual([over.call.state, over.call.members.find((m) => m.user.id === ana.id).state], ["ended", "missed"]);
  ana.events.length = 0;
  const missed = await carla.event("call.updated", (e) => e.call.members.some((m) => m.user.id === ana.id && m.state === "missed"), 8000);
  assert.equal(missed.call.state, "active");
  await bela.must("POST", `/calls/${call.id}/leave`);
  await carla.event("call.ended");
  assert.deepEqual(ana.events.filter((e) => e.call_id), []);
});

test("a nickname or a second block stops nothing, nor does blocking somebody else", async () => {
  const [ana, bela, carla] = [await Person.create(server, "Ana"), await Person.create(server, "Bela"), await Person.create(server, "Carla")];
  await befriend(ana, bela);
  await befriend(ana, carla);
  await ana.connect();
  const { call } = (await bela.must("POST", "/calls", { invite: [ana.id] })).json;
  await ana.event("call.ringing");
  await ana.must("PATCH", `/contacts/${bela.id}`, { nickname: "B", blocked: false });
  await block(ana, carla);
  assert.equal((await ana.must("POST", `/calls/${call.id}/answer`)).json.call.state, "active");
  // Who talks to somebody and blocks them goes on until one of them leaves.
  await block(ana, bela);
  assert.equal((await ana.must("GET", `/calls/${call.id}`)).json.call.state, "active");
});
