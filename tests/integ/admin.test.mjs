import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import http from "node:http";
import path from "node:path";
import { ROOT, Server, eventually } from "../support/server.mjs";
import { Person, befriend, request } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1, opts: ["limits.signups=invite"] })));
after(() => server?.stop());

const build = process.env.BUILD ?? "build";
function ctl(...args) {
  const config = path.join(server.dir, "var/parley.conf");
  const run = spawnSync(path.join(ROOT, build, "parleyctl"), ["--config", config, ...args], { encoding: "utf8", timeout: 20_000 });
  return { status: run.status, out: run.stdout, err: run.stderr };
}
function ok(...args) {
  const run = ctl(...args);
  assert.equal(run.status, 0, run.err);
  return run.out;
}
function admin(method, target, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request(server.adminBase + target, { method, headers: { ...(body ? { "content-type": "application/json" } : {}), ...headers } }, (res) => {
      let text = "";
      res.on("data", (d) => (text += d));
      res.on("end", () => resolve({ status: res.statusCode, json: text ? JSON.parse(text) : null }));
    });
    req.on("error", reject);
    req.end(body ? JSON.stringify(body) : undefined);
  });
}
async function invited(name) {
  const code = /code: (\S+)/.exec(ok("invites", "create"))[1];
  const person = Object.assign(new Person(), { server, base: server.base, name });
  person.username = `${name.toLowerCase()}${Math.random().toString(36).slice(2, 8)}`;
  person.password = "a long enough passphrase";
  await person.must("POST", "/accounts", { username: person.username, display_name: name, password: person.password, invite: code.toLowerCase() });
  await person.signIn();
  return person;
}

test("an invitation makes as many accounts as it says, and none when it is revoked or a name is taken", async () => {
  const code = /code: ([A-Z2-9]{4}(-[A-Z2-9]{4}){3})\n/.exec(ok("invites", "create", "2", "7"))[1];
  const sign = (username, invite = code) => request(server.base, "POST", "/accounts", { username, display_name: "X", password: "a long enough passphrase", invite });
  assert.equal((await sign("first.one")).status, 201);
  assert.equal((await sign("first.one")).json.code, "username_taken");
  assert.equal((await sign("second.one", code.replaceAll("-", " ").toLowerCase())).status, 201);
  assert.equal((await sign("third.one")).json.code, "invite_required");
  assert.match(ok("invites"), /2 of 2 used/);
  const another = /code: (\S+)/.exec(ok("invites", "create"))[1];
  const id = /^(\S+) {2}0 of 1 used/m.exec(ok("invites"))[1];
  assert.match(ok("invites", "revoke", id), /revoked/);
  assert.equal((await sign("third.one", another)).json.code, "invite_required");
  assert.equal(ctl("invites", "revoke", id).status, 1);
});

test("an account is made, found, given a new password, disabled, enabled and deleted", async () => {
  const password = /password: (\S+)/.exec(ok("users", "create", "dora", "Dora \"D\" Ö"))[1];
  const signIn = (p) => request(server.base, "POST", "/sessions", { username: "dora", password: p });
  const { json } = await signIn(password);
  assert.equal(json.user.display_name, 'Dora "D" Ö');
  assert.match(ok("users", "dor"), /^dora +Dora "D" Ö/m);
  const fresh = /password: (\S+)/.exec(ok("users", "reset-password", "dora"))[1];
  assert.equal((await request(server.base, "GET", "/me", undefined, { token: json.token })).status, 401);
  assert.equal((await signIn(password)).status, 401);
  assert.equal((await signIn(fresh)).status, 201);
  ok("users", "disable", "dora");
  assert.equal((await signIn(fresh)).status, 401);
  assert.match(ok("users"), /dora .*disabled/);
  ok("users", "enable", "dora");
  assert.equal((await signIn(fresh)).status, 201);
  ok("users", "delete", "dora");
  assert.equal((await signIn(fresh)).status, 401);
  assert.doesNotMatch(ok("users"), /dora/);
  const none = ctl("users", "disable", "dora");
  assert.deepEqual([none.status, none.err], [1, "parleyctl: There is no account of this name.\n"]);
  assert.equal(ctl("users", "create", "Not Ok").status, 1);
  assert.equal(ctl("users", "dance", "dora").status, 2);
});

test("a disabled account leaves its calls and pages at once", async () => {
  const [ana, bela] = [await invited("Ana"), await invited("Bela")];
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  await bela.must("POST", `/calls/${call.id}/answer`);
  ok("users", "disable", ana.username);
  assert.equal(await ana.closed, 4401);
  assert.equal((await bela.event("call.ended")).call.end_reason, "hangup");
  assert.equal((await ana.request("GET", "/me")).status, 401);
});

test("calls are listed, shown and ended for everybody", async () => {
  const [ana, bela] = [await invited("Ana"), await invited("Bela")];
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  assert.match(ok("calls"), new RegExp(`^${call.id} {2}ringing`, "m"));
  await bela.must("POST", `/calls/${call.id}/answer`);
  assert.match(ok("calls", "show", call.id), new RegExp(`active[^]*${bela.username} +joined`));
  ok("calls", "end", call.id);
  for (const p of [ana, bela]) assert.equal((await p.event("call.ended")).call.end_reason, "hangup");
  assert.equal(ctl("calls", "end", call.id).status, 1);
  assert.doesNotMatch(ok("calls"), new RegExp(call.id));
});

test("sign-ins, failed ones and what administrators do are in the audit log and in the server's", async () => {
  const ana = await invited("Ana");
  await request(server.base, "POST", "/sessions", { username: ana.username, password: "surely not this one" });
  ok("users", "disable", ana.username);
  const audit = ok("audit");
  for (const [actor, action] of [["user", "sign-in"], ["user", "sign-in-failed"], ["admin", "user-disable"]])
    assert.match(audit, new RegExp(`  ${actor} +${action} +${ana.username} `), action);
  assert.match(audit, /sign-in +\S+ +127\.0\.0\.1/);
  for (const line of [`sign-in user=${ana.id} address=`, `sign-in-failed user=${ana.id} `, `admin PATCH /admin/v1/users/${ana.username}`])
    await eventually(line, () => server.log().includes(`audit: ${line}`));
  assert.ok(!server.log().includes("surely not this one"));
});

test("the admin listener is not for pages in a browser, nor for other names", async () => {
  const tries = [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }, { host: "evil.example:9464" }];
  for (const headers of tries) assert.equal((await admin("GET", "/admin/v1/users", null, headers)).status, 403);
  assert.equal((await admin("GET", "/admin/v1/users")).status, 200);
  assert.equal((await admin("POST", "/admin/v1/invites", { uses: 0 })).json.field, "uses");
  assert.equal((await admin("POST", "/admin/v1/invites", null)).status, 415);
  assert.equal((await admin("PUT", "/admin/v1/users")).status, 405);
  assert.equal((await admin("GET", "/admin/v1/nothing")).status, 404);
  assert.equal((await admin("GET", "/admin/v1/calls/x")).status, 404);
  assert.equal((await request(server.base, "GET", "/admin/v1/users", undefined, { raw: true, unchecked: true })).json?.items, undefined);
});
