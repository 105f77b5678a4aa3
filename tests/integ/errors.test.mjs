// Every error that the OpenAPI file lists (operation, status, code) is provoked here, and what comes instead of it fails:
// support/api.mjs holds each answer against the file.
import { test, describe, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import tls from "node:tls";
import { ROOT, Server, eventually, sleep } from "../support/server.mjs";
import { Person, befriend, checkResponse, closeCodes, documentedCodes, everyOperation, noOperation, operations, randomUUID, request, upgrade } from "../support/api.mjs";
import { crowd } from "../support/database.mjs";
import { whileOverBudget } from "../support/flood.mjs";

// What is listed and cannot be provoked from outside.
const never = new Map([
  ["internal", "a fault of the server: none is known, and an answer of 500 fails whatever test sees it"],
  ["any 503 overloaded", "the server is out of memory"],
  ["close 1011", "the server is out of memory"],
  ["close 1013", "256 events between the handshake of a WebSocket and its hello (tests/unit/test_events.c)"],
]);

// Servers and people -----------------------------------------------------------------------------------------------

const started = [];
const once = (make) => {
  let made;
  return () => (made ??= make());
};
async function start(options) {
  const server = await Server.start({ workers: 1, mediads: 1, ...options, opts: ["limits.logins_per_minute=0", "calls.ring_timeout=3600", "calls.reconnect_grace=3600", ...(options.opts ?? [])] });
  started.push(server);
  return server;
}
after(() => Promise.all(started.map((s) => s.stop())));

/** Somebody whom the administrator made: where sign-ups are closed, too. */
async function made(server, name) {
  const person = Object.assign(new Person(), { server, base: server.base, name, username: `${name.toLowerCase()}.${randomUUID().slice(0, 8)}`, password: "a long enough passphrase" });
  const answer = await server.adminRequest("POST", "/admin/v1/users", { username: person.username, display_name: name, password: person.password });
  assert.equal(answer.status, 201, answer.text);
  await eventually("signed in", () => person.signIn().then(() => true), 60_000, 300);
  return person;
}

/** Ana started a call, Bela (with a phone, too) is in it, Carla's phone rings, Dora is in two calls; Eve knows only
 *  Finn, and Zoe nobody. */
const main = once(async () => {
  const server = await start({});
  const people = {};
  const names = ["ana", "bela", "carla", "dora", "zoe", "eve", "finn"];
  for (const [i, person] of (await crowd(server, names.length)).entries()) people[names[i]] = person;
  const pairs = [["ana", "bela"], ["ana", "carla"], ["dora", "bela"], ["dora", "carla"], ["eve", "finn"]];
  for (const [a, b] of pairs) await befriend(people[a], people[b]);
  people.phone = await people.bela.device();
  const begin = async (who, invite) => (await people[who].must("POST", "/calls", { invite: invite.map((n) => people[n].id) })).json.call.id;
  const over = await begin("ana", ["bela"]);
  await people.bela.must("POST", `/calls/${over}/answer`);
  await people.ana.must("POST", `/calls/${over}/end`);
  const call = await begin("ana", ["bela", "carla"]);
  await people.bela.must("POST", `/calls/${call}/answer`);
  const second = [await begin("dora", ["bela"]), await begin("dora", ["carla"])];
  return { server, call, over, second, ...people };
});

/** One request a second for everybody. */
const limited = once(async () => {
  const server = await start({ opts: ["limits.requests_per_second=1"] });
  return { server, base: server.base, zoe: await made(server, "Zoe") };
});

/** Room for one transport and one WebSocket, no new accounts, no description. */
const small = once(async () => {
  const server = await start({ opts: ["limits.signups=closed", "limits.websockets=1", "media.max_transports=1", "server.openapi="] });
  const [ana, bela] = await Promise.all(["Ana", "Bela"].map((name) => made(server, name)));
  await befriend(ana, bela);
  const call = (await ana.must("POST", "/calls", { invite: [bela.id] })).json.call.id;
  await bela.must("POST", `/calls/${call}/answer`);
  return { server, ana, bela, call };
});

/** One hundredth of a core for media. */
const busy = once(async () => {
  const server = await start({ opts: ["media.budget_percent=1"] });
  const [ana, bela] = await Promise.all(["Ana", "Bela"].map((name) => made(server, name)));
  await befriend(ana, bela);
  const call = (await ana.must("POST", "/calls", { invite: [bela.id] })).json.call.id;
  await bela.must("POST", `/calls/${call}/answer`);
  return { server, ana, bela, call };
});

/** The database has gone. */
const away = once(async () => {
  const server = await start({ opts: ["limits.signups=invite"] });
  const zoe = await made(server, "Zoe");
  execFileSync(path.join(ROOT, "scripts/pg"), ["stop"], { cwd: ROOT, env: { ...process.env, PARLEY_VAR: path.join(server.dir, "var") }, stdio: "ignore" });
  await eventually("the server has noticed", async () => (await zoe.request("GET", "/me")).status === 503, 30_000, 200);
  return { server, base: server.base, zoe };
});

// All of them at once: starting is mostly waiting.
before(() => Promise.all([main, limited, small, busy, away].map((world) => world())));

// One request of each operation -----------------------------------------------------------------------------------------

const offer = readFileSync(path.join(ROOT, "tests/unit/sdp/chromium-sendrecv.sdp"), "utf8");
const sdp = { type: "application/sdp" };
const fragment = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n";
const trickle = (match) => ({ type: "application/trickle-ice-sdpfrag", headers: match ? { "if-match": match } : {} });
const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const id = randomUUID();
const media = `00${randomUUID().replaceAll("-", "").slice(0, 16)}`;
const password = "a long enough passphrase";

/** Well formed, but about something that never was: [method, path, body, options]. */
const plain = {
  createAccount: () => ["POST", "/accounts", { username: `x.${randomUUID().slice(0, 12)}`, display_name: "X", password, invite: "ABCD-EFGH" }],
  signIn: () => ["POST", "/sessions", { username: "nobody.at.all", password }],
  listSessions: () => ["GET", "/sessions"],
  getSession: () => ["GET", "/sessions/current"],
  signOut: () => ["DELETE", "/sessions/current"],
  revokeSession: () => ["DELETE", `/sessions/${id}`],
  getMe: () => ["GET", "/me"],
  updateMe: () => ["PATCH", "/me", { status: "away" }],
  deleteMe: () => ["DELETE", "/me", { password: "surely not this one" }],
  changePassword: () => ["PUT", "/me/password", { current: "surely not this one", new: password }],
  putAvatar: () => ["PUT", "/me/avatar", png, { type: "image/png" }],
  deleteAvatar: () => ["DELETE", "/me/avatar"],
  exportMe: () => ["GET", "/me/export"],
  getAvatar: () => ["GET", `/avatars/${id}.webp`],
  searchUsers: () => ["GET", "/users?q=x"],
  listContacts: () => ["GET", "/contacts"],
  putContact: () => ["PUT", `/contacts/${id}`, {}],
  updateContact: () => ["PATCH", `/contacts/${id}`, { favourite: true }],
  deleteContact: () => ["DELETE", `/contacts/${id}`],
  startCall: () => ["POST", "/calls", { invite: [id] }],
  listCalls: () => ["GET", "/calls"],
  getCall: () => ["GET", `/calls/${id}`],
  updateCall: () => ["PATCH", `/calls/${id}`, { locked: true }],
  inviteToCall: () => ["POST", `/calls/${id}/invite`, { invite: [id] }],
  answerCall: () => ["POST", `/calls/${id}/answer`, {}],
  declineCall: () => ["POST", `/calls/${id}/decline`, {}],
  leaveCall: () => ["POST", `/calls/${id}/leave`, {}],
  endCall: () => ["POST", `/calls/${id}/end`, {}],
  updateOwnMember: () => ["PATCH", `/calls/${id}/members/me`, { hand: true }],
  muteMember: () => ["PATCH", `/calls/${id}/members/${id}`, { muted: { audio: true } }],
  removeMember: () => ["DELETE", `/calls/${id}/members/${id}`],
  listMessages: () => ["GET", `/calls/${id}/messages`],
  postMessage: () => ["POST", `/calls/${id}/messages`, { id: randomUUID(), text: "x" }],
  readMessages: () => ["PUT", `/calls/${id}/messages/read`, { seq: 1 }],
  openMedia: () => ["POST", `/calls/${id}/media`, { sdp: offer }],
  updateMedia: () => ["PATCH", `/calls/${id}/media/${media}`, { sdp: offer }],
  closeMedia: () => ["DELETE", `/calls/${id}/media/${media}`],
  createStream: () => ["POST", `/calls/${id}/streams`, { kind: "publish", name: "x" }],
  listStreams: () => ["GET", `/calls/${id}/streams`],
  updateStream: () => ["PATCH", `/calls/${id}/streams/${id}`, { paused: true }],
  deleteStream: () => ["DELETE", `/calls/${id}/streams/${id}`],
  publishStream: () => ["POST", `/whip/${id}`, offer, sdp],
  updatePublishing: () => ["PATCH", `/whip/${id}/${media}`, fragment, trickle("*")],
  closePublishing: () => ["DELETE", `/whip/${id}/${media}`],
  watchStream: () => ["POST", `/whep/${id}`, offer, sdp],
  updateWatching: () => ["PATCH", `/whep/${id}/${media}`, fragment, trickle("*")],
  closeWatching: () => ["DELETE", `/whep/${id}/${media}`],
  listIceServers: () => ["GET", "/ice-servers"],
  openEvents: () => ["GET", "/events"],
  getServer: () => ["GET", "/server"],
  getOpenApi: () => ["GET", "/openapi.json"],
};
const isPublic = (operation) => operation.operation.security?.length === 0;

/** The plain request as that person, with another body or other options. */
function ask(person, operation, body, options = {}) {
  const [method, target, usual, more] = plain[operation.id]();
  if (operation.id === "openEvents") return upgrade(person.base, { token: person.token, ...options });
  const token = isPublic(operation) ? undefined : person.token;
  return request(person.base, method, target, body === undefined ? usual : body, { token, ...(body === undefined ? more : {}), ...options });
}
const outline = (operation) => plain[operation.id]()[2];

// Provocations ------------------------------------------------------------------------------------------------------

const bodyMax = { putAvatar: 5 << 20, openMedia: 160 << 10, updateMedia: 160 << 10, postMessage: 32 << 10 };

/** What provokes a code wherever an operation lists it. */
const general = {
  async unauthorized(operation) {
    const { server } = await main();
    return ask({ base: server.base }, operation);
  },
  async bad_origin(operation) {
    const { server, zoe } = await main();
    if (isPublic(operation)) return ask(zoe, operation, undefined, { headers: { origin: "https://evil.example" } });
    return ask({ base: server.base }, operation, undefined, { headers: { cookie: `__Host-parley=${zoe.token}` } });
  },
  invalid_json: async (operation) => ask((await main()).zoe, operation, '{"a": 1, "a": 2}', { type: "application/json" }),
  unknown_field: async (operation) => ask((await main()).zoe, operation, { ...outline(operation), surprise: 1 }),
  async body_too_large(operation) {
    const size = (bodyMax[operation.id] ?? 64 << 10) + 1;
    return ask((await main()).zoe, operation, Buffer.alloc(size, " "), { type: operation.id === "putAvatar" ? "image/png" : "application/json" });
  },
  unsupported_media_type: async (operation) => ask((await main()).zoe, operation, "x", { type: "text/plain" }),
  not_found: async (operation) => ask((await main()).zoe, operation),
  wrong_password: async (operation) => ask((await main()).zoe, operation),
  /** Others by the same sign-in (or from the same address) come along, until the limit is this one's. */
  async too_many_requests(operation) {
    const { base, zoe } = await limited();
    const others = isPublic(operation) ? "/server" : "/me";
    return eventually(
      "the limit is reached",
      async () => {
        const person = operation.id === "signOut" ? await zoe.device().catch(() => zoe) : zoe;
        const options = { token: others === "/me" ? person.token : undefined };
        const all = [1, 2, 3].map(() => request(base, "GET", others, undefined, options));
        const [answer] = await Promise.all([ask(person, operation), ...all]);
        return answer.status === 429 ? answer : null;
      },
      60_000,
      0,
    );
  },
  database_unavailable: async (operation) => ask((await away()).zoe, operation),
};

const wrongBody = {
  createAccount: { username: "ok.name", display_name: "X", password: "short" },
  signIn: { username: 5, password },
  updateMe: { status: "asleep" },
  deleteMe: { password: 5 },
  changePassword: { current: password, new: "short" },
  putContact: [],
  updateContact: { favourite: "yes" },
  startCall: { invite: [] },
  updateCall: { locked: 1 },
  inviteToCall: { invite: [id, id] },
  answerCall: [],
  declineCall: [],
  leaveCall: [],
  endCall: [],
  updateOwnMember: { muted: { audio: "yes" } },
  muteMember: { muted: { audio: false } },
  postMessage: { id: randomUUID(), text: "" },
  readMessages: { seq: 0 },
  openMedia: { sdp: offer, tracks: { 0: "trumpet" } },
  updateMedia: { sdp: 5 },
  createStream: { kind: "both", name: "x" },
  updateStream: { muted: { audio: "yes" } },
};
for (const [name, body] of Object.entries(wrongBody)) wrongBody[name] = JSON.stringify(body);
const wrongQuery = { searchUsers: "/users", listCalls: `/calls?before=${id}`, listMessages: `/calls/${id}/messages?after=-1` };
general.invalid_field = async (operation) => {
  const { zoe } = await main();
  if (operation.id === "putAvatar") return ask(zoe, operation, "no picture", { type: "image/png" });
  if (wrongQuery[operation.id]) return zoe.request("GET", wrongQuery[operation.id]);
  return ask(zoe, operation, wrongBody[operation.id], { type: "application/json" });
};

/** Keeps all that hashes passwords and scales pictures busy. */
const throng = {
  agent: new https.Agent({ rejectUnauthorized: false, keepAlive: true, maxSockets: 200 }),
  async come() {
    const { server } = await main();
    throng.over = false;
    const one = async () => {
      while (!throng.over) {
        const answer = await request(server.base, "POST", "/sessions", { username: "nobody.at.all", password }, { agent: throng.agent }).catch(() => {});
        if (answer?.status !== 401) await sleep(10); // whoever is refused leaves the time to those who are not
      }
    };
    throng.all = Array.from({ length: 120 }, one);
  },
  async go() {
    throng.over = true;
    await Promise.all(throng.all);
  },
};
const tooMuch = (operation) =>
  eventually(
    "there is too much to do",
    async () => {
      const answer = await ask((await main()).zoe, operation);
      return answer.status === 503 ? answer : null;
    },
    60_000,
    20,
  );
/** While the mediad answers nothing, and nobody replaces it. */
async function withoutMediad(server, fn) {
  const [master, mediad] = [server.pid("master"), server.pid("mediad")];
  process.kill(master, "SIGSTOP");
  process.kill(mediad, "SIGSTOP");
  try {
    return await fn();
  } finally {
    process.kill(mediad, "SIGCONT");
    process.kill(master, "SIGCONT");
  }
}

/** As whom, about which call: the plain request, in its place. */
const about = (who, call, body, options) => async (operation) => {
  const world = await main();
  const [method, target, usual, more] = plain[operation.id]();
  const place = target.replace(id, world[call]).replace(`members/${id}`, `members/${world.carla.id}`);
  return world[who].request(method, place, body ? body(world) : usual, { ...more, ...options });
};
const specific = {
  "createAccount 403 signups_closed": async (operation) => ask((await small()).ana, operation),
  "createAccount 403 invite_required": async (operation) => ask((await away()).zoe, operation, { username: "ok.name", display_name: "X", password }),
  "createAccount 409 username_taken": async (operation) => {
    const { zoe } = await main();
    return ask(zoe, operation, { username: zoe.username, display_name: "X", password });
  },
  "createAccount 503 overloaded": tooMuch,
  "signIn 401 bad_credentials": async (operation) => ask((await main()).zoe, operation),
  "signIn 503 overloaded": tooMuch,
  "deleteMe 503 overloaded": tooMuch,
  "changePassword 503 overloaded": tooMuch,
  "putAvatar 503 overloaded": tooMuch,
  "putContact 403 forbidden": async () => {
    const { zoe } = await main();
    return zoe.request("PUT", `/contacts/${zoe.id}`);
  },
  "startCall 403 not_a_contact": async (operation) => ask((await main()).zoe, operation),
  "startCall 409 wrong_state": async (operation) => {
    const { dora, bela } = await main();
    return ask(dora, operation, { invite: [bela.id] });
  },
  "updateCall 403 forbidden": about("bela", "call"),
  "updateCall 409 wrong_state": about("ana", "over"),
  "inviteToCall 403 not_a_contact": about("ana", "call", ({ zoe }) => ({ invite: [zoe.id] })),
  "inviteToCall 403 forbidden": async (operation) => {
    const { ana, call } = await main();
    await ana.must("PATCH", `/calls/${call}`, { locked: true });
    const answer = await about("bela", "call", ({ dora }) => ({ invite: [dora.id] }))(operation);
    await ana.must("PATCH", `/calls/${call}`, { locked: false });
    return answer;
  },
  "inviteToCall 409 wrong_state": about("ana", "over", ({ carla }) => ({ invite: [carla.id] })),
  "answerCall 409 wrong_state": about("bela", "over"),
  "answerCall 409 answered_elsewhere": about("phone", "call"),
  "declineCall 409 wrong_state": about("bela", "call"),
  "leaveCall 409 wrong_state": about("carla", "call"),
  "endCall 403 forbidden": about("bela", "call"),
  "endCall 409 wrong_state": about("ana", "over"),
  "updateOwnMember 409 wrong_state": about("carla", "call"),
  "muteMember 403 forbidden": about("bela", "call"),
  "muteMember 409 wrong_state": about("ana", "call"),
  "removeMember 403 forbidden": about("bela", "call"),
  "removeMember 409 wrong_state": about("ana", "over"),
  "postMessage 403 forbidden": async (operation) => {
    const post = about("carla", "call", () => ({ id: randomUUID(), text: "x" }));
    for (let i = 0; i < 10; i++) assert.equal((await post(operation)).status, 201);
    return post(operation);
  },
  "postMessage 403 not_a_contact": async () => {
    const { eve, finn } = await main();
    const { call } = (await eve.must("POST", "/calls", { invite: [finn.id] })).json;
    await eve.must("POST", `/calls/${call.id}/leave`);
    await eve.must("DELETE", `/contacts/${finn.id}`);
    return eve.request("POST", `/calls/${call.id}/messages`, { id: randomUUID(), text: "x" });
  },
  "postMessage 409 wrong_state": about("bela", "over"),
  "openMedia 409 wrong_state": about("bela", "over"),
  "openMedia 409 not_joined": about("carla", "call"),
  "openMedia 409 answered_elsewhere": about("phone", "call"),
  "openMedia 422 invalid_sdp": async (operation) => ask((await main()).zoe, operation, "v=0\r\n", sdp),
  "openMedia 503 overloaded": async () => {
    const { ana, bela, call } = await small();
    await ana.must("POST", `/calls/${call}/media`, offer, sdp);
    return bela.request("POST", `/calls/${call}/media`, offer, sdp);
  },
  "openMedia 503 at_capacity": async () => {
    const { server, ana, call } = await busy();
    return whileOverBudget(server, () => ana.request("POST", `/calls/${call}/media`, offer, sdp));
  },
  "updateMedia 422 invalid_sdp": async (operation) => ask((await main()).zoe, operation, "v=0\r\n", sdp),
  "updateMedia 503 overloaded": async (operation) => withoutMediad((await main()).server, async () => ask((await main()).zoe, operation)),
  "closeMedia 503 overloaded": async (operation) => withoutMediad((await main()).server, async () => ask((await main()).zoe, operation)),
  "createStream 403 forbidden": async (operation) => {
    const { ana, call } = await main();
    await ana.must("PATCH", `/calls/${call}`, { locked: true });
    const answer = await about("bela", "call")(operation);
    await ana.must("PATCH", `/calls/${call}`, { locked: false });
    return answer;
  },
  "createStream 409 wrong_state": about("carla", "call"),
  "listStreams 409 wrong_state": about("carla", "call"),
  "updateStream 403 forbidden": async () => (await main()).bela.request("PATCH", (await streams()).target, { paused: true }),
  "updateStream 409 wrong_state": about("carla", "call"),
  "deleteStream 403 forbidden": async () => (await main()).bela.request("DELETE", (await streams()).target),
  "deleteStream 409 wrong_state": about("carla", "call"),
  "openEvents 400 invalid_json": async (operation) => ask((await main()).zoe, operation, undefined, { protocol: "chat.v9" }),
  "openEvents 426 upgrade_required": async () => (await main()).zoe.request("GET", "/events"),
  "openEvents 503 overloaded": async (operation) => {
    const { ana, bela } = await small();
    await ana.connect();
    try {
      return await ask(bela, operation);
    } finally {
      ana.disconnect();
    }
  },
  "getOpenApi 404 not_found": async (operation) => ask((await small()).ana, operation),
};

/** The operations of programs are asked with a stream's token: of a link of Ana's for each kind, in Bela's call, too. */
const streams = once(async () => {
  const world = await main();
  const make = async (kind) => (await world.ana.must("POST", `/calls/${world.call}/streams`, { kind, name: "Program" })).json.stream;
  const [whip, whep] = [await make("publish"), await make("watch")];
  return { ...world, whip, whep, target: `/calls/${world.call}/streams/${whip.id}` };
});
const kindOf = (operation) => operation.path.split("/")[1];
/** The plain request for that link. */
function asProgram(stream, operation, body, options = {}) {
  const [method, target, usual, more] = plain[operation.id]();
  return request(options.base ?? stream.base, method, target.replace(id, stream.id), body ?? usual, { token: stream.token, ...more, ...options });
}
async function program(operation, body, options) {
  const { server, ...links } = await streams();
  return asProgram({ base: server.base, ...links[kindOf(operation)] }, operation, body, options);
}
/** In a call of its own on a server of its own kind: made when it is asked for. */
async function programOf(world, maker, call, kind) {
  const { stream } = (await maker.must("POST", `/calls/${call}/streams`, { kind: kind === "whip" ? "publish" : "watch", name: "Program" })).json;
  return { base: world.server.base, ...stream };
}
for (const [operation_, session] of [["publishStream", false], ["watchStream", false], ["updatePublishing", true], ["updateWatching", true], ["closePublishing", true], ["closeWatching", true]]) {
  const add = (key, run) => (specific[`${operation_} ${key}`] = run);
  add("401 unauthorized", async (operation) => ask((await main()).zoe, operation));
  add("429 too_many_requests", async (operation) => {
    const world = await limited();
    return eventually(
      "the limit is reached",
      async () => {
        const all = [1, 2, 3].map(() => request(world.base, "GET", "/server"));
        const [answer] = await Promise.all([ask({ base: world.base }, operation), ...all]);
        return answer.status === 429 ? answer : null;
      },
      60_000,
      0,
    );
  });
  if (operation_.startsWith("close")) {
    add("404 not_found", async (operation) => program(operation));
    add("503 overloaded", async (operation) => withProgram(operation, () => joinedProgram(operation)));
    continue;
  }
  add("413 body_too_large", async (operation) => program(operation, Buffer.alloc((64 << 10) + 1, " ")));
  add("415 unsupported_media_type", async (operation) => program(operation, "x", { type: "text/plain" }));
  add("422 invalid_sdp", async (operation) => program(operation, "no lines"));
  if (session) {
    add("404 not_found", async (operation) => program(operation));
    add("412 precondition_failed", async (operation) => joinedProgram(operation, trickle('"0123456789abcdef"')));
    add("428 precondition_required", async (operation) => program(operation, undefined, trickle(null)));
    add("503 overloaded", async (operation) => withProgram(operation, () => joinedProgram(operation)));
  } else {
    add("403 forbidden", async (operation) => {
      const world = await main();
      const stream = await programOf(world, world.bela, world.call, kindOf(operation));
      assert.equal((await asProgram(stream, operation)).status, 201);
      await world.ana.must("DELETE", `/calls/${world.call}/members/${stream.id}`);
      return asProgram(stream, operation);
    });
    add("409 wrong_state", async (operation) => {
      const world = await main();
      const { call } = (await world.zoe.must("POST", "/calls", { invite: [(await zoesFriend()).id] })).json;
      const answer = await asProgram(await programOf(world, world.zoe, call.id, kindOf(operation)), operation);
      await world.zoe.must("POST", `/calls/${call.id}/leave`);
      return answer;
    });
    add("503 at_capacity", async (operation) => {
      const { server, bela, call } = await busy();
      const stream = await programOf({ server }, bela, call, kindOf(operation));
      return whileOverBudget(server, () => asProgram(stream, operation));
    });
    add("503 overloaded", async (operation) => {
      const { server, ana, bela, call } = await small();
      await ana.request("POST", `/calls/${call}/media`, offer, sdp); // or it is there already
      const stream = await programOf({ server }, bela, call, kindOf(operation));
      const answer = await asProgram(stream, operation);
      await bela.must("DELETE", `/calls/${call}/streams/${stream.id}`);
      return answer;
    });
  }
}
/** One that is in the call, about a session that its mediad may have. */
const inCall = { whip: once(() => joins("whip")), whep: once(() => joins("whep")) };
async function joins(kind) {
  const world = await main();
  const stream = await programOf(world, world.bela, world.call, kind);
  const { status } = await request(world.server.base, "POST", `/${kind}/${stream.id}`, offer, { token: stream.token, ...sdp });
  assert.equal(status, 201);
  return stream;
}
async function joinedProgram(operation, options) {
  return asProgram(await inCall[kindOf(operation)](), operation, undefined, options);
}
/** It is in the call before the mediad is held. */
async function withProgram(operation, fn) {
  await inCall[kindOf(operation)]();
  return withoutMediad((await main()).server, fn);
}
const zoesFriend = once(async () => {
  const { server, zoe } = await main();
  const friend = await made(server, "Yves");
  await befriend(zoe, friend);
  return friend;
});

/** [{ key, status, code, run }] of the whole file. */
const listed = operations.flatMap((operation) =>
  Object.entries(documentedCodes(operation.operation)).flatMap(([status, codes]) =>
    [...codes].map((code) => {
      const key = `${operation.id} ${status} ${code}`;
      const provoke = specific[key] ?? (code === "overloaded" || (code === "forbidden" && status === "403") ? undefined : general[code]);
      return { key, status: Number(status), code, run: provoke && (() => provoke(operation)) };
    }),
  ),
);

test("every operation has a plain request, and no provocation is for something that is not listed", () => {
  assert.deepEqual(Object.keys(plain).sort(), operations.map((o) => o.id).sort());
  assert.deepEqual(Object.keys(specific).filter((key) => !listed.some((l) => l.key === key)), []);
});

function provoked({ key, status, code, run }) {
  test(`error: ${key}`, async () => {
    assert.ok(run, "listed in openapi.yaml, and nothing here provokes it");
    const answer = await run();
    assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.text);
    if ([429, 503].includes(status)) assert.match(answer.headers["retry-after"], /^\d+$/);
    if (status === 401 && code === "unauthorized") assert.match(answer.headers["www-authenticate"], /^Bearer/);
    if (["invalid_field", "unknown_field"].includes(code) && !/^\[/.test(wrongBody[key.split(" ")[0]] ?? "")) assert.ok(answer.json.field, "field names it");
  });
}

for (const error of listed) if (!never.has(error.code) && specific[error.key] !== tooMuch) provoked(error);
describe("while everybody signs in at once", () => {
  before(throng.come);
  after(throng.go);
  for (const error of listed) if (specific[error.key] === tooMuch) provoked(error);
});

// Any operation, and none ----------------------------------------------------------------------------------------------

/** Sends bytes, resolves with the one answer, checked. */
async function raw(method, target, bytes) {
  const { server } = await main();
  const text = await new Promise((resolve, reject) => {
    const socket = tls.connect({ host: "127.0.0.1", port: server.ports.https, rejectUnauthorized: false }, () => socket.write(bytes));
    let all = "";
    socket.on("data", (d) => (all += d));
    socket.on("close", () => resolve(all));
    socket.on("error", reject);
  });
  const [head, body] = [text.slice(0, text.indexOf("\r\n\r\n")), text.slice(text.indexOf("\r\n\r\n") + 4)];
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
  checkResponse(method, target, status, /^content-type: (.*)$/im.exec(head)?.[1], body);
  assert.match(head, /^connection: close/im);
  return { status, json: JSON.parse(body) };
}
/** A head that does not end, sent at the beginning: the server waits ten seconds for the rest. */
const slowHead = once(() => raw("GET", "/me", "GET /api/v1/me HTTP/1.1\r\nHost: local"));
before(() => void slowHead().catch(() => {})); // its test says what was wrong
const any = {
  "any 400 invalid_json": () => raw("GET", "/me", "GET /api/v1/me HTTP/1.1\r\nHost: localhost\n\r\n"),
  "any 408 request_timeout": slowHead,
  "any 413 body_too_large": async () => (await main()).zoe.request("GET", "/me", " ".repeat((64 << 10) + 1)),
  "any 415 unsupported_media_type": async () => (await main()).zoe.request("GET", "/me", {}),
  "any 417 expectation_failed": async () => (await main()).zoe.request("GET", "/me", undefined, { headers: { expect: "200-ok" } }),
  "none 404 not_found": async () => (await main()).zoe.request("GET", "/nothing"),
  "none 405 method_not_allowed": async () => (await main()).zoe.request("PUT", "/sessions", {}),
};
const anywhere = [["any", everyOperation], ["none", noOperation]].flatMap(([where, map]) =>
  Object.entries(map).flatMap(([status, codes]) => [...codes].map((code) => ({ key: `${where} ${status} ${code}`, status: Number(status), code }))),
);
for (const { key, status, code } of anywhere.filter((l) => !never.has(l.key) && !never.has(l.code))) {
  test(`error of ${key}`, async () => {
    assert.ok(any[key], "listed in openapi.yaml, and nothing here provokes it");
    const answer = await any[key]();
    assert.deepEqual([answer.status, answer.json.code], [status, code]);
    if (status === 405) assert.equal(answer.headers.allow, "GET, HEAD, POST");
  });
}
test("one of each bound that the server sets to a request is 400, never 411, 431 or 505", async () => {
  for (const bytes of [
    `GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20_000)}\r\n\r\n`,
    "GET /api/v1/me HTTP/3.0\r\nHost: localhost\r\n\r\n",
    "GET /api/v1/me HTTP/1.0\r\nHost: localhost\r\n\r\n",
    "POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
  ])
    assert.equal((await raw("GET", "/me", bytes)).status, 400);
});

// Media: the other two types of a PATCH --------------------------------------------------------------------------------

test("a transport is re-offered by JSON with what its tracks carry; trickled candidates change nothing, whoever sends them", async () => {
  const { bela, zoe, call } = await main();
  const made_ = await bela.must("POST", `/calls/${call}/media`, { sdp: offer });
  const place = made_.headers.location.slice("/api/v1".length);
  const mids = [...offer.matchAll(/^m=(audio|video)[^]*?^a=mid:(\S+)/gm)].map((m) => [m[1], m[2]]);
  const tracks = Object.fromEntries(mids.map(([kind, mid]) => [mid, kind === "audio" ? "microphone" : "camera"]));
  const again = await bela.request("PATCH", place, { sdp: offer, tracks });
  assert.deepEqual([again.status, again.headers["content-type"]], [200, "application/sdp"]);
  const unknown = await bela.request("PATCH", place, { sdp: offer, tracks: { nine: "camera" } });
  assert.deepEqual([unknown.status, unknown.json.field], [422, "tracks"]);
  const other = await bela.request("PATCH", place, offer.replace(/^a=fingerprint:sha-256 ..:..:/gm, "a=fingerprint:sha-256 00:00:"), sdp);
  assert.deepEqual([other.status, other.json.code], [422, "invalid_sdp"]);
  const candidate = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host\r\n";
  for (const p of [bela, zoe])
    for (const where of [place, `/calls/${id}/media/${media}`]) {
      const answer = await p.request("PATCH", where, candidate, { type: "application/trickle-ice-sdpfrag" });
      assert.deepEqual([answer.status, answer.text], [204, ""]);
    }
  assert.equal((await bela.request("PATCH", place, "x", { type: "text/plain" })).status, 415);
  assert.equal((await bela.request("DELETE", place)).status, 204);
  assert.equal((await bela.request("DELETE", place)).status, 404);
});

test("an answer that one has already is 304", async () => {
  const { zoe } = await main();
  const { headers } = await zoe.must("GET", "/openapi.json");
  assert.equal((await zoe.request("GET", "/openapi.json", undefined, { headers: { "if-none-match": headers.etag } })).status, 304);
});

// WebSockets ------------------------------------------------------------------------------------------------------------

const connected = async (world) => {
  const person = await (await world()).ana.device();
  await person.connect();
  return person;
};
const closes = {
  1000: async (p) => p.ws.close(1000),
  1002: async (p) => p.ws._socket.write(Buffer.from([0x81, 0x02, 0x68, 0x69])), // not masked
  1003: async (p) => p.ws.send(Buffer.from("x"), { binary: true }),
  // It asks and does not read the answers.
  async 1006(p) {
    const { server } = await main();
    let over = false;
    p.closed.then(() => (over = true));
    p.ws._socket.pause();
    await eventually(
      "cut",
      async () => {
        for (let i = 0; i < 2000 && !over; i++) p.ws.ping(Buffer.alloc(125), true, () => {});
        return over || (await server.metric("parley_worker_websockets_cut_total")) > 0;
      },
      60_000,
      5,
    );
    p.ws._socket.resume();
  },
  1007: async (p) => p.ws.send(Buffer.from([0xff]), { binary: false }),
  1008: async (p) => p.ws.send('{"type":"typing"}'),
  1009: async (p) => p.ws.send(" ".repeat((64 << 10) + 1)),
  async 1012(p) {
    p.server.kill("master", 0, "SIGHUP");
    await p.event("server.moving", () => true, 30_000);
  },
  4401: async (p) => p.must("DELETE", "/sessions/current"),
};
for (const code of Object.keys(closeCodes).filter((c) => !never.has(`close ${c}`))) {
  test(`WebSocket close code ${code}`, async () => {
    assert.ok(closes[code], "listed in openapi.yaml, and nothing here provokes it");
    const person = await connected(code === "1012" ? small : main);
    await closes[code](person);
    assert.equal(await person.closed, Number(code));
  });
}

test("a bad close code and half a one break the protocol; none at all is none", async () => {
  const frame = (payload) => Buffer.concat([Buffer.from([0x88, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload)]);
  for (const [payload, expected] of [[[0x03, 0xec], 1002], [[0x03], 1002], [[0x03, 0xe8, 0xff], 1007], [[], 1005]]) {
    const person = await connected(main);
    person.ws._socket.write(frame(payload));
    assert.equal(await person.closed, expected);
  }
});
