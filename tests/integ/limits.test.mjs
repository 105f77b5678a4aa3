// What a client is told of its limits, and that there is one count, whichever worker is asked.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import https from "node:https";
import { Server, eventually } from "../support/server.mjs";
import { Person, befriend, randomUUID, request } from "../support/api.mjs";

// So that a test of minutes has no minutes to wait, what is counted here comes back slowly.
const opts = ["limits.requests_per_second=500", "limits.messages_per_minute=6", "limits.logins_per_minute=3", "limits.signups_per_hour=30"];
let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts })));
after(() => server?.stop());

/** { user: { q, w, r, t }, … } of the two headers. */
function limits({ headers }) {
  const out = {};
  for (const [header, keys] of [["ratelimit-policy", ["q", "w"]], ["ratelimit", ["r", "t"]]])
    for (const item of (headers[header] ?? "").split(", ").filter(Boolean)) {
      const match = new RegExp(`^"([a-z-]+)";${keys[0]}=(\\d+);${keys[1]}=(\\d+)$`).exec(item);
      assert.ok(match, `${header}: ${item}`);
      out[match[1]] = { ...out[match[1]], [keys[0]]: Number(match[2]), [keys[1]]: Number(match[3]) };
    }
  for (const [name, { q, w, r, t }] of Object.entries(out)) assert.ok(q > 0 && w > 0 && r >= 0 && r <= q && t >= 0 && t <= w, `${name}: ${JSON.stringify(out[name])}`);
  return out;
}
function throttled(answer, name) {
  assert.deepEqual([answer.status, answer.json.code, answer.json.status, answer.headers["content-type"]], [429, "too_many_requests", 429, "application/problem+json"]);
  assert.match(answer.headers["retry-after"], /^[1-9]\d*$/);
  assert.equal(limits(answer)[name]?.r, 0, `${name}: ${answer.headers.ratelimit}`);
}
const wrong = (p, agent) => request(server.base, "POST", "/sessions", { username: p.username, password: "surely not this one" }, { agent });

/** An agent with one kept-alive connection on each worker, which its answers show in the metrics. */
async function agents(person) {
  const found = [];
  const total = async () => Promise.all([0, 1].map(async (i) => (await server.metrics())[`parley_worker_requests_total{worker="${i}"}`]));
  await eventually("a connection on each worker", async () => {
    const agent = new https.Agent({ rejectUnauthorized: false, keepAlive: true, maxSockets: 1 });
    // Metrics are asked for over either worker, too: ours are those of which there are ten.
    const before = await total();
    for (let i = 0; i < 10; i++) await person.must("GET", "/me", undefined, { agent });
    const now = await total();
    const worker = now.findIndex((n, i) => n - before[i] >= 10);
    if (worker >= 0) found[worker] ??= agent;
    return found[0] && found[1];
  }, 30_000);
  return found;
}

test("every answer of the API, good or bad, tells the limit that it counts against", async () => {
  const ana = await Person.create(server, "Ana");
  const user = [
    await ana.request("GET", "/me"),
    await ana.request("GET", "/contacts"),
    await ana.request("GET", "/calls/nothing"),
    await ana.request("PUT", "/contacts/nothing"),
    await ana.request("POST", "/calls", {}),
    await ana.request("PATCH", "/me", "{", {}),
    await ana.request("GET", "/ice-servers"),
    await ana.request("GET", "/me", undefined, { token: "A".repeat(43) }),
  ];
  for (const answer of user) assert.deepEqual([limits(answer).user?.q, limits(answer).user?.w], [500, 1], `${answer.status}`);
  const address = [
    await request(server.base, "GET", "/server"),
    await request(server.base, "GET", "/me"),
    await request(server.base, "GET", "/sessions/current"),
    await request(server.base, "POST", "/sessions", {}),
    await request(server.base, "POST", "/accounts", {}),
    await wrong(ana),
  ];
  for (const answer of address) assert.deepEqual([limits(answer).address?.q, limits(answer).address?.w], [500, 1], `${answer.status}`);
  const exported = await ana.request("GET", "/me/export");
  assert.deepEqual([limits(exported).export.w, limits(exported).user.q], [60, 500]);
});

test("sign-ups tell how many more there may be", async () => {
  const sign = (username) => request(server.base, "POST", "/accounts", { username, display_name: "X", password: "a long enough passphrase" });
  const first = limits(await sign(`one.${Date.now().toString(36)}`)).signups;
  const second = limits(await sign(`two.${Date.now().toString(36)}`)).signups;
  assert.deepEqual([first.q, first.w, first.r - second.r], [30, 3600, 1]);
});

test("wrong passwords count over both workers; a right one does not count and tells what is left", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  const [zero, one] = await agents(bela);
  const right = (agent) => request(server.base, "POST", "/sessions", { username: ana.username, password: ana.password }, { agent });
  assert.equal(limits(await right(zero)).logins.r, 3);
  assert.deepEqual([await wrong(ana, zero), await wrong(ana, one)].map((a) => [a.status, limits(a).logins.r]), [[401, 2], [401, 1]]);
  assert.equal(limits(await right(one)).logins.r, 1);
  assert.deepEqual([(await wrong(ana, zero)).status, (await right(one)).status], [401, 429]);
  for (const agent of [zero, one]) throttled(await wrong(ana, agent), "logins");
});

test("messages count over both workers: what one lets pass is missing at the other", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  await bela.must("POST", `/calls/${call.id}/answer`);
  const both = await agents(bela);
  const began = Date.now();
  const answers = [];
  for (let i = 0; i < 12; i++) answers.push(await ana.request("POST", `/calls/${call.id}/messages`, { id: randomUUID(), text: "x" }, { agent: both[i % 2] }));
  const back = Math.floor((Date.now() - began) / 10_000); // one every ten seconds
  const passed = answers.filter((a) => a.status === 201);
  assert.ok(passed.length >= 6 && passed.length <= 6 + back, `${passed.length} of 12 passed`);
  if (back === 0) assert.deepEqual(passed.map((a) => limits(a).messages.r), [5, 4, 3, 2, 1, 0]);
  throttled(answers.find((a) => a.status === 429), "messages");
});

test("requests count over both workers, and too many are told when to come again", async () => {
  const ana = await Person.create(server, "Ana");
  const [zero, one] = await agents(ana);
  const many = [];
  const began = Date.now();
  // Kept-alive connections answer one after the other: more of them on the way.
  const flood = Array.from({ length: 20 }, () => new https.Agent({ rejectUnauthorized: false, keepAlive: true, maxSockets: 4 }));
  for (let i = 0; i < 3000; i++) many.push(ana.request("GET", "/contacts", undefined, { agent: [zero, one, ...flood][i % 22] }));
  const answers = await Promise.all(many);
  const seconds = (Date.now() - began) / 1000;
  const passed = answers.filter((a) => a.status === 200).length;
  assert.ok(passed <= 500 * (1 + seconds) + 1, `${passed} in ${seconds} s`);
  for (const answer of answers.filter((a) => a.status === 429)) throttled(answer, "user");
  assert.equal(answers.filter((a) => a.status !== 200 && a.status !== 429).length, 0);
  for (const agent of flood) agent.destroy();
});
