import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server } from "../support/server.mjs";
import { activeCall, aiortcPeers } from "../support/call.mjs";

let server;
before(async () => (server = await Server.start({ workers: 1, mediads: 2, checked: true })));
after(() => server?.stop());

test("two participants made of aiortc decode each other's picture and sound", async () => {
  const { ana, bela, call } = await activeCall(server);
  const results = await aiortcPeers(server, [ana, bela], call, 8);
  for (const r of results) {
    console.log(`# ${JSON.stringify(r)}`);
    assert.ok(r.video >= 60, `${r.video} frames were decoded`);
    assert.ok(r.audio >= 100, `${r.audio} audio frames were decoded`);
  }
  const seats = await ana.event("seats", (e) => e.seats.some((s) => s.member === bela.id && s.state === "live"));
  assert.equal(seats.call_id, call.id);
});
