// The program that looks at a server's media from beside (tests/net/witness.c), with sockets instead of a server. What it
// makes of the packets is shown by tests/unit/test_reuse.c; here it is that it sees all of them, once each.
import { impossible } from "../support/own-network.mjs";
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import net from "node:net";
import { once } from "node:events";
import { eventually } from "../support/server.mjs";
import { Witness } from "../net/witness.mjs";

const PORT = 20_002;
const HOSTS = ["127.0.0.1", "::1"];

/** What looks like SRTP. */
function srtp(sequence, content, len = 60) {
  const data = Buffer.alloc(len, content);
  data.writeUInt16BE(0x8060, 0);
  data.writeUInt16BE(sequence, 2);
  data.writeUInt32BE(0xabcd0001, 8);
  return data;
}

async function udp(host, port = 0) {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.bind(port, host);
  await once(socket, "listening");
  return socket;
}

const send = (socket, data, port, host) => new Promise((resolve, reject) => socket.send(data, port, host, (e) => (e ? reject(e) : resolve())));

/** Until it has seen so many of each direction; nothing else is ever seen. */
async function sees(witness, up, down) {
  const all = await eventually(`it has seen ${up} and ${down}`, async () => {
    const now = await witness.checked();
    if (now.up.checked < up || now.down.checked < down) throw new Error(JSON.stringify(now));
    return now;
  });
  assert.deepEqual([all.up.checked, all.down.checked], [up, down]);
  return all;
}

test("each datagram is seen once, in its direction, and an index that is used twice is told", { skip: impossible }, async () => {
  for (const host of HOSTS) {
    const witness = await Witness.start({ port: PORT, ports: 2 });
    const [server, other, client] = [await udp(host, PORT), await udp(host, PORT + 1), await udp(host)];
    const [to, away] = [client.address().port, await udp(host)];
    try {
      for (let n = 0; n < 50; n++) {
        await send(client, srtp(n, n), PORT, host);
        await send(server, srtp(n, n + 1), to, host);
        await send(other, srtp(n, n + 2), to, host); // another mediad, another key
        await send(away, srtp(n, n + 3), to, host); // none of the server's
      }
      await send(server, srtp(7, 8), to, host); // a copy
      assert.equal((await sees(witness, 50, 101)).down.reused, 0);
      await send(server, srtp(7, 9), to, host);
      assert.equal((await sees(witness, 50, 102)).down.reused, 1);
      assert.equal(await witness.missed(), 0);
    } finally {
      for (const socket of [server, other, client, away]) socket.close();
    }
    await assert.rejects(witness.stop(), /two packets under one index[^]*port 20002, from the server: SSRC abcd0001 of SRTP has used index 65543 twice/);
  }
});

test("what is sent in one go is seen datagram by datagram", { skip: impossible }, async () => {
  const witness = await Witness.start({ port: PORT });
  const client = await udp(HOSTS[0]);
  // The sizes of the datagrams in the lump are a word to the socket that Node.js does not know.
  const script = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", ${PORT}))
s.setsockopt(socket.IPPROTO_UDP, 103, 1200)
s.sendto(sys.stdin.buffer.read(), ("127.0.0.1", ${client.address().port}))`;
  const lump = (content) => Buffer.concat([10, 11, 12, 13].map((n) => srtp(n, content, 1200)));
  for (const content of [1, 1]) execFileSync("/usr/bin/python3", ["-c", script], { input: lump(content) });
  assert.equal((await sees(witness, 0, 8)).down.reused, 0);
  execFileSync("/usr/bin/python3", ["-c", script], { input: lump(2) });
  assert.equal((await sees(witness, 0, 12)).down.reused, 4);
  client.close();
  await assert.rejects(witness.stop(), /two packets under one index/);
});

test("over TCP packets are seen whole, however the stream is cut; what began before is not read, and told", { skip: impossible }, async () => {
  const connected = [];
  const server = net.createServer((socket) => connected.push(socket.setNoDelay().resume()));
  server.listen(PORT, HOSTS[0]);
  await once(server, "listening");
  const join = async () => {
    const client = net.connect(PORT, HOSTS[0]).setNoDelay().resume();
    await once(client, "connect");
    await eventually("it is accepted", () => connected.some((one) => one.remotePort === client.localPort));
    return [client, connected.find((one) => one.remotePort === client.localPort)];
  };
  const framed = (packet) => Buffer.concat([Buffer.from([packet.length >> 8, packet.length & 255]), packet]);
  const early = await join();
  const witness = await Witness.start({ port: PORT });
  const late = await join();
  const write = (socket, data) => new Promise((resolve) => socket.write(data, resolve));
  for (let n = 0; n < 20; n++) {
    const [up, down] = [framed(srtp(n, n)), framed(srtp(n, n + 1, 1200))];
    await write(late[0], up);
    for (let at = 0; at < down.length; at += 401) await write(late[1], down.subarray(at, at + 401));
    await write(early[1], down);
  }
  // Many at once, more than one segment.
  await write(late[1], Buffer.concat(Array.from({ length: 100 }, (_, n) => framed(srtp(n, n + 1, 1200)))));
  const seen = await sees(witness, 20, 120);
  assert.equal(seen.down.reused, 0);
  assert.equal(seen.down.unread, 20);
  await write(late[1], framed(srtp(99, 7)));
  assert.equal((await sees(witness, 20, 121)).down.reused, 1);
  for (const socket of [...early, ...late]) socket.destroy();
  server.close();
  await assert.rejects(witness.stop(), /two packets under one index/);
});
