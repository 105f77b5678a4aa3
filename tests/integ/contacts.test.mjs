import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server } from "../support/server.mjs";
import { Person, befriend } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1 })));
after(() => server?.stop());

const contactOf = async (a, b) => (await a.must("GET", "/contacts")).json.items.find((c) => c.user.id === b.id);

test("asking, accepting and removing changes both sides, live", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await Promise.all([ana.connect(), bela.connect()]);
  const asked = await ana.must("PUT", `/contacts/${bela.id}`, {});
  assert.equal(asked.json.contact.state, "outgoing");
  const heard = await bela.event("contact");
  assert.equal(heard.contact.state, "incoming");
  assert.equal(heard.contact.user.id, ana.id);
  const accepted = await bela.must("PUT", `/contacts/${ana.id}`);
  assert.equal(accepted.json.contact.state, "accepted");
  assert.equal((await ana.event("contact", (e) => e.contact?.state === "accepted")).contact.user.id, bela.id);
  assert.equal((await contactOf(ana, bela)).presence, "online");
  await bela.must("DELETE", `/contacts/${ana.id}`);
  const gone = await ana.event("contact", (e) => e.contact === null);
  assert.equal(gone.user_id, bela.id);
  assert.equal(await contactOf(ana, bela), undefined);
  assert.equal(await contactOf(bela, ana), undefined);
});

test("asking twice stays one request; two who ask each other are contacts", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await ana.must("PUT", `/contacts/${bela.id}`);
  assert.equal((await ana.must("PUT", `/contacts/${bela.id}`)).json.contact.state, "outgoing");
  const [x, y] = await Promise.all([ana.must("PUT", `/contacts/${bela.id}`), bela.must("PUT", `/contacts/${ana.id}`)]);
  assert.ok([x, y].some((r) => r.json.contact.state === "accepted"));
  assert.equal((await contactOf(ana, bela)).state, "accepted");
  assert.equal((await contactOf(bela, ana)).state, "accepted");
});

test("nickname and favourite are one's own", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  const { json } = await ana.must("PATCH", `/contacts/${bela.id}`, { nickname: "Bee", favourite: true });
  assert.deepEqual([json.contact.nickname, json.contact.favourite], ["Bee", true]);
  assert.equal((await contactOf(bela, ana)).nickname, null);
});

test("oneself, a stranger's id and nonsense are refused", async () => {
  const ana = await Person.create(server, "Ana");
  assert.ok([403, 422].includes((await ana.request("PUT", `/contacts/${ana.id}`)).status));
  assert.equal((await ana.request("PUT", "/contacts/00000000-0000-4000-8000-000000000000")).status, 404);
  assert.equal((await ana.request("PUT", "/contacts/nonsense")).status, 404);
  assert.equal((await ana.request("PATCH", "/contacts/00000000-0000-4000-8000-000000000000", { favourite: true })).status, 404);
});

test("presence reaches contacts on every worker, also when a second page stays open", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  await ana.connect();
  await bela.connect();
  // How Bela was when they became contacts may be told late.
  await ana.event("presence", (e) => e.user_id === bela.id && e.presence === "online");
  ana.events.length = 0;
  const phone = await bela.device();
  await phone.connect();
  bela.disconnect();
  await new Promise((resolve) => setTimeout(resolve, 4000));
  assert.ok(!ana.events.some((e) => e.type === "presence" && e.presence === "offline"), "offline though a page is open");
  phone.disconnect();
  await ana.event("presence", (e) => e.user_id === bela.id && e.presence === "offline", 8000);
});
