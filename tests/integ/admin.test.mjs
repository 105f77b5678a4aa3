import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
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
const admin = (method, target, body, headers) => server.adminRequest(method, target, body, headers);
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

test("stream links are shown with their call, listed, and revoked together with what came by them", async () => {
  const [ana, bela] = [await invited("Ana"), await invited("Bela")];
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  await bela.must("POST", `/calls/${call.id}/answer`);
  const { stream } = (await bela.must("POST", `/calls/${call.id}/streams`, { kind: "publish", name: "Hall\u009b31m camera" })).json;
  const line = (state) => new RegExp(`${stream.id}  publish ${state} +Hall31m camera +by ${bela.username}$`, "m");
  assert.match(ok("calls", "show", call.id), line("waiting"));
  const sdp = readFileSync(path.join(ROOT, "tests/unit/sdp/chromium-sendrecv.sdp"), "utf8");
  assert.equal((await request(server.base, "POST", new URL(stream.url).pathname, sdp, { token: stream.token, type: "application/sdp" })).status, 201);
  for (const shown of [ok("calls"), ok("calls", "show", call.id)]) {
    assert.match(shown, line("joined"));
    assert.doesNotMatch(shown, /stream\.[0-9a-f]/, "once, and not by a made-up user name");
  }
  assert.match(ok("streams"), new RegExp(`^${stream.id} .* in call ${call.id}  until \\d{4}-`, "m"));
  ok("streams", "revoke", stream.id);
  assert.equal((await ana.event("member.left", (e) => e.member.user.id === stream.id)).reason, "removed");
  assert.doesNotMatch(ok("streams"), new RegExp(stream.id));
  assert.match(ok("audit"), new RegExp(`  admin +stream-delete +${bela.username} .*${stream.id}`));
  assert.equal(ctl("streams", "revoke", stream.id).status, 1, "once");
  assert.equal(ctl("streams", "revoke").status, 2);
  assert.equal(ctl("streams", "show", stream.id).status, 2);
  ok("calls", "end", call.id);
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

// Everything that the admin listener does, about what never was: [method, path, body].
const never = "00000000-0000-4000-8000-000000000000";
const password = "a long enough passphrase";
const operations = [
  ["GET", "/users"],
  ["POST", "/users", { username: "ok.name", display_name: "X", password }],
  ["PATCH", "/users/nobody.at.all", { disabled: true }],
  ["DELETE", "/users/nobody.at.all"],
  ["PUT", "/users/nobody.at.all/password", { password }],
  ["GET", "/invites"],
  ["POST", "/invites", { uses: 1 }],
  ["DELETE", `/invites/${never}`],
  ["GET", "/calls"],
  ["GET", `/calls/${never}`],
  ["POST", `/calls/${never}/end`],
  ["GET", "/streams"],
  ["DELETE", `/streams/${never}`],
  ["GET", "/audit"],
];
const wrong = { "POST /users": { username: "No Name" }, "PATCH /users": { disabled: "yes" }, "PUT /users": { password: "short" }, "POST /invites": { uses: 0 } };

/** The answer is this problem, and says so in a sentence. */
function is(answer, status, code, what) {
  assert.deepEqual([answer.status, answer.json?.status, answer.json?.code], [status, status, code], `${what}: ${answer.text}`);
  assert.match(answer.headers["content-type"], /^application\/problem\+json/);
  assert.match(answer.json.detail, /^[A-Za-z].{10,}\.$/);
}

for (const [method, path_, body] of operations) {
  const target = `/admin/v1${path_}`;
  const short = `${method} /${path_.split("/")[1]}`;
  test(`admin ${method} ${path_}: not for browsers and other names; each error that it has`, async () => {
    const browsers = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: server.adminBase },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "none" },
      { host: "evil.example:9464" },
      { host: "localhost.evil.example" },
      { host: "127.0.0.1.evil.example:9464" },
    ];
    for (const headers of browsers) is(await admin(method, target, body, headers), 403, "forbidden", JSON.stringify(headers));
    const other = await admin("OPTIONS", target, undefined);
    is(other, 405, "method_not_allowed", "OPTIONS");
    assert.ok(other.headers.allow.split(", ").includes(method), other.headers.allow);
    is(await admin(method, target, " ".repeat(4097)), 413, "body_too_large", "4 KiB and one");
    is(await admin(method, target, "x", { "content-type": "text/plain" }), 415, "unsupported_media_type", "text");
    if (body) {
      is(await admin(method, target, '{"a": 1, "a": 2}'), 400, "invalid_json", "a member twice");
      is(await admin(method, target, { ...body, surprise: 1 }), 422, "unknown_field", "a field too many");
      is(await admin(method, target, wrong[short]), 422, "invalid_field", "a wrong field");
    } else {
      is(await admin(method, target, {}), 415, "unsupported_media_type", "a body too many");
    }
    if (/nobody|00000000/.test(path_)) {
      const none = await admin(method, target, body);
      is(none, 404, "not_found", "what never was");
      const odd = await admin(method, target.replace(never, "x").replace("nobody.at.all", "%F0%9F%91%8B"), body);
      is(odd, 404, "not_found", "what cannot be");
    }
    if (method === "GET" && !path_.includes(never)) {
      assert.equal((await admin(method, target)).status, 200);
      assert.equal((await admin("HEAD", target)).status, 200);
    }
  });
}

test("a name that is taken and a call that is over are conflicts for the administrator, too", async () => {
  const [ana, bela] = [await invited("Ana"), await invited("Bela")];
  is(await admin("POST", "/admin/v1/users", { username: ana.username, display_name: "X", password }), 409, "username_taken", "taken");
  await befriend(ana, bela);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  await ana.must("POST", `/calls/${call.id}/leave`);
  const over = await admin("POST", `/admin/v1/calls/${call.id}/end`);
  is(over, 409, "wrong_state", "over");
  assert.equal(over.json.call.id, call.id);
});

test("the admin listener has its own paths only, and the public one has none of them", async () => {
  is(await admin("GET", "/admin/v1/nothing"), 404, "not_found", "nothing");
  is(await admin("GET", "/api/v1/me"), 404, "not_found", "the API");
  const post = await admin("POST", "/metrics");
  is(post, 405, "method_not_allowed", "POST /metrics");
  assert.equal(post.headers.allow, "GET, HEAD");
  const outside = await request(server.base, "GET", "/admin/v1/users", undefined, { raw: true, headers: { accept: "application/json" } });
  assert.deepEqual([outside.status, outside.json?.code], [404, "not_found"]);
});
