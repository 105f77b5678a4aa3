// Streams: links for programs that send into a call (WHIP) or watch it (WHEP); who may make them, what they open, and
// what the people in the call see of them. Media itself is in tests/interop/whip.test.mjs.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, Server, eventually } from "../support/server.mjs";
import { befriend, randomUUID, request } from "../support/api.mjs";
import { crowd, leftovers, query } from "../support/database.mjs";

const sdp = { type: "application/sdp" };
const frag = "application/trickle-ice-sdpfrag";
const offers = Object.fromEntries(["chromium-sendrecv", "chromium-recvonly", "aiortc"].map((name) => [name, readFileSync(path.join(ROOT, `tests/unit/sdp/${name}.sdp`), "utf8")]));

let server;
let ana, bela, carla;
before(async () => {
  server = await Server.start({
    workers: 2,
    mediads: 1,
    opts: ["limits.logins_per_minute=0", "limits.call_streams=3", "limits.call_members=3", "turn.urls=turn:turn.example:3478,turns:turn.example", "turn.secret=turn-secret", "calls.reconnect_grace=3600"],
  });
  [ana, bela, carla] = await crowd(server, 3);
  await befriend(ana, bela);
  await befriend(ana, carla);
  await Promise.all([ana, bela, carla].map((p) => p.connect()));
});
after(() => server?.stop());

/** Ana's call, Bela (and whoever else) in it. */
async function begin(...others) {
  const { call } = (await ana.must("POST", "/calls", { invite: others.map((p) => p.id) })).json;
  for (const p of others) await p.must("POST", `/calls/${call.id}/answer`);
  return call.id;
}
const end = (call) => ana.must("POST", `/calls/${call}/end`);
const link = async (person, call, kind = "publish", name = "Hall camera") => (await person.must("POST", `/calls/${call}/streams`, { kind, name })).json.stream;
const pathOf = (stream) => new URL(stream.url).pathname;
const open = (stream, offer = offers["chromium-sendrecv"], options = {}) => request(server.base, "POST", pathOf(stream), offer, { token: stream.token, ...sdp, ...options });
const members = async (person, call) => (await person.must("GET", `/calls/${call}`)).json.call.members;
const memberOf = async (call, stream) => (await members(ana, call)).find((m) => m.user.id === stream.id);
const directions = (text) => text.split("\r\n").filter((l) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.test(l)).map((l) => l.slice(2));

test("a link has a URL and a token that is shown once; its audit entries name who made and revoked it", async () => {
  const call = await begin(bela);
  const stream = await link(bela, call);
  assert.match(stream.token, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(stream.url, `${server.base}/api/v1/whip/${stream.id}`);
  assert.deepEqual([stream.kind, stream.name, stream.made_by, stream.state], ["publish", "Hall camera", bela.id, "waiting"]);
  assert.ok(Date.parse(stream.expires_at) > Date.now() + 20 * 3600_000);
  const { items } = (await ana.must("GET", `/calls/${call}/streams`)).json;
  assert.deepEqual(items, [{ ...stream, token: undefined }].map(({ token, ...rest }) => (assert.equal(token, undefined), rest)));
  assert.equal((await ana.request("DELETE", `/calls/${call}/streams/${stream.id}`)).status, 204);
  assert.deepEqual((await ana.must("GET", `/calls/${call}/streams`)).json.items, []);
  const audit = await query(server, `select json_agg(json_build_array(a.actor, a.action, a.detail) order by a.id) from audit a where a.action like 'stream-%' and a.detail like '%${stream.id}'`);
  assert.deepEqual(audit, [[bela.id, "stream-create", `publish ${stream.id}`], [ana.id, "stream-delete", stream.id]]);
  await end(call);
});

test("a published stream is a member with its name, of whom nothing can be searched, asked or read", async () => {
  const call = await begin(bela);
  const stream = await link(ana, call, "publish", "OBS of Ana");
  const answer = await open(stream);
  assert.equal(answer.status, 201);
  assert.equal(answer.headers["content-type"], "application/sdp");
  assert.match(answer.headers.location, new RegExp(`^/api/v1/whip/${stream.id}/[0-9a-f]{18}$`));
  assert.match(answer.headers.etag, /^"[0-9a-f]{16}"$/);
  assert.deepEqual(directions(answer.text), ["recvonly", "recvonly"], "a publisher gets nothing of the call");
  const { member } = await bela.event("member.joined", (e) => e.member.user.id === stream.id);
  assert.deepEqual([member.user.display_name, member.state, member.stream], ["OBS of Ana", "joined", { kind: "publish", made_by: ana.id }]);
  assert.deepEqual((await bela.must("GET", "/users?q=obs")).json.items, []);
  assert.equal((await bela.request("PUT", `/contacts/${stream.id}`)).status, 404);
  assert.equal((await bela.request("POST", "/calls", { invite: [stream.id] })).status, 403);
  assert.equal((await request(server.base, "GET", `/calls/${call}`, undefined, { token: stream.token })).status, 401, "the token opens nothing else");
  assert.equal((await request(server.base, "DELETE", answer.headers.location, undefined, { token: stream.token })).status, 204);
  const left = await bela.event("member.left", (e) => e.member.user.id === stream.id);
  assert.equal(left.reason, "left");
  // The link is still good.
  assert.equal((await open(stream)).status, 201);
  await bela.event("member.joined", (e) => e.member.user.id === stream.id);
  await end(call);
  assert.deepEqual((await bela.event("call.ended")).call.members.map((m) => m.user.id), [ana.id, bela.id], "no trace in the history");
  assert.equal((await open(stream)).status, 401, "it ends with the call");
});

test("a watcher gets and gives nothing, is seen by all, and keeps no call alive", async () => {
  const call = await begin(bela);
  const stream = await link(bela, call, "watch", "Recorder");
  const answer = await open(stream, offers["chromium-sendrecv"]);
  assert.equal(answer.status, 201);
  assert.match(answer.headers.location, /^\/api\/v1\/whep\//);
  assert.deepEqual(directions(answer.text), ["sendonly", "sendonly"], "nothing of its offer is taken into the call");
  const { member } = await ana.event("member.joined", (e) => e.member.user.id === stream.id);
  assert.deepEqual(member.stream, { kind: "watch", made_by: bela.id });
  // One person and a watcher are no conversation.
  await ana.must("POST", `/calls/${call}/leave`);
  assert.equal((await bela.event("call.ended", (e) => e.call_id === call)).call.end_reason, "hangup");
});

test("streams go with who made them, and come again when they are back", async () => {
  const call = await begin(bela, carla);
  const mine = await link(bela, call);
  const watch = await link(bela, call, "watch", "Wall");
  for (const stream of [mine, watch]) assert.equal((await open(stream)).status, 201);
  await bela.must("POST", `/calls/${call}/leave`);
  const gone = [];
  for (let i = 0; i < 3; i++) gone.push(await ana.event("member.left", (e) => e.call_id === call));
  assert.deepEqual(gone.map((e) => e.member.user.id), [mine.id, watch.id, bela.id]);
  assert.ok(gone[0].version < gone[1].version && gone[1].version < gone[2].version, "each is news of its own");
  const refused = await open(mine);
  assert.deepEqual([refused.status, refused.json.code, refused.json.call], [409, "wrong_state", undefined]);
  await bela.must("POST", `/calls/${call}/answer`);
  assert.equal((await open(mine)).status, 201);
  await end(call);
  await bela.event("call.ended", (e) => e.call_id === call);
  assert.deepEqual(await leftovers(server), []);
});

test("before anybody has answered a link can be made, and not used", async () => {
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  const stream = await link(ana, call.id);
  const early = await open(stream);
  assert.deepEqual([early.status, early.json.code], [409, "wrong_state"]);
  assert.equal((await bela.request("POST", `/calls/${call.id}/streams`, { kind: "watch", name: "X" })).status, 409, "who is rung is not in it");
  await bela.must("POST", `/calls/${call.id}/answer`);
  assert.equal((await open(stream)).status, 201);
  await end(call.id);
});

test("pause and mute: by who made it or who started the call, and nobody else", async () => {
  const call = await begin(bela, carla);
  const stream = await link(bela, call);
  const target = `/calls/${call}/streams/${stream.id}`;
  assert.equal((await bela.request("PATCH", target, { paused: true })).status, 409, "nothing came by it yet");
  await open(stream);
  assert.equal((await carla.request("PATCH", target, { paused: true })).json.code, "forbidden");
  assert.equal((await bela.must("PATCH", target, { paused: true })).json.stream.state, "paused");
  await carla.event("member.updated", (e) => e.member.user.id === stream.id && e.member.state === "paused");
  assert.equal((await ana.must("PATCH", target, { paused: false })).json.stream.state, "joined");
  await ana.must("PATCH", `/calls/${call}/members/${stream.id}`, { muted: { audio: true } });
  assert.equal((await memberOf(call, stream)).muted.audio, true);
  // Coming again is no way around it.
  await open(stream);
  assert.equal((await memberOf(call, stream)).muted.audio, true);
  await bela.must("PATCH", target, { muted: { audio: false, video: true } });
  assert.deepEqual((await memberOf(call, stream)).muted, { audio: false, video: true });
  await end(call);
});

test("who started the call removes a stream for good; a revoked one leaves at once", async () => {
  const call = await begin(bela);
  const [removed, revoked] = [await link(bela, call), await link(bela, call, "watch", "Wall")];
  for (const stream of [removed, revoked]) await open(stream);
  await ana.must("DELETE", `/calls/${call}/members/${removed.id}`);
  assert.equal((await bela.event("member.left", (e) => e.member.user.id === removed.id)).reason, "removed");
  const again = await open(removed);
  assert.deepEqual([again.status, again.json.code], [403, "forbidden"]);
  await bela.must("DELETE", `/calls/${call}/streams/${revoked.id}`);
  assert.equal((await ana.event("member.left", (e) => e.member.user.id === revoked.id)).reason, "removed");
  assert.equal((await open(revoked)).status, 401);
  assert.equal((await bela.request("DELETE", `/calls/${call}/streams/${revoked.id}`)).status, 404, "once");
  await end(call);
});

test("a call has so many links and no more; a locked one takes them from who started it", async () => {
  const call = await begin(bela);
  const streams = [];
  for (let i = 0; i < 3; i++) streams.push(await link(bela, call));
  const full = await bela.request("POST", `/calls/${call}/streams`, { kind: "publish", name: "X" });
  assert.deepEqual([full.status, full.json.code], [403, "forbidden"]);
  await bela.must("DELETE", `/calls/${call}/streams/${streams[0].id}`);
  await ana.must("PATCH", `/calls/${call}`, { locked: true });
  assert.equal((await bela.request("POST", `/calls/${call}/streams`, { kind: "publish", name: "X" })).status, 403);
  assert.equal((await ana.request("POST", `/calls/${call}/streams`, { kind: "publish", name: "X" })).status, 201);
  await end(call);
});

test("a token opens the stream that it is for, of its kind, and nothing with a cookie or without", async () => {
  const call = await begin(bela);
  const [publish, watch] = [await link(ana, call), await link(ana, call, "watch", "Wall")];
  const tried = {
    "no token": await open(publish, undefined, { token: undefined }),
    "another's": await open(publish, undefined, { token: watch.token }),
    "a sign-in's": await open(publish, undefined, { token: ana.token }),
    "a cookie": await open(publish, undefined, { token: undefined, headers: { cookie: `__Host-parley=${publish.token}`, origin: server.base } }),
    "the other kind": await request(server.base, "POST", `/whep/${publish.id}`, offers.aiortc, { token: publish.token, ...sdp }),
    "no stream": await request(server.base, "POST", `/whip/${randomUUID()}`, offers.aiortc, { token: publish.token, ...sdp }),
    nonsense: await request(server.base, "POST", "/whip/x", offers.aiortc, { token: publish.token, ...sdp }),
  };
  for (const [what, answer] of Object.entries(tried)) {
    assert.deepEqual([answer.status, answer.json.code, answer.headers["www-authenticate"]], [401, "unauthorized", 'Bearer realm="parley"'], what);
    assert.equal(answer.headers["access-control-allow-origin"], "*", what);
  }
  await query(server, `update call_streams set expires_at = now() where id = '${publish.id}'`);
  assert.equal((await open(publish)).status, 401, "expired");
  await end(call);
});

test("an offer that goes the wrong way only, or is none, is 422; JSON is not taken", async () => {
  const call = await begin(bela);
  const [publish, watch] = [await link(ana, call), await link(ana, call, "watch", "Wall")];
  const wrong = [
    [publish, offers["chromium-recvonly"], sdp, 422, "invalid_sdp"],
    [watch, offers["chromium-sendrecv"].replaceAll("a=sendrecv", "a=sendonly"), sdp, 422, "invalid_sdp"],
    [publish, "v=0\r\n", sdp, 422, "invalid_sdp"],
    [publish, JSON.stringify({ sdp: offers.aiortc }), { type: "application/json" }, 415, "unsupported_media_type"],
    [publish, Buffer.alloc((64 << 10) + 1, " "), sdp, 413, "body_too_large"],
  ];
  for (const [stream, body, options, status, code] of wrong) {
    const answer = await open(stream, body, options);
    assert.deepEqual([answer.status, answer.json.code], [status, code]);
  }
  assert.ok((await members(ana, call)).every((m) => !m.stream), "nobody came in");
  await end(call);
});

test("If-Match tells candidates from an ICE restart; the ETag changes with each ICE session", async () => {
  const call = await begin(bela);
  const stream = await link(ana, call);
  const first = await open(stream);
  const patch = (body, match, options = {}) =>
    request(server.base, "PATCH", first.headers.location, body, { token: stream.token, type: frag, headers: match ? { "if-match": match } : {}, ...options });
  const candidates = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.77 51208 typ host\r\n";
  const told = async (answer) => [answer.status, answer.json?.code];
  assert.deepEqual(await told(await patch(candidates)), [428, "precondition_required"]);
  assert.deepEqual(await told(await patch(candidates, first.headers.etag)), [204, undefined]);
  assert.deepEqual(await told(await patch(candidates, '"0123456789abcdef"')), [412, "precondition_failed"]);
  assert.deepEqual(await told(await patch(candidates, first.headers.etag, sdp)), [415, "unsupported_media_type"]);
  assert.deepEqual(await told(await patch("no lines", "*")), [422, "invalid_sdp"]);
  assert.deepEqual(await told(await patch("a=end-of-candidates\r\n", "*")), [422, "invalid_sdp"]);
  const restarted = await patch(candidates, "*");
  assert.equal(restarted.status, 200);
  assert.equal(restarted.headers["content-type"], frag);
  assert.notEqual(restarted.headers.etag, first.headers.etag);
  const ufrag = (text) => /^a=ice-ufrag:(\S+)\r$/m.exec(text)[1];
  assert.notEqual(ufrag(restarted.text), ufrag(first.text));
  assert.match(restarted.text, /^m=audio 9 UDP\/TLS\/RTP\/SAVPF 0\r\na=mid:0\r$/m);
  assert.match(restarted.text, /^a=candidate:1 1 udp \d+ \S+ \d+ typ host\r$/m);
  assert.deepEqual(await told(await patch(candidates, first.headers.etag)), [412, "precondition_failed"]);
  assert.deepEqual(await told(await patch(candidates, restarted.headers.etag)), [204, undefined]);
  // A session of before is none any more.
  const second = await open(stream);
  assert.notEqual(second.headers.location, first.headers.location);
  await eventually("the first transport is gone", async () => (await patch(candidates, "*")).status === 404);
  assert.equal((await request(server.base, "DELETE", first.headers.location, undefined, { token: stream.token })).status, 404);
  assert.equal((await request(server.base, "DELETE", second.headers.location, undefined, { token: stream.token })).status, 204);
  assert.equal((await request(server.base, "DELETE", second.headers.location, undefined, { token: stream.token })).status, 404);
  await end(call);
});

test("programs of other origins may ask; what is not a method of a path is 405 with Allow", async () => {
  const call = await begin(bela);
  const stream = await link(ana, call);
  const { headers } = await open(stream, undefined, { headers: { origin: "https://studio.example" } });
  assert.equal(headers["access-control-allow-origin"], "*");
  assert.equal(headers["access-control-allow-credentials"], undefined);
  for (const name of ["Location", "ETag", "Link"]) assert.ok(headers["access-control-expose-headers"].split(", ").includes(name), name);
  const preflight = { origin: "https://studio.example", "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type" };
  const endpoint = await request(server.base, "OPTIONS", pathOf(stream), undefined, { headers: preflight });
  assert.equal(endpoint.status, 204);
  assert.equal(endpoint.headers["accept-post"], "application/sdp");
  assert.equal(endpoint.headers["access-control-allow-methods"], "POST, OPTIONS");
  assert.match(endpoint.headers["access-control-allow-headers"], /Authorization/);
  const session = await request(server.base, "OPTIONS", headers.location, undefined, { headers: preflight });
  assert.equal(session.headers["access-control-allow-methods"], "PATCH, DELETE, OPTIONS");
  assert.equal(session.headers["accept-patch"], frag);
  for (const method of ["GET", "HEAD", "PUT"]) {
    const ask = (target) => request(server.base, method, target, undefined, { token: stream.token, unchecked: method === "HEAD" });
    const answers = [await ask(pathOf(stream)), await ask(headers.location)];
    assert.deepEqual(answers.map((a) => [a.status, a.headers.allow]), [[405, "POST, OPTIONS"], [405, "PATCH, DELETE, OPTIONS"]], method);
  }
  // Only here.
  const elsewhere = await request(server.base, "GET", "/server", undefined, { headers: { origin: "https://studio.example" } });
  assert.equal(elsewhere.headers["access-control-allow-origin"], undefined);
  assert.equal((await request(server.base, "OPTIONS", "/server", undefined, { headers: preflight, unchecked: true })).status, 405);
  await end(call);
});

test("the answer names the TURN servers, with credentials for this stream that end", async () => {
  const call = await begin(bela);
  const stream = await link(ana, call);
  const { headers } = await open(stream);
  const links = headers.link.split(", <").map((l, i) => (i ? `<${l}` : l));
  assert.deepEqual(links.map((l) => /^<([^>]+)>; rel="ice-server";/.exec(l)[1]), ["turn:turn.example:3478", "turns:turn.example"]);
  const [, expiry, who] = /username="(\d+):([0-9a-f-]+)"; credential="[A-Za-z0-9+/=]{28}"; credential-type="password"$/.exec(links[0]);
  assert.equal(who, stream.id);
  assert.ok(Number(expiry) * 1000 > Date.now() + 3600_000 && Number(expiry) * 1000 < Date.now() + 25 * 3600_000);
  await end(call);
});

test("a program that went away without a word is waited for, and leaves", async () => {
  const call = await begin(bela);
  const stream = await link(ana, call);
  await open(stream);
  await query(server, `update call_members set deadline = now() where user_id = '${stream.id}'`);
  assert.equal((await bela.event("member.left", (e) => e.member.user.id === stream.id)).reason, "lost");
  assert.equal((await ana.must("GET", `/calls/${call}/streams`)).json.items[0].state, "waiting");
  await end(call);
});

test("a link that is too old opens nothing new; what is in the call then stays, restarts ICE and leaves", async () => {
  const call = await begin(bela);
  const [stream, watch] = [await link(ana, call), await link(ana, call, "watch", "Wall")];
  const [first, other] = [await open(stream), await open(watch)];
  await query(server, `update call_streams set expires_at = now() - interval '1 minute' where call_id = '${call}'`);
  const ask = (method, of, answer, body, options) => request(server.base, method, answer.headers.location, body, { token: of.token, ...options });
  const restarted = await ask("PATCH", stream, first, "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", { type: frag, headers: { "if-match": "*" } });
  assert.equal(restarted.status, 200);
  assert.equal((await open(stream)).status, 401, "a session that replaces this one would be a new one");
  assert.equal((await memberOf(call, stream)).state, "joined");
  assert.equal((await ask("DELETE", stream, first)).status, 204);
  await bela.event("member.left", (e) => e.member.user.id === stream.id);
  assert.equal((await ask("DELETE", stream, first)).status, 401, "gone, and so is what the token was for");
  // Old or not, who made it ends it.
  await ana.must("DELETE", `/calls/${call}/streams/${watch.id}`);
  await bela.event("member.left", (e) => e.member.user.id === watch.id);
  assert.equal((await ask("PATCH", watch, other, "a=end-of-candidates\r\n", { type: frag, headers: { "if-match": "*" } })).status, 401);
  await end(call);
});

test("programs take nobody's place: limits.call_members counts people", async () => {
  const call = await begin(bela);
  for (const kind of ["publish", "watch", "watch"]) assert.equal((await open(await link(ana, call, kind))).status, 201);
  assert.equal((await members(ana, call)).length, 5);
  const asked = await ana.must("POST", `/calls/${call}/invite`, { invite: [carla.id] });
  assert.equal(asked.json.call.members.find((m) => m.user.id === carla.id).state, "ringing", "the third of three");
  await end(call);
});
