import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server } from "../support/server.mjs";
import { Person, befriend, request } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ mediads: 1 })));
after(() => server?.stop());

const password = "a long enough passphrase";

test("an account is made, signs in, is seen by GET /me and signs out", async () => {
  const ana = await Person.create(server, "Ana Ferreira");
  assert.equal(ana.user.display_name, "Ana Ferreira");
  const me = await ana.must("GET", "/me");
  assert.deepEqual(me.json.user, { ...ana.user, status: "available" });
  assert.equal((await ana.request("DELETE", "/sessions/current")).status, 204);
  assert.equal((await ana.request("GET", "/me")).status, 401);
});

test("the sign-in cookie has every attribute that protects it", async () => {
  const ana = await Person.create(server, "Ana");
  const { headers } = await request(server.base, "POST", "/sessions", { username: ana.username, password: ana.password });
  const cookie = [headers["set-cookie"]].flat().find((c) => c.startsWith("__Host-parley="));
  for (const attribute of ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"]) assert.match(cookie, new RegExp(attribute));
  assert.doesNotMatch(cookie, /Domain=/i);
});

test("a cookie needs the right Origin for everything that changes something; a bearer needs none", async () => {
  const ana = await Person.create(server, "Ana");
  const cookie = `__Host-parley=${ana.token}`;
  const change = (headers) => request(server.base, "PATCH", "/me", { display_name: "Anna" }, { headers });
  assert.equal((await change({ cookie })).json.code, "bad_origin");
  assert.equal((await change({ cookie, origin: "https://evil.example" })).json.code, "bad_origin");
  assert.equal((await change({ cookie, origin: server.base })).status, 200);
  assert.equal((await request(server.base, "GET", "/me", undefined, { headers: { cookie } })).status, 200);
  const both = await request(server.base, "GET", "/me", undefined, { headers: { cookie }, token: ana.token });
  assert.equal(both.status, 401);
});

test("who is signed in is told without an error, also when nobody is", async () => {
  const ana = await Person.create(server, "Ana");
  const ask = (options) => request(server.base, "GET", "/sessions/current", undefined, options);
  const cookie = `__Host-parley=${ana.token}`;
  assert.equal((await ask({})).json.user, null);
  assert.deepEqual((await ask({ token: ana.token })).json.user, { ...ana.user, status: "available" });
  assert.equal((await ask({ headers: { cookie } })).json.user.id, ana.id);
  await ana.must("DELETE", "/sessions/current");
  assert.equal((await ask({ token: ana.token })).json.user, null);
  const old = await ask({ headers: { cookie } });
  assert.deepEqual([old.status, old.json.user], [200, null]);
  assert.match([old.headers["set-cookie"]].flat()[0], /^__Host-parley=; .*Max-Age=0/);
  assert.equal((await ask({ headers: { authorization: "Basic eDp5" } })).json.user, null);
});

test("a page learns before any sign-in whether it may offer to sign up", async () => {
  const { json } = await request(server.base, "GET", "/server");
  assert.deepEqual([json.server.signups, json.server.password_min], ["open", 15]);
});

test("a new name and status reach contacts and all own pages; others never see the status", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  const phone = await ana.device();
  await Promise.all([ana.connect(), phone.connect(), bela.connect()]);
  await bela.event("presence", (e) => e.user_id === ana.id && e.presence === "online").catch(() => {});
  const { json } = await ana.must("PATCH", "/me", { display_name: "Anna", status: "do_not_disturb" });
  assert.deepEqual([json.user.display_name, json.user.status], ["Anna", "do_not_disturb"]);
  // The page that asked, too: it may have been told anew meanwhile, of what was before.
  for (const p of [ana, phone]) assert.equal((await p.event("me")).me.status, "do_not_disturb");
  assert.equal((await bela.event("contact", (e) => e.contact.user.display_name === "Anna")).contact.user.status, undefined);
  await bela.event("presence", (e) => e.user_id === ana.id && e.presence === "busy");
  await ana.must("PATCH", "/me", { status: "away" });
  await bela.event("presence", (e) => e.user_id === ana.id && e.presence === "away");
  assert.equal((await bela.must("GET", "/contacts")).json.items[0].presence, "away");
  for (const p of [ana, phone]) p.disconnect();
  await bela.event("presence", (e) => e.user_id === ana.id && e.presence === "offline");
  const bad = await ana.request("PATCH", "/me", { status: "asleep" });
  assert.deepEqual([bad.status, bad.json.field], [422, "status"]);
});

test("a user name is taken once", async () => {
  const ana = await Person.create(server, "Ana");
  const again = await request(server.base, "POST", "/accounts", { username: ana.username, display_name: "X", password });
  assert.equal(again.status, 409);
  assert.equal(again.json.code, "username_taken");
});

const bad = [
  ["a short password", { username: "okname1", display_name: "Ok", password: "short" }, 422, "invalid_field", "password"],
  ["a long password", { username: "okname1", display_name: "Ok", password: "x".repeat(257) }, 422, "invalid_field", "password"],
  ["a user name with a space", { username: "not ok", display_name: "Ok", password }, 422, "invalid_field", "username"],
  ["a short user name", { username: "ab", display_name: "Ok", password }, 422, "invalid_field", "username"],
  ["an empty display name", { username: "okname1", display_name: "", password }, 422, "invalid_field", "display_name"],
  ["a display name of 65 characters", { username: "okname1", display_name: "é".repeat(65), password }, 422, "invalid_field", "display_name"],
  ["a missing field", { username: "okname1", password }, 422, "invalid_field", "display_name"],
  ["a wrong type", { username: 5, display_name: "Ok", password }, 422, "invalid_field", "username"],
  ["an unknown field", { username: "okname1", display_name: "Ok", password, admin: true }, 422, "unknown_field", "admin"],
];
for (const [what, body, status, code, field] of bad) {
  test(`signing up with ${what} is refused with the field's name`, async () => {
    const answer = await request(server.base, "POST", "/accounts", body);
    assert.deepEqual([answer.status, answer.json.code, answer.json.field], [status, code, field]);
    assert.match(answer.headers["content-type"], /^application\/problem\+json/);
    assert.ok(answer.json.detail.length > 10);
  });
}

const broken = [
  ["an unfinished document", '{"username":"x"'],
  ["two documents", '{"username":"x"}{}'],
  ["a double key", `{"username":"okname2","username":"okname3","display_name":"x","password":"${password}"}`],
  ["U+0000", `{"username":"okname2","display_name":"x\\u0000y","password":"${password}"}`],
  ["a lone surrogate", `{"username":"okname2","display_name":"x\\ud800","password":"${password}"}`],
  ["depth 17", "[".repeat(17) + "]".repeat(17)],
  ["invalid UTF-8 by escape of bytes", Buffer.from([0x22, 0xff, 0x22]).toString("latin1")],
  ["nothing", ""],
];
for (const [what, body] of broken) {
  test(`a body that is ${what} is 400 or 422, never an account`, async () => {
    const answer = await request(server.base, "POST", "/accounts", body);
    assert.ok([400, 422].includes(answer.status), `${answer.status} ${answer.text}`);
    assert.ok(["invalid_json", "invalid_field"].includes(answer.json.code), answer.text);
  });
}

test("a body of the wrong type is 415, one that is too large 413", async () => {
  const type = await request(server.base, "POST", "/accounts", "username=x", { type: "application/x-www-form-urlencoded" });
  assert.equal(type.json.code, "unsupported_media_type");
  const size = await request(server.base, "POST", "/accounts", { username: "x".repeat(70_000) });
  assert.equal(size.status, 413);
});

test("a wrong password and an unknown name are told apart by nobody", async () => {
  const ana = await Person.create(server, "Ana");
  const wrong = await request(server.base, "POST", "/sessions", { username: ana.username, password: "not the password at all" });
  const unknown = await request(server.base, "POST", "/sessions", { username: "nobody.here", password: "not the password at all" });
  assert.equal(wrong.status, 401);
  assert.deepEqual(wrong.json, unknown.json);
});

test("own devices are listed, one can be revoked and is signed out at once", async () => {
  const ana = await Person.create(server, "Ana");
  const phone = await ana.device();
  await phone.connect();
  const { json } = await ana.must("GET", "/sessions");
  assert.equal(json.items.length, 2);
  assert.equal(json.items.filter((s) => s.current).length, 1);
  const other = json.items.find((s) => !s.current);
  assert.equal((await ana.request("DELETE", `/sessions/${other.id}`)).status, 204);
  assert.equal((await phone.request("GET", "/me")).status, 401);
  await Promise.race([
    phone.closed,
    new Promise((_, reject) => setTimeout(() => reject(new Error("the revoked device kept its WebSocket")), 3000)),
  ]);
  const bela = await Person.create(server, "Bela");
  assert.equal((await bela.request("DELETE", `/sessions/${json.items[0].id}`)).status, 404);
});

test("people are found by name, never oneself, and strangers need a sign-in to look", async () => {
  const ana = await Person.create(server, "Quintessa Anders");
  const bela = await Person.create(server, "Quintessa Bauer");
  const { json } = await ana.must("GET", "/users?q=quintessa");
  assert.ok(json.items.some((u) => u.id === bela.id));
  assert.ok(!json.items.some((u) => u.id === ana.id));
  assert.equal((await request(server.base, "GET", "/users?q=quintessa")).status, 401);
  assert.equal((await ana.must("GET", "/users?q=100%25_nobody")).json.items.length, 0);
});

test("failed sign-ins are throttled, and the owner is not locked out from elsewhere by them", async () => {
  const throttled = await Server.start({ mediads: 1, opts: ["limits.logins_per_minute=5"] });
  try {
    const ana = await Person.create(throttled, "Ana");
    let last;
    for (let i = 0; i < 12; i++)
      last = await request(throttled.base, "POST", "/sessions", { username: ana.username, password: `wrong password ${i}` });
    assert.equal(last.status, 429);
    assert.equal(last.json.code, "too_many_requests");
    assert.ok(Number(last.headers["retry-after"]) > 0);
    assert.equal((await ana.request("GET", "/me")).status, 200);
  } finally {
    await throttled.stop();
  }
});
