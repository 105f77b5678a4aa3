// What comes over the wire: malformed requests, the page and its headers, WebSocket framing.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import tls from "node:tls";
import { Server, eventually, sleep } from "../support/server.mjs";
import { Person, request } from "../support/api.mjs";
import WebSocket from "ws";

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 1 })));
after(() => server?.stop());

/** Sends bytes over TLS, resolves with everything that came back until the server closes or 2 s pass. */
function raw(bytes, wait = 2000) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: "127.0.0.1", port: server.ports.https, rejectUnauthorized: false }, () => socket.write(bytes));
    let text = "";
    const done = setTimeout(() => socket.destroy(), wait);
    socket.on("data", (d) => (text += d.toString("latin1")));
    socket.on("close", () => (clearTimeout(done), resolve(text)));
    socket.on("error", (e) => (text ? undefined : reject(e)));
  });
}
const status = (text) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);

const malformed = {
  "bare LF": "GET / HTTP/1.1\nHost: localhost\n\n",
  "no Host": "GET / HTTP/1.1\r\n\r\n",
  "two Hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "two Content-Lengths": "POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
  "a signed Content-Length": "POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}",
  "chunked with Content-Length":
    "POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "a chunk extension": "POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n",
  "a space before the colon": "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
  "a folded header": "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
  "a NUL in a header": "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
  "65 headers": "GET / HTTP/1.1\r\nHost: localhost\r\n" + Array.from({ length: 65 }, (_, i) => `X${i}: y\r\n`).join("") + "\r\n",
  "a header of 20 KiB": `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20480)}\r\n\r\n`,
  "HTTP/2.0 in the request line": "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
};
for (const [what, bytes] of Object.entries(malformed)) {
  test(`a request with ${what} is refused and the connection ends`, async () => {
    const text = await raw(bytes);
    assert.ok(status(text) >= 400 && status(text) < 506, text.slice(0, 200));
  });
}

test("chunked bodies, pipelined requests and Expect: 100-continue work", async () => {
  const chunked = await raw(
    'POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n',
  );
  assert.equal(status(chunked), 422);
  const two = await raw("GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/v1/nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  assert.deepEqual([...two.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]), ["401", "404"]);
  const expect = await new Promise((resolve) => {
    const socket = tls.connect({ host: "127.0.0.1", port: server.ports.https, rejectUnauthorized: false }, () =>
      socket.write(
        "POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
      ),
    );
    let text = "";
    socket.on("data", (d) => {
      if (!text) socket.write("{}");
      text += d.toString("latin1");
    });
    socket.on("close", () => resolve(text));
  });
  assert.match(expect, /^HTTP\/1\.1 100 [^]*HTTP\/1\.1 422/);
});

test("unknown paths and methods are problems with Allow", async () => {
  const missing = await request(server.base, "GET", "/nothing-here");
  assert.equal(missing.json.code, "not_found");
  const method = await request(server.base, "PUT", "/sessions", {});
  assert.equal(method.status, 405);
  assert.match(method.headers.allow, /POST/);
});

test("the page is served with a strict policy, its assets are compressed, cached and have an ETag", async () => {
  const page = await request(server.base, "GET", "/", undefined, { raw: true, headers: { accept: "text/html" } });
  assert.equal(page.status, 200);
  assert.match(page.headers["content-security-policy"], /default-src 'none'/);
  assert.doesNotMatch(page.headers["content-security-policy"], /script-src[^;]*unsafe/);
  assert.equal(page.headers["x-content-type-options"], "nosniff");
  assert.ok(!page.headers["strict-transport-security"], "no HSTS with a self-made certificate");
  const deep = await request(server.base, "GET", "/call/some-id", undefined, { raw: true, headers: { accept: "text/html" } });
  assert.equal(deep.text, page.text);
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(page.text)[1];
  const asset = await request(server.base, "GET", script, undefined, { raw: true, headers: { "accept-encoding": "br, gzip" } });
  assert.equal(asset.headers["content-encoding"], "br");
  assert.match(asset.headers["cache-control"], /immutable/);
  const again = await request(server.base, "GET", script, undefined, { raw: true, headers: { "accept-encoding": "br", "if-none-match": asset.headers.etag } });
  assert.equal(again.status, 304);
  for (const path of ["/../../etc/passwd", "/assets/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]) {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    assert.doesNotMatch(answer, /root:/);
  }
});

test("the OpenAPI file is served", async () => {
  const { json } = await request(server.base, "GET", "/openapi.json");
  assert.match(json.openapi, /^3\.1/);
});

test("a WebSocket needs a sign-in, its subprotocol and, with a cookie, the right Origin", async () => {
  const ana = await Person.create(server, "Ana");
  const url = server.base.replace("https", "wss") + "/api/v1/events";
  const open = (protocols, headers = {}) =>
    new Promise((resolve) => {
      const ws = new WebSocket(url, protocols, { rejectUnauthorized: false, headers });
      ws.on("open", () => (resolve(101), ws.close()));
      ws.on("unexpected-response", (_, res) => (resolve(res.statusCode), ws.terminate()));
      ws.on("error", () => resolve(0));
    });
  assert.equal(await open(["parley.v1"]), 401);
  assert.equal(await open(["parley.v1", "bearer.wrong"]), 401);
  assert.equal(await open(["parley.v1", `bearer.${ana.token}`]), 101);
  assert.equal(await open(["parley.v1"], { authorization: `Bearer ${ana.token}` }), 101);
  assert.equal(await open(["parley.v1"], { cookie: `__Host-parley=${ana.token}` }), 403);
  assert.equal(await open(["parley.v1"], { cookie: `__Host-parley=${ana.token}`, origin: "https://evil.example" }), 403);
  assert.equal(await open(["parley.v1"], { cookie: `__Host-parley=${ana.token}`, origin: server.base }), 101);
});

test("ping is answered; nonsense on the WebSocket closes it, and only it", async () => {
  const ana = await Person.create(server, "Ana");
  await ana.connect();
  ana.ws.send('{"type":"ping"}');
  await ana.event("pong");
  const other = await ana.device();
  await other.connect();
  other.ws._socket.write(Buffer.from([0x81, 0x02, 0x68, 0x69])); // an unmasked frame
  assert.ok([1002, 1006].includes(await other.closed));
  ana.ws.send('{"type":"ping"}');
  await ana.event("pong");
});

test("garbage instead of TLS, half-open handshakes and aborted bodies leave the server well", async () => {
  const net = await import("node:net");
  for (let i = 0; i < 50; i++) {
    const socket = net.connect(server.ports.https, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(Buffer.from(Array.from({ length: 64 }, () => Math.floor(Math.random() * 256))));
    setTimeout(() => socket.destroy(), 100);
  }
  await raw("POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", 200);
  await sleep(300);
  assert.equal((await request(server.base, "GET", "/me")).status, 401);
  assert.equal(await server.metric("parley_process_restarts_total"), 0);
});

test("WebSockets spread over the workers", async () => {
  const people = [];
  for (let i = 0; i < 24; i++) {
    const p = await Person.create(server, `P${i}`);
    await p.connect();
    people.push(p);
  }
  const all = await eventually("all are counted", async () => {
    const m = await server.metrics();
    const counts = [0, 1].map((w) => m[`parley_worker_websockets{worker="${w}"}`]);
    return counts[0] + counts[1] >= 24 ? counts : null;
  });
  assert.ok(Math.min(...all) >= 4, `both workers have some: ${all}`);
  for (const p of people) p.disconnect();
});
