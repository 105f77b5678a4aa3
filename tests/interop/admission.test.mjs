// A server whose cores are used up takes nobody new into calls, says so, and cuts nobody.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Person, befriend } from "../support/api.mjs";
import { activeCall } from "../support/call.mjs";
import { whileOverBudget } from "../support/flood.mjs";
import { NativePeer } from "../support/native.mjs";
import { ROOT, Server, eventually } from "../support/server.mjs";

const offer = readFileSync(path.join(ROOT, "tests/unit/sdp/chromium-sendrecv.sdp"), "utf8");

let server;
before(async () => (server = await Server.start({ workers: 1, mediads: 2, checked: true })));
after(() => server?.stop());

/** What an administrator does: an editor, and systemctl reload. */
async function budget(percent) {
  const file = path.join(server.dir, "var/parley.conf");
  const text = readFileSync(file, "utf8").replace(/\n\[media\]\nbudget_percent = .*\n$/, "");
  writeFileSync(file, `${text}\n[media]\nbudget_percent = ${percent}\n`);
  const before = server.pid("worker");
  server.kill("master", 0, "SIGHUP");
  await eventually("reloaded", async () => server.pid("worker") !== before && (await server.admin("/readyz")).status === 200, 60_000);
}

const lines = (pattern) => server.log().split("\n").filter((line) => pattern.test(line));

test("over its budget a server refuses who is new, keeps who is there, and takes them back", { timeout: 400_000 }, async () => {
  const { ana, bela, call } = await activeCall(server);
  const carla = await Person.create(server, "Carla");
  await befriend(ana, carla);
  await ana.must("POST", `/calls/${call.id}/invite`, { invite: [carla.id] });
  await carla.must("POST", `/calls/${call.id}/answer`);
  const mediads = () => server.processes().filter(({ role }) => role === "mediad").map(({ pid }) => pid);
  const same = mediads();
  const peers = [new NativePeer(ana, call, { seats: 2 }), new NativePeer(bela, call, { seats: 2 })];
  const [first, second] = peers;
  const frames = (peer) => [...peer.frames.values()].reduce((a, b) => a + b, 0);
  const flows = async (...all) => {
    const then = all.map(frames);
    await eventually("pictures come", () => all.every((peer, i) => frames(peer) > then[i] + 5), 120_000, 200);
  };
  try {
    await Promise.all(peers.map((peer) => peer.open()));
    await flows(first, second);
    await budget(1);
    assert.deepEqual(mediads(), same, "a new budget replaces no mediad");

    await whileOverBudget(server, async () => {
      for (let i = 0; i < 3; i++) {
        const answer = await carla.request("POST", `/calls/${call.id}/media`, offer, { type: "application/sdp" });
        assert.deepEqual([answer.status, answer.json?.code], [503, "at_capacity"], answer.text);
        assert.match(answer.headers["retry-after"], /^\d+$/);
      }
      assert.equal(await server.metric("parley_worker_media_refused_total"), 3);
      // The administrator reads it once, not once a refusal.
      assert.equal(lines(/media_place: .*over their budget/).length, 1);
      assert.ok(lines(/meter: load=.*media\.budget_percent=1 /).length >= 2, "each mediad says it");
      // Nobody is cut, and a way that was lost may be found again.
      await flows(first, second);
      second.close();
      await second.open();
      await flows(first, second);
    });

    await budget(0);
    await eventually("each mediad takes people again", async () => (await server.metric("parley_mediad_over_budget")) === 0, 20_000);
    assert.equal((await carla.request("POST", `/calls/${call.id}/media`, offer, { type: "application/sdp" })).status, 201);
    await flows(first, second);
    assert.deepEqual(mediads(), same);
  } finally {
    for (const peer of peers) peer.close();
  }
});
