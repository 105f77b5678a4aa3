// People join and leave a call for SOAK_MINUTES; at the end nothing may be left over and memory must be flat.
// `make soak` runs it.
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { activeCall, aiortcPeers } from "../support/call.mjs";
import { memoryOf } from "../support/memory.mjs";

const minutes = Number(process.env.SOAK_MINUTES ?? 30);
const server = await Server.start({ workers: 2, mediads: 2 });
try {
  const until = Date.now() + minutes * 60_000;
  const memory = () => Object.fromEntries(server.processes().map((p) => [`${p.role} ${p.index}`, memoryOf(p.pid).anon]));
  let rounds = 0;
  let early;
  while (Date.now() < until) {
    const { ana, bela, call } = await activeCall(server);
    const results = await aiortcPeers(server, [ana, bela], call, 4);
    for (const r of results) assert.ok(r.video > 0 && r.audio > 0, JSON.stringify(r));
    await ana.must("POST", `/calls/${call.id}/leave`);
    await eventually("transports are freed", async () => (await server.metric("parley_mediad_transports")) === 0, 5000);
    ana.disconnect();
    bela.disconnect();
    rounds++;
    if (rounds === 5) early = memory();
    if (rounds % 10 === 0) console.log(`${rounds} calls`, memory());
  }
  await sleep(1000);
  const late = memory();
  console.log(`${rounds} calls; private memory in KiB after 5 of them`, early, "and now", late);
  for (const [name, kib] of Object.entries(late)) {
    if (early) assert.ok(kib < early[name] * 1.1 + 1024, `${name} grew from ${early[name]} to ${kib} KiB`);
  }
  assert.equal(await server.metric("parley_process_restarts_total"), 0);
  console.log("flat");
} finally {
  await server.stop();
}
