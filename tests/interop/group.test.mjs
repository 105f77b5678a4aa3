// Group calls with WebRTC stacks that this project did not write, over two mediads.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server } from "../support/server.mjs";
import { Person, befriend } from "../support/api.mjs";
import { pythonPeers } from "../support/call.mjs";

const NAMES = ["Ana", "Bela", "Cleo", "Dora"];

let server;
before(async () => (server = await Server.start({ workers: 2, mediads: 2, checked: true })));
after(() => server?.stop());

async function groupCall(names) {
  const people = [];
  for (const name of names) people.push(await Person.create(server, name));
  const [host, ...guests] = people;
  for (const guest of guests) await befriend(host, guest);
  await Promise.all(people.map((p) => p.connect()));
  const call = (await host.must("POST", "/calls", { invite: guests.map((p) => p.id), video: true })).json.call;
  for (const guest of guests) await guest.must("POST", `/calls/${call.id}/answer`);
  return { people, call };
}

test("four people on two mediads each decode everybody else's picture and sound", { timeout: 240_000 }, async () => {
  const { people, call } = await groupCall(NAMES);
  const results = await pythonPeers("aiortc_group_peer.py", people.map((p, i) => [server.base, p.token, call.id, i, people.length, 150]));
  for (const [i, r] of results.entries()) {
    console.log(`# ${NAMES[i]}: ${JSON.stringify(r)}`);
    for (const k of people.keys()) {
      if (k === i) {
        assert.ok(!(r.pictures[k] > 2), `${NAMES[i]} is shown to herself`);
        continue;
      }
      assert.ok(r.pictures[k] >= 20, `${NAMES[i]} decoded ${r.pictures[k] ?? 0} frames of ${NAMES[k]}`);
      assert.ok(r.sounds[k] >= 20, `${NAMES[i]} heard ${r.sounds[k] ?? 0} frames of ${NAMES[k]}`);
    }
  }
  // The last list that each was told before the others left named all three, sound and picture by the same person.
  for (const person of people) {
    const others = people.filter((p) => p !== person).map((p) => p.id);
    const full = await person.event("seats", (e) => others.every((id) => e.seats.filter((s) => s.member === id && s.state === "live").length === 2));
    const kinds = (k) => full.seats.filter((s) => s.kind === k).map((s) => s.member);
    assert.deepEqual(kinds("microphone"), kinds("camera"));
  }
  const metrics = await server.metrics();
  assert.ok(metrics['parley_media_ring_packets_total{from="0",to="1"}'] > 100, "media crossed from the first mediad to the second");
  assert.ok(metrics['parley_media_ring_packets_total{from="1",to="0"}'] > 100, "and back");
  assert.equal(await server.metric("parley_mediad_rtcp_bad_total"), 0);
});
