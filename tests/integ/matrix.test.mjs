// Who may do what: every operation of the OpenAPI file × who asks. What is not theirs to know of answers exactly like
// what never was.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, Server, eventually } from "../support/server.mjs";
import { befriend, operations, randomUUID, request, upgrade } from "../support/api.mjs";
import { crowd } from "../support/database.mjs";

// Everybody's relation to Olga, who started the call:
//   nobody    no token                      ringing   invited, has not answered yet
//   out       a token that was signed out   declined  was invited and declined
//   disabled  of a disabled account         left      was in the call and left
//   stranger  knows nobody                  removed   was in the call, and Olga removed them
//   contact   a contact outside the call    device    another sign-in of member's
//   blocked   a contact whom Olga blocked   member    is in the call
//   blocker   a contact who blocked Olga;   owner     Olga
//             she has invited them all the same
const who = "nobody out disabled stranger contact blocked blocker ringing declined left removed device member owner".split(" ");

// A status stands for its code: 401 unauthorized, 403 forbidden, 404 not_found, 409 wrong_state; with a letter for
// b 401 bad_credentials, w 403 wrong_password, c 403 not_a_contact, j 409 not_joined, e 409 answered_elsewhere.
const table = `
                 nobody out  disabled stranger contact blocked blocker ringing declined left removed device member owner
createAccount    201    201  201      201      201     201     201     201     201      201  201     201    201    201
signIn           401b   201  401b     201      201     201     201     201     201      201  201     201    201    201
getSession       200    200  200      200      200     200     200     200     200      200  200     200    200    200
getServer        200    200  200      200      200     200     200     200     200      200  200     200    200    200
getOpenApi       200    200  200      200      200     200     200     200     200      200  200     200    200    200
listSessions     401    401  401      200      200     200     200     200     200      200  200     200    200    200
signOut          401    401  401      204      204     204     204     204     204      204  204     204    204    204
revokeSession    401    401  401      404      404     404     404     404     404      404  404     404    404    204
getMe            401    401  401      200      200     200     200     200     200      200  200     200    200    200
updateMe         401    401  401      200      200     200     200     200     200      200  200     200    200    200
deleteMe         401    401  401      403w     403w    403w    403w    403w    403w     403w 403w    403w   403w   403w
changePassword   401    401  401      403w     403w    403w    403w    403w    403w     403w 403w    403w   403w   403w
putAvatar        401    401  401      200      200     200     200     200     200      200  200     200    200    200
deleteAvatar     401    401  401      204      204     204     204     204     204      204  204     204    204    204
exportMe         401    401  401      200      200     200     200     200     200      200  200     200    200    200
getAvatar        401    401  401      200      200     200     200     200     200      200  200     200    200    200
searchUsers      401    401  401      200      200     200     200     200     200      200  200     200    200    200
listContacts     401    401  401      200      200     200     200     200     200      200  200     200    200    200
putContact       401    401  401      200      200     200     403     200     200      200  200     200    200    403
updateContact    401    401  401      404      200     200     200     200     200      200  200     200    200    404
deleteContact    401    401  401      404      204     204     204     204     204      204  204     204    204    404
startCall        401    401  401      403c     201     201     403c    201     201      201  201     201    201    201
listCalls        401    401  401      200      200     200     200     200     200      200  200     200    200    200
getCall          401    401  401      404      404     404     404     200     200      200  200     200    200    200
updateCall       401    401  401      404      404     404     404     403     403      403  403     403    403    200
inviteToCall     401    401  401      404      404     404     404     409     409      409  409     200    200    200
answerCall       401    401  401      404      404     404     404     200     200      200  409     409e   200    200
declineCall      401    401  401      404      404     404     404     200     200      409  409     409    409    409
leaveCall        401    401  401      404      404     404     404     409     409      200  200     200    200    200
endCall          401    401  401      404      404     404     404     403     403      403  403     403    403    200
updateOwnMember  401    401  401      404      404     404     404     409     409      409  409     200    200    200
muteMember       401    401  401      404      404     404     404     403     403      403  403     403    403    200
removeMember     401    401  401      404      404     404     404     403     403      403  403     403    403    200
listMessages     401    401  401      404      404     404     404     200     200      200  200     200    200    200
postMessage      401    401  401      404      404     404     404     201     409      409  409     201    201    201
readMessages     401    401  401      404      404     404     404     204     204      204  204     204    204    204
openMedia        401    401  401      404      404     404     404     409j    409j     409j 409j    409e   201    201
updateMedia      401    401  401      404      404     404     404     404     404      404  404     404    200    404
closeMedia       401    401  401      404      404     404     404     404     404      404  404     204    204    404
createStream     401    401  401      404      404     404     404     409     409      409  409     201    201    201
listStreams      401    401  401      404      404     404     404     409     409      409  409     200    200    200
updateStream     401    401  401      404      404     404     404     409     409      409  409     200    200    200
deleteStream     401    401  401      404      404     404     404     409     409      409  409     204    204    204
publishStream    401    401  401      401      401     401     401     401     401      401  401     401    401    401
updatePublishing 401    401  401      401      401     401     401     401     401      401  401     401    401    401
closePublishing  401    401  401      401      401     401     401     401     401      401  401     401    401    401
watchStream      401    401  401      401      401     401     401     401     401      401  401     401    401    401
updateWatching   401    401  401      401      401     401     401     401     401      401  401     401    401    401
closeWatching    401    401  401      401      401     401     401     401     401      401  401     401    401    401
listIceServers   401    401  401      200      200     200     200     200     200      200  200     200    200    200
openEvents       401    401  401      101      101     101     101     101     101      101  101     101    101    101
`;
const letters = { unauthorized: "", forbidden: "", not_found: "", wrong_state: "", bad_credentials: "b", wrong_password: "w", not_a_contact: "c", not_joined: "j", answered_elsewhere: "e" };

const rows = Object.fromEntries(
  table
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .map(([id, ...cells]) => [id, Object.fromEntries(who.map((name, i) => [name, cells[i]]))]),
);

const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const offer = readFileSync(path.join(ROOT, "tests/unit/sdp/chromium-sendrecv.sdp"), "utf8");
const sdp = { type: "application/sdp" };
const trickle = { type: "application/trickle-ice-sdpfrag", headers: { "if-match": "*" } };

let server;
let stage = null; // { call, media }: the call with everybody in their place
const people = {};
const tokens = { nobody: undefined };
const names = who.filter((w) => !["nobody", "device"].includes(w));

before(async () => {
  const opts = ["limits.logins_per_minute=0", "limits.messages_per_minute=0", "calls.ring_timeout=3600", "calls.reconnect_grace=3600"];
  server = await Server.start({ workers: 2, mediads: 1, opts });
  for (const [i, person] of (await crowd(server, names.length)).entries()) {
    people[names[i]] = person;
    tokens[names[i]] = person.token;
  }
  const { owner, contact, member } = people;
  for (const name of names) if (!["owner", "stranger"].includes(name)) await befriend(owner, people[name]);
  await befriend(contact, member);
  await owner.must("PATCH", `/contacts/${people.blocked.id}`, { blocked: true });
  await people.blocker.must("PATCH", `/contacts/${owner.id}`, { blocked: true });
  tokens.device = (await member.device()).token;
  people.device = member;
  await people.out.must("DELETE", "/sessions/current");
  assert.equal((await server.adminRequest("PATCH", `/admin/v1/users/${people.disabled.username}`, { disabled: true })).status, 200);
});
after(() => server?.stop());

/** The call, made again when the last cell has changed it. */
async function stageReady() {
  if (stage) return stage;
  const { owner, member, left, declined, removed, ringing, blocker } = people;
  const { call } = (await owner.must("POST", "/calls", { invite: [member, left, declined, removed, ringing, blocker].map((p) => p.id) })).json;
  for (const p of [member, left, removed]) await p.must("POST", `/calls/${call.id}/answer`);
  await left.must("POST", `/calls/${call.id}/leave`);
  await declined.must("POST", `/calls/${call.id}/decline`);
  await owner.must("DELETE", `/calls/${call.id}/members/${removed.id}`);
  const { location } = (await member.must("POST", `/calls/${call.id}/media`, offer, sdp)).headers;
  const { stream } = (await member.must("POST", `/calls/${call.id}/streams`, { kind: "publish", name: "OBS" })).json;
  const opened = await request(server.base, "POST", `/whip/${stream.id}`, offer, { token: stream.token, ...sdp });
  stage = { call, media: location.split("/").at(-1), stream: stream.id, session: opened.headers.location };
  return stage;
}
async function stageOver() {
  if (stage) await people.owner.request("POST", `/calls/${stage.call.id}/end`);
  stage = null;
}

const json = (method, target, body) => (who_) => ask(who_, method, target, body);
const ask = (name, method, target, body, options) => request(server.base, method, target, body, { token: tokens[name], ...options });
const inCall = (method, what, body, changes = true) => ({ changes, secret: "call", ask: (name, ids) => ask(name, method, `/calls/${ids.call}${what(ids)}`, body?.(ids, name)) });

/** How each operation is asked. secret: the id that a stranger must learn nothing about. ids: what it works on, where that
 *  is not the call. undo: so that the next one finds what this one found. */
const how = {
  createAccount: { ask: (name) => ask(name, "POST", "/accounts", { username: `x${randomUUID().slice(0, 12)}`, display_name: "X", password: "a long enough passphrase" }) },
  signIn: {
    ask: (name) => ask(name, "POST", "/sessions", { username: people[name]?.username ?? "nobody.at.all", password: people[name]?.password ?? "not a password" }),
  },
  getSession: { ask: json("GET", "/sessions/current") },
  getServer: { ask: json("GET", "/server") },
  getOpenApi: { ask: json("GET", "/openapi.json") },
  listSessions: { ask: json("GET", "/sessions") },
  signOut: {
    async ask(name) {
      const token = rows.signOut[name] === "204" ? (await people[name].device()).token : tokens[name];
      return ask(name, "DELETE", "/sessions/current", undefined, { token });
    },
  },
  revokeSession: {
    secret: "session",
    async ids() {
      const token = (await people.owner.device()).token;
      const { items } = (await people.owner.must("GET", "/sessions", undefined, { token })).json;
      return { session: items.find((s) => s.current).id };
    },
    ask: (name, ids) => ask(name, "DELETE", `/sessions/${ids.session}`),
  },
  getMe: { ask: json("GET", "/me") },
  updateMe: { ask: json("PATCH", "/me", { status: "available" }) },
  deleteMe: { ask: json("DELETE", "/me", { password: "surely not this one" }) },
  changePassword: { ask: json("PUT", "/me/password", { current: "surely not this one", new: "a long enough passphrase" }) },
  putAvatar: { ask: (name) => ask(name, "PUT", "/me/avatar", png, { type: "image/png" }) },
  deleteAvatar: { ask: json("DELETE", "/me/avatar") },
  exportMe: { ask: json("GET", "/me/export") },
  getAvatar: {
    secret: "avatar",
    ids: async () => ({ avatar: (await people.owner.must("PUT", "/me/avatar", png, { type: "image/png" })).json.user.avatar_url.split("/").at(-1) }),
    ask: (name, ids) => ask(name, "GET", `/avatars/${ids.avatar}`),
  },
  searchUsers: { ask: json("GET", "/users?q=owner") },
  listContacts: { ask: json("GET", "/contacts") },
  putContact: {
    ask: (name) => ask(name, "PUT", `/contacts/${people.owner.id}`),
    undo: (name) => name === "stranger" && people.stranger.must("DELETE", `/contacts/${people.owner.id}`),
  },
  updateContact: { secret: "user", ids: () => ({ user: people.owner.id }), ask: (name, ids) => ask(name, "PATCH", `/contacts/${ids.user}`, { favourite: true }) },
  deleteContact: {
    secret: "user",
    ids: () => ({ user: people.owner.id }),
    ask: (name, ids) => ask(name, "DELETE", `/contacts/${ids.user}`),
    async undo(name) {
      const { owner } = people;
      if (name === "blocked") await owner.must("PATCH", `/contacts/${people.blocked.id}`, { blocked: false });
      await befriend(owner, people[name]);
      if (name === "blocked") await owner.must("PATCH", `/contacts/${people.blocked.id}`, { blocked: true });
      if (name === "blocker") await people.blocker.must("PATCH", `/contacts/${owner.id}`, { blocked: true });
    },
  },
  startCall: {
    changes: true,
    ask: (name) => ask(name, "POST", "/calls", { invite: [name === "owner" ? people.contact.id : people.owner.id] }),
    undo: (name, answer) => people[name].must("POST", `/calls/${answer.json.call.id}/leave`),
  },
  listCalls: { ask: json("GET", "/calls") },
  getCall: inCall("GET", () => "", undefined, false),
  updateCall: inCall("PATCH", () => "", () => ({ locked: true })),
  inviteToCall: inCall("POST", () => "/invite", (ids, name) => ({ invite: [name === "contact" ? people.member.id : people.contact.id] })),
  answerCall: inCall("POST", () => "/answer"),
  declineCall: inCall("POST", () => "/decline"),
  leaveCall: inCall("POST", () => "/leave"),
  endCall: inCall("POST", () => "/end"),
  updateOwnMember: inCall("PATCH", () => "/members/me", () => ({ hand: true })),
  muteMember: inCall("PATCH", () => `/members/${people.member.id}`, () => ({ muted: { audio: true } })),
  removeMember: inCall("DELETE", () => `/members/${people.member.id}`),
  listMessages: inCall("GET", () => "/messages", undefined, false),
  postMessage: inCall("POST", () => "/messages", () => ({ id: randomUUID(), text: "Olá" }), false),
  readMessages: inCall("PUT", () => "/messages/read", () => ({ seq: 1 }), false),
  openMedia: { changes: true, secret: "call", ask: (name, ids) => ask(name, "POST", `/calls/${ids.call}/media`, offer, sdp) },
  updateMedia: { secret: "media", ask: (name, ids) => ask(name, "PATCH", `/calls/${ids.call}/media/${ids.media}`, offer, sdp) },
  closeMedia: { changes: true, secret: "media", ask: (name, ids) => ask(name, "DELETE", `/calls/${ids.call}/media/${ids.media}`) },
  createStream: inCall("POST", () => "/streams", () => ({ kind: "watch", name: "Wall" })),
  listStreams: inCall("GET", () => "/streams", undefined, false),
  updateStream: inCall("PATCH", (ids) => `/streams/${ids.stream}`, () => ({ muted: { audio: true } }), false),
  deleteStream: inCall("DELETE", (ids) => `/streams/${ids.stream}`),
  // A sign-in opens no stream, whoever's it is.
  publishStream: { ask: (name, ids) => ask(name, "POST", `/whip/${ids.stream}`, offer, sdp) },
  updatePublishing: { ask: (name, ids) => ask(name, "PATCH", ids.session, "a=end-of-candidates\r\n", trickle) },
  closePublishing: { ask: (name, ids) => ask(name, "DELETE", ids.session) },
  watchStream: { ask: (name, ids) => ask(name, "POST", `/whep/${ids.stream}`, offer, sdp) },
  updateWatching: { ask: (name, ids) => ask(name, "PATCH", ids.session.replace("whip", "whep"), "a=end-of-candidates\r\n", trickle) },
  closeWatching: { ask: (name, ids) => ask(name, "DELETE", ids.session.replace("whip", "whep")) },
  listIceServers: { ask: json("GET", "/ice-servers") },
  openEvents: { ask: (name) => upgrade(server.base, { token: tokens[name] }) },
};

/** What never was: ids of the right form. */
const never = () => ({
  call: randomUUID(),
  media: `00${randomUUID().replaceAll("-", "").slice(0, 16)}`,
  session: randomUUID(),
  user: randomUUID(),
  avatar: `${randomUUID().replaceAll("-", "")}.webp`,
});

test("the table has a row for each operation of the OpenAPI file, and no other", () => {
  const described = operations.map((o) => o.id).sort();
  assert.deepEqual(Object.keys(rows).sort(), described);
  assert.deepEqual(Object.keys(how).sort(), described);
  assert.deepEqual(table.trim().split("\n")[0].trim().split(/\s+/), who);
  for (const [id, row] of Object.entries(rows)) assert.ok(Object.values(row).every((cell) => /^\d{3}\w?$/.test(cell)), id);
});

for (const id of Object.keys(rows)) {
  test(`${id}: who may, and what the others hear`, async () => {
    const operation = how[id];
    const got = {};
    for (const name of who) {
      const { call, ...others } = await stageReady();
      const ids = { call: call.id, ...others, ...(await operation.ids?.()) };
      const answer = await operation.ask(name, ids);
      got[name] = `${answer.status}${answer.status >= 400 ? (letters[answer.json.code] ?? ` ${answer.json.code}`) : ""}`;
      if (answer.status < 400 && operation.changes) await stageOver();
      if (answer.status < 400) await operation.undo?.(name, answer);
      if (answer.status === 404) {
        const none = await operation.ask(name, { ...ids, [operation.secret]: never()[operation.secret] });
        assert.deepEqual([none.status, none.json], [answer.status, answer.json], `${name}: the answer for an id that never was`);
      }
    }
    assert.deepEqual(got, rows[id]);
  });
}

test("blocked: every answer is the one that somebody hears whose contact is away", async () => {
  const { owner, blocked, contact } = people;
  const seen = async (p) => {
    const { contact: c } = (await p.must("PUT", `/contacts/${owner.id}`)).json;
    const call = (await p.must("POST", "/calls", { invite: [owner.id] })).json.call;
    const other = call.members.find((m) => m.user.id === owner.id);
    const later = (await p.must("GET", `/calls/${call.id}`)).json.call;
    const over = (await p.must("POST", `/calls/${call.id}/leave`)).json.call;
    const { items } = (await p.must("GET", "/calls")).json;
    const history = items.find((c_) => c_.id === call.id);
    return {
      contact: [c.state, c.presence],
      call: [call.state, call.version, other.state],
      later: [later.state, later.version],
      over: [over.end_reason, over.version, over.members.map((m) => m.state)],
      history: history.members.map((m) => m.state),
    };
  };
  await stageOver();
  const presence = async () => (await contact.must("GET", "/contacts")).json.items.find((c) => c.user.id === owner.id).presence;
  await eventually("Olga is away", async () => (await presence()) === "offline", 30_000, 200);
  assert.deepEqual(await seen(blocked), await seen(contact));
});

test("a call that rang in vain at somebody who blocked the caller is no mark in their history", async () => {
  const { owner, blocker } = people;
  const { call } = (await owner.must("POST", "/calls", { invite: [blocker.id] })).json;
  await owner.must("POST", `/calls/${call.id}/leave`);
  const [real, none] = [await blocker.request("GET", `/calls?before=${call.id}`), await blocker.request("GET", `/calls?before=${randomUUID()}`)];
  assert.deepEqual([real.status, real.json], [422, none.json]);
});

test("what somebody else's id is taken by is not said", async () => {
  const { call } = await stageReady();
  const { stranger, contact } = people;
  await befriend(stranger, contact);
  const calls = await Promise.all([1, 2].map(() => stranger.request("POST", "/calls", { id: call.id, invite: [contact.id] })));
  for (const answer of calls) assert.deepEqual([answer.status, answer.json.code, answer.json.field, answer.json.call], [422, "invalid_field", "id", undefined]);
});

test("two strangers who make a call of the same id at once: one has it, the other hears that it is taken", async () => {
  const { contact, member, left, owner } = people;
  await stageOver();
  for (let i = 0; i < 10; i++) {
    const id = randomUUID();
    const answers = await Promise.all([contact.request("POST", "/calls", { id, invite: [member.id] }), left.request("POST", "/calls", { id, invite: [owner.id] })]);
    assert.deepEqual(answers.map((a) => a.status).sort(), [201, 422]);
    const maker = answers[0].status === 201 ? contact : left;
    await maker.must("POST", `/calls/${id}/leave`);
  }
});

test("signing out twice at once is signing out", async () => {
  for (let i = 0; i < 10; i++) {
    const { token } = await people.owner.device();
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask("owner", "DELETE", "/sessions/current", undefined, { token })));
    for (const a of answers) assert.ok([204, 401].includes(a.status), `${a.status}`);
  }
});
