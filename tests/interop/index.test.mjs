// From outside, by the ciphertext: no (SSRC, index) of a transport is used twice, with losses that are repaired.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { activeCall, aiortcPeers } from "../support/call.mjs";

test("with 5 % loss in both directions NACK, RTX and key frames repair, and no (key, index) is used twice", async () => {
  const server = await Server.start({ workers: 1, mediads: 2, checked: true });
  try {
    const { impair } = server;
    const { ana, bela, call } = await activeCall(server);
    const running = aiortcPeers(server, [ana, bela], call, 10);
    running.catch(() => {});
    await eventually("media come", async () => (await impair.checked()).down.checked > 50, 120_000);
    for (const port of impair.ports) await impair.set(port, "both", "loss=5");
    const results = await running;
    const checked = await impair.checked();
    const dropped = impair.lines().reduce((sum, line) => sum + line.lost, 0);
    console.log(`# ${JSON.stringify(results)}, ${dropped} packets lost`);
    for (const r of results) assert.ok(r.video >= 60 && r.audio >= 100, JSON.stringify(r));
    assert.ok(checked.down.checked > 500, JSON.stringify(checked));
    assert.deepEqual([checked.down.reused, checked.down.unread], [0, 0], "all of it was read");
    assert.ok(dropped > 20);
    assert.ok((await server.metric("parley_mediad_nacks_sent_total")) > 0, "missing packets are asked for");
    assert.ok((await server.metric("parley_mediad_rtx_sent_total")) > 0, "missing packets are sent again");
  } finally {
    await server.stop();
  }
});
