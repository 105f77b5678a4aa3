// From outside, by the ciphertext: no (SSRC, index) of a transport is used twice, with losses and a re-offer.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Server, freePorts } from "../support/server.mjs";
import { activeCall, aiortcPeers } from "../support/call.mjs";
import { UdpProxy, IndexChecker } from "../support/udp-proxy.mjs";

test("with 5 % loss in both directions NACK, RTX and key frames repair, and no (key, index) is used twice", async () => {
  const outside = (await freePorts(2)).media;
  const server = await Server.start({ workers: 1, mediads: 2, opts: [`media.advertise=127.0.0.1:${outside}`] });
  const checker = new IndexChecker();
  const proxy = await UdpProxy.start({
    ports: [outside, outside + 1],
    targets: [server.ports.media, server.ports.media + 1],
    tap: (direction, flow, data) => direction === "down" && checker.see(flow, data),
    drop: (direction, flow, data) => data[0] >= 128 && data[0] <= 191 && Math.random() < 0.05,
  });
  try {
    const { ana, bela, call } = await activeCall(server);
    const results = await aiortcPeers(server, [ana, bela], call, 10);
    console.log(`# ${JSON.stringify(results)}, ${checker.packets} packets checked, ${JSON.stringify(proxy.counts)}`);
    for (const r of results) assert.ok(r.video >= 60 && r.audio >= 100, JSON.stringify(r));
    assert.ok(checker.packets > 500);
    assert.ok(proxy.counts.dropped > 20);
    assert.deepEqual(checker.reused, []);
    assert.ok((await server.metric("parley_mediad_nacks_sent_total")) > 0, "missing packets are asked for");
    assert.ok((await server.metric("parley_mediad_rtx_sent_total")) > 0, "missing packets are sent again");
  } finally {
    proxy.stop();
    await server.stop();
  }
});

test("the checker itself sees a reused index", () => {
  const checker = new IndexChecker();
  const packet = (seq, fill) => Buffer.concat([Buffer.from([0x80, 96, seq >> 8, seq & 255, 0, 0, 0, 0, 0, 0, 0, 9]), Buffer.alloc(20, fill)]);
  for (let i = 65530; i < 65540; i++) checker.see("f", packet(i & 0xffff, i));
  checker.see("f", packet(2, 65538)); // the same bytes again: a copy, not a reuse
  assert.deepEqual(checker.reused, []);
  checker.see("f", packet(2, 1));
  assert.equal(checker.reused.length, 1);
});
