// The bad network of the tests (tests/net/impair.c) between a client and a server that sends everything back. What the
// wires do with packets is shown by tests/unit/test_wire.c on a simulated clock; here it is real sockets and time, which
// on a busy machine only ever makes things later.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Impair, scenarioFile } from "../net/impair.mjs";
import { Server, eventually, freePorts, sleep } from "../support/server.mjs";

async function udp(port = 0) {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
  await new Promise((resolve, reject) => socket.once("error", reject).bind(port, "127.0.0.1", resolve));
  return socket;
}

/** fn({ impair, listen, echo(i): who the server has seen on port i, client() }) between two echoing ports. */
async function withEcho(fn, options = {}) {
  const dir = mkdtempSync(path.join(os.tmpdir(), "parley-impair-"));
  const { media } = await freePorts(4);
  const echoes = [];
  const open = [];
  for (const i of [0, 1]) {
    const socket = await udp(media + i);
    const seen = { packets: 0, bytes: 0, from: new Set() };
    socket.on("message", (data, from) => {
      seen.packets++;
      seen.bytes += data.length;
      seen.from.add(from.port);
      socket.send(data, from.port, from.address);
    });
    open.push(socket);
    echoes.push(seen);
  }
  const stats = path.join(dir, "stats.jsonl");
  const impair = await Impair.start({ listen: `127.0.0.1:${media + 2}`, server: `127.0.0.1:${media}`, ports: 2, stats, ...options });
  const client = async (i = 0) => {
    const socket = await udp();
    open.push(socket);
    const got = [];
    socket.on("message", (data) => got.push({ at: performance.now(), number: data.readUInt32BE(0), len: data.length }));
    return {
      got,
      /** count packets of len bytes, numbered from `first`; resolves when the last one has been sent. */
      async send(count, len = 100, first = 0) {
        const sent = [];
        for (let n = first; n < first + count; n++) {
          const data = Buffer.alloc(len);
          data.writeUInt32BE(n);
          sent.push(performance.now());
          await new Promise((resolve, reject) => socket.send(data, media + 2 + i, "127.0.0.1", (e) => (e ? reject(e) : resolve())));
        }
        return sent;
      },
    };
  };
  try {
    await fn({ impair, listen: media + 2, echoes, client, dir });
  } finally {
    for (const socket of open) socket.close();
    rmSync(dir, { recursive: true, force: true });
    await impair.stop();
  }
}

/** What looks like SRTP. */
function srtp(sequence, content) {
  const data = Buffer.alloc(60, content);
  data.writeUInt16BE(0x8060, 0);
  data.writeUInt16BE(sequence, 2);
  data.writeUInt32BE(0xabcd0001, 8);
  return data;
}

test("without a scenario everything passes in order, and the server sees each client at an address of its own", () =>
  withEcho(async ({ echoes, client }) => {
    const [a, b, other] = [await client(0), await client(0), await client(1)];
    for (let i = 0; i < 10; i++) await Promise.all([a.send(20, 1200, i * 20), b.send(20, 1200, i * 20), other.send(20, 1200, i * 20)]);
    await eventually("all come back", () => a.got.length === 200 && b.got.length === 200 && other.got.length === 200);
    for (const { got } of [a, b, other]) assert.deepEqual(got.map((g) => g.number), Array.from({ length: 200 }, (_, n) => n));
    assert.equal(echoes[0].from.size, 2);
    assert.equal(echoes[1].from.size, 1);
  }));

test("loss in one direction of one port, the same packets for the same seed", async () => {
  const survivors = [];
  for (const seed of [5, 5, 6])
    await withEcho(
      async ({ impair, listen, echoes, client }) => {
        const [one, other] = [await client(0), await client(1)];
        await impair.set(listen, "down", "loss=10");
        for (let i = 0; i < 50; i++) await Promise.all([one.send(20, 100, i * 20), other.send(20, 100, i * 20)]);
        await eventually("all have arrived at the server", () => echoes[0].packets === 1000 && echoes[1].packets === 1000);
        await eventually("the other port loses nothing", () => other.got.length === 1000);
        const down = await eventually("the proxy has told of all of them", () => {
          const lines = impair.lines().filter((l) => l.port === listen && l.direction === "down");
          const sum = (name) => lines.reduce((n, l) => n + l[name], 0);
          return sum("in") === 1000 && sum("out") + sum("lost") === 1000 && { lost: sum("lost"), out: sum("out") };
        });
        await eventually("what is not lost comes back", () => one.got.length === down.out);
        assert.ok(down.lost > 60 && down.lost < 145, `${down.lost} of 1000`);
        survivors.push(one.got.map((g) => g.number).join());
      },
      { seed },
    );
  assert.equal(survivors[0], survivors[1]);
  assert.notEqual(survivors[0], survivors[2]);
});

test("a delay in each direction holds every packet, until it is cleared", () =>
  withEcho(async ({ impair, listen, client }) => {
    const one = await client();
    await impair.set(listen, "up", "delay=30");
    await impair.set(listen, "down", "delay=50");
    const sent = await one.send(50);
    await eventually("all come back", () => one.got.length === 50);
    one.got.forEach(({ at, number }) => assert.ok(at - sent[number] >= 79, `${number} took ${at - sent[number]} ms`));
    await impair.clear(listen);
    await one.send(50, 100, 50);
    await eventually("all come back", () => one.got.length === 100);
  }));

test("a bottleneck passes no more than its rate, and drops what would wait longer than its queue", () =>
  withEcho(async ({ impair, listen, client }) => {
    const one = await client();
    await impair.set(listen, "up", "rate=400 queue=200");
    const began = performance.now();
    await one.send(200, 972); // of 20 ms each, all at once
    const took = performance.now() - began;
    const up = await eventually("each has passed or been dropped", () => {
      const lines = impair.lines().filter((l) => l.direction === "up");
      const sum = (name) => lines.reduce((n, l) => n + l[name], 0);
      return sum("in") === 200 && sum("out") + sum("dropped") === 200 && { dropped: sum("dropped"), wait: Math.max(...lines.map((l) => l.wait_max_ms)) };
    });
    await eventually("what passed comes back", () => one.got.length === 200 - up.dropped);
    // What fits: while we were sending, the queue, and the one that is on its way already.
    assert.ok(one.got.length <= Math.ceil((took + 200) / 20) + 1, `${one.got.length} in ${took} ms`);
    assert.ok(one.got.length >= 11, `${one.got.length}`);
    assert.ok(up.wait <= 200, `${up.wait} ms`);
    assert.ok(one.got.at(-1).at - began >= (one.got.length - 1) * 20, "not faster than the rate");
  }));

test("jitter lets packets overtake or keeps their order, as it is told", () =>
  withEcho(async ({ impair, listen, client }) => {
    const one = await client();
    const overtaken = () => one.got.filter((g, i) => i > 0 && g.number < one.got[i - 1].number).length;
    await impair.set(listen, "down", "delay=40 jitter=15 order=keep");
    await one.send(200);
    await eventually("all come back", () => one.got.length === 200);
    assert.equal(overtaken(), 0);
    await impair.set(listen, "down", "order=free");
    await one.send(200, 100, 200);
    await eventually("all come back", () => one.got.length === 400);
    assert.ok(overtaken() > 0);
  }));

test("a scenario changes the network at its times, stretched to the run", () =>
  withEcho(async ({ impair, listen, client, dir }) => {
    const one = await client();
    const file = path.join(dir, "steps.txt");
    writeFileSync(file, "title = nothing, everything lost, nothing\nlength = 60\n0 both delay=1\n20 up loss=100\n40 up loss=0\n");
    const began = await impair.play(listen, file, 1.5);
    let n = 0;
    while (Date.now() < began + 1700) {
      await one.send(1, 100, n++);
      await sleep(5);
    }
    await one.send(1, 100, n++);
    await eventually("the last one comes back", () => one.got.at(-1)?.number === n - 1);
    await eventually("the proxy has told of all", () => impair.lines().reduce((sum, l) => sum + (l.direction === "up" ? l.in : 0), 0) === n);
    const lost = impair.lines().filter((l) => l.direction === "up" && l.lost > 0);
    assert.ok(lost.length > 0);
    // A line tells of 100 ms; the proxy itself may be late on a busy machine, never early.
    for (const l of lost) assert.ok(l.t_ms > began + 490, `${l.t_ms - began}`);
    assert.ok(one.got[0].number < 20 && one.got.length < n);
  }));

test("copies and late packets are no reuse of an index; two packets under one index are, and whoever stops it hears of it", async () => {
  let counts;
  const run = withEcho(async ({ impair, listen }) => {
    const socket = await udp();
    const send = (data) => new Promise((resolve, reject) => socket.send(data, listen, "127.0.0.1", (e) => (e ? reject(e) : resolve())));
    const until = async (up) => (await eventually("it has seen them", async () => (await impair.checked()).up.checked === up && impair.checked())).up;
    try {
      for (let n = 65500; n < 65600; n++) await send(srtp(n % 65536, n % 200));
      await send(srtp(65530, 65530 % 200));
      await send(srtp(10, 65546 % 200));
      assert.equal((await until(102)).reused, 0);
      await send(srtp(65530, 7));
      counts = await until(103);
      const lines = () => impair.lines().filter((l) => l.port === listen && l.direction === "up");
      const sum = (name) => lines().reduce((n, l) => n + l[name], 0);
      await eventually("the statistics say so", () => sum("checked") === 103 && sum("reused") === 1);
    } finally {
      socket.close();
    }
  });
  await assert.rejects(run, /two packets under one index[^]*from the client: SSRC abcd0001 of SRTP has used index 131066 twice/);
  assert.deepEqual(counts, { checked: 103, reused: 1, unread: 0, full: 0 });
});

test("a test whose server is checked fails with an index that was used twice", async () => {
  const server = await Server.start({ workers: 1, mediads: 1, checked: true });
  const socket = await udp();
  try {
    for (const content of [1, 2]) socket.send(srtp(5, content), server.outside, "127.0.0.1");
    await eventually("it was seen", async () => (await server.impair.checked()).up.checked === 2);
  } finally {
    socket.close();
    await assert.rejects(server.stop(), /two packets under one index/);
  }
  assert.throws(() => server.log(), /ENOENT/, "all of it is taken away all the same");
});

test("what it cannot do it says, and ends with whom it belongs to", () =>
  withEcho(async ({ impair, listen }) => {
    await assert.rejects(impair.set(listen, "sideways", "loss=1"), /up\|down\|both/);
    await assert.rejects(impair.set(listen, "u", "loss=1"), /up\|down\|both/);
    await assert.rejects(impair.tell(`set ${listen}`), /up\|down\|both/);
    await assert.rejects(impair.tell(""), /no such/);
    await assert.rejects(impair.set(listen, "up", "lost=1"), /no setting 'lost'/);
    await assert.rejects(impair.set(listen + 2, "up", "loss=1"), /no such port/);
    await assert.rejects(impair.play(listen, scenarioFile("no-such-file")), /No such file/);
    await assert.rejects(impair.tell(`jump ${listen}`), /no such command/);
    assert.ok((await impair.play(listen, scenarioFile("loss-5"), 1)) > 0);
  }));
