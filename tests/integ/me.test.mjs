import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { deflateSync, crc32 } from "node:zlib";
import { Server } from "../support/server.mjs";
import { Person, befriend, randomUUID, request } from "../support/api.mjs";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1 })));
after(() => server?.stop());

function crc(buffer) {
  if (crc32) return crc32(buffer);
  let c = ~0;
  for (const byte of buffer) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
  }
  return ~c >>> 0;
}

/** A PNG of one colour, with a text chunk that must not survive. */
function png(width, height, data = Buffer.alloc((width * 3 + 1) * height, 0x40)) {
  const chunk = (type, body) => {
    const head = Buffer.from(type, "latin1");
    const out = Buffer.alloc(body.length + 12);
    out.writeUInt32BE(body.length, 0);
    head.copy(out, 4);
    body.copy(out, 8);
    out.writeUInt32BE(crc(Buffer.concat([head, body])), body.length + 8);
    return out;
  };
  for (let y = 0; y < height && data.length; y++) data[y * (width * 3 + 1)] = 0;
  const ihdr = Buffer.alloc(13);
  ihdr.writeUInt32BE(width, 0);
  ihdr.writeUInt32BE(height, 4);
  ihdr.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", ihdr), chunk("tEXt", Buffer.from("Comment\0secret place")), chunk("IDAT", deflateSync(data)), chunk("IEND", Buffer.alloc(0))]);
}
const JPEG = Buffer.from(
  "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=",
  "base64",
);
const WEBP = Buffer.from("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA", "base64");
const put = (p, body, type) => p.request("PUT", "/me/avatar", body, { type });

test("a picture is encoded anew, reaches contacts live, has a new name each time and can be removed", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  await bela.connect();
  const urls = new Set();
  for (const [body, type] of [[png(300, 200), "image/png"], [JPEG, "image/jpeg"], [WEBP, "image/webp"]]) {
    const answer = await put(ana, body, type);
    assert.equal(answer.status, 200, answer.text);
    const url = answer.json.user.avatar_url;
    assert.match(url, /^\/api\/v1\/avatars\/[0-9a-f]{32}\.webp$/);
    urls.add(url);
    await bela.event("contact", (e) => e.contact.user.avatar_url === url);
    const picture = await bela.must("GET", url);
    assert.equal(picture.headers["content-type"], "image/webp");
    assert.match(picture.headers["cache-control"], /^private, .*immutable/);
    assert.equal(picture.bytes.subarray(0, 4).toString(), "RIFF");
    assert.equal(picture.bytes.readUInt32LE(4) + 8, picture.bytes.length);
    assert.ok(!picture.text.includes("secret place"));
  }
  assert.equal(urls.size, 3);
  const [first, , last] = urls;
  assert.equal((await bela.request("GET", first)).status, 404, "the old picture is gone");
  assert.equal((await request(server.base, "GET", last)).status, 401);
  assert.equal((await ana.request("DELETE", "/me/avatar")).status, 204);
  await bela.event("contact", (e) => e.contact.user.avatar_url === null);
  assert.equal((await bela.request("GET", last)).status, 404);
  assert.equal((await ana.request("DELETE", "/me/avatar")).status, 204);
});

test("what is no picture, of another type, or too large is refused, and the old one stays", async () => {
  const ana = await Person.create(server, "Ana");
  const { avatar_url } = (await put(ana, png(10, 10), "image/png")).json.user;
  for (const [what, body, type] of [
    ["text", Buffer.from("hello"), "image/png"],
    ["nothing", Buffer.alloc(0), "image/png"],
    ["another type", png(10, 10), "image/jpeg"],
    ["another type", JPEG, "image/webp"],
    ["a cut file", png(300, 300).subarray(0, 90), "image/png"],
    ["a wide one", png(9000, 1), "image/png"],
    ["a bomb", png(8000, 8000, Buffer.alloc(0)), "image/png"],
  ]) {
    const answer = await put(ana, body, type);
    assert.deepEqual([answer.status, answer.json.code, answer.json.field], [422, "invalid_field", "body"], what);
  }
  assert.equal((await put(ana, Buffer.from("<svg/>"), "image/svg+xml")).json.code, "unsupported_media_type");
  assert.equal((await put(ana, Buffer.alloc((5 << 20) + 1), "image/png")).json.code, "body_too_large");
  const stranger = await request(server.base, "PUT", "/me/avatar", Buffer.alloc(100_000), { type: "image/png" });
  assert.equal(stranger.status, 413, "who is not signed in sends nothing large");
  assert.equal((await ana.must("GET", "/me")).json.user.avatar_url, avatar_url);
  assert.equal((await ana.request("GET", "/avatars/..%2fsecret")).status, 404);
});

test("a new password ends the other sign-ins, at once, and is the only one that opens", async () => {
  const ana = await Person.create(server, "Ana");
  const phone = await ana.device();
  await Promise.all([ana.connect(), phone.connect()]);
  const wanted = "an entirely different phrase";
  const change = (body) => ana.request("PUT", "/me/password", body);
  const wrong = await change({ current: "not this one, surely", new: wanted });
  assert.deepEqual([wrong.status, wrong.json.code, wrong.json.field], [403, "wrong_password", "current"]);
  assert.equal((await change({ current: ana.password, new: "short" })).json.field, "new");
  assert.equal((await change({ current: ana.password, new: "passwordpassword" })).json.field, "new");
  assert.equal((await phone.request("GET", "/me")).status, 200);
  assert.equal((await change({ current: ana.password, new: wanted })).status, 204);
  assert.equal(await phone.closed, 4401);
  assert.equal((await phone.request("GET", "/me")).status, 401);
  assert.equal((await ana.request("GET", "/me")).status, 200);
  const signIn = (password) => request(server.base, "POST", "/sessions", { username: ana.username, password });
  assert.equal((await signIn(ana.password)).status, 401);
  assert.equal((await signIn(wanted)).status, 201);
});

test("guessing the own password is throttled like signing in", async () => {
  const ana = await Person.create(server, "Ana");
  const codes = [];
  for (let i = 0; i < 12; i++) codes.push((await ana.request("DELETE", "/me", { password: `wrong ${i}` })).json.code);
  assert.deepEqual([codes[0], codes[11]], ["wrong_password", "too_many_requests"]);
  assert.equal((await ana.request("GET", "/me")).status, 200);
});

test("a deleted account is gone from every list; calls and words stay with the others, without the name", async () => {
  const [ana, bela] = [await Person.create(server, "Ana Zielinski"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  await Promise.all([ana.connect(), bela.connect()]);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  await bela.must("POST", `/calls/${call.id}/answer`);
  await ana.must("POST", `/calls/${call.id}/messages`, { id: randomUUID(), text: "see you" });
  const { avatar_url } = (await put(ana, png(10, 10), "image/png")).json.user;
  assert.equal((await ana.request("DELETE", "/me", { password: "wrong password" })).json.code, "wrong_password");
  const cookie = `__Host-parley=${ana.token}`;
  const gone = await request(server.base, "DELETE", "/me", { password: ana.password }, { headers: { cookie, origin: server.base } });
  assert.equal(gone.status, 204);
  assert.match([gone.headers["set-cookie"]].flat()[0], /Max-Age=0/);
  assert.equal(await ana.closed, 4401);
  assert.equal((await bela.event("call.ended")).call.end_reason, "hangup");
  assert.equal((await bela.event("contact", (e) => e.contact === null)).user_id, ana.id);
  assert.equal((await ana.request("GET", "/me")).status, 401);
  assert.equal((await request(server.base, "POST", "/sessions", { username: ana.username, password: ana.password })).status, 401);
  assert.equal((await bela.must("GET", "/users?q=zielinski")).json.items.length, 0);
  assert.equal((await bela.must("GET", "/contacts")).json.items.length, 0);
  assert.equal((await bela.request("GET", avatar_url)).status, 404);
  assert.equal((await bela.request("PUT", `/contacts/${ana.id}`)).status, 404);
  const old = (await bela.must("GET", `/calls/${call.id}`)).json.call;
  assert.equal(old.members[0].user.display_name, "Deleted account");
  assert.equal((await bela.must("GET", `/calls/${call.id}/messages`)).json.items[0].text, "see you");
  const again = await request(server.base, "POST", "/accounts", { username: ana.username, display_name: "New", password: ana.password });
  assert.equal(again.status, 201, "the user name is free again");
});

test("everything that is stored about one can be taken along", async () => {
  const [ana, bela] = [await Person.create(server, "Ana"), await Person.create(server, "Bela")];
  await befriend(ana, bela);
  const { call } = (await ana.must("POST", "/calls", { invite: [bela.id] })).json;
  await bela.must("POST", `/calls/${call.id}/answer`);
  for (const p of [ana, bela]) await p.must("POST", `/calls/${call.id}/messages`, { id: randomUUID(), text: `by ${p.name}` });
  const { json, headers } = await ana.must("GET", "/me/export");
  assert.match(headers["content-disposition"], /attachment/);
  assert.deepEqual([json.user.id, json.sessions.length, json.contacts[0].user.id, json.calls[0].id], [ana.id, 1, bela.id, call.id]);
  assert.deepEqual(json.messages.map((m) => m.text), ["by Ana"]);
  assert.ok(!JSON.stringify(json).includes("argon2"));
  let last;
  for (let i = 0; i < 6; i++) last = await ana.request("GET", "/me/export");
  assert.equal(last.json.code, "too_many_requests");
});

test("sign-ups can be closed, or need an invitation that counts its uses", async () => {
  for (const [signups, code] of [["closed", "signups_closed"], ["invite", "invite_required"]]) {
    const strict = await Server.start({ workers: 1, mediads: 1, opts: [`limits.signups=${signups}`] });
    try {
      assert.equal((await request(strict.base, "GET", "/server")).json.server.signups, signups);
      const body = { username: "ana", display_name: "Ana", password: "a long enough passphrase" };
      for (const invite of [{}, { invite: "ABCD-EFGH-JKLM-NPQR" }]) {
        const answer = await request(strict.base, "POST", "/accounts", { ...body, ...invite });
        assert.deepEqual([answer.status, answer.json.code], [403, code]);
      }
    } finally {
      await strict.stop();
    }
  }
});
