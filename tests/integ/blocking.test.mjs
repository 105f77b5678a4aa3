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
