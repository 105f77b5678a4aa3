// A camera in three layers, from a Chromium to a Chromium on another mediad: each gets what its tile shows, and what
// nobody watches is not sent.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { Person } from "../support/api.mjs";
import { launchChromium, twoContacts } from "../support/browser.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true });
  browser = await launchChromium(["--use-fake-device-for-media-stream=fps=10"]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** The layers that a page sends of its camera, by rid. */
function sent(person) {
  return person.page.evaluate(async () => {
    const pc = window.__pcs.filter((p) => p.connectionState === "connected").at(-1);
    const out = {};
    for (const s of (await pc.getStats()).values()) {
      if (s.type !== "outbound-rtp" || s.kind !== "video" || !s.rid) continue;
      out[s.rid] = { active: s.active, frames: s.framesSent ?? 0, height: s.frameHeight ?? 0, fps: s.framesPerSecond ?? 0, mode: s.scalabilityMode };
    }
    return out;
  });
}

/** What a decoder that misses something would ask for. */
function complaints(person) {
  return person.page.evaluate(async () => {
    const pc = window.__pcs.filter((p) => p.connectionState === "connected").at(-1);
    const one = [...(await pc.getStats()).values()].find((s) => s.type === "inbound-rtp" && s.kind === "video" && s.framesDecoded > 0);
    return { plis: one.pliCount, nacks: one.nackCount, lost: one.packetsLost };
  });
}

test("a tile gets the layer that fills it, in one unbroken stream, and a layer that nobody watches is not sent", { timeout: 290_000 }, async () => {
  const [ana, bela] = await twoContacts(browser, server.base, { largeCamera: true });
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  // One camera in three layers is enough work for this machine.
  await ana.button("Turn camera off").click();

  // A second WebSocket of Ana's speaks for her page.
  const voice = Object.assign(new Person(), { base: server.base, name: ana.name, username: ana.username, password: ana.password });
  await voice.signIn();
  const hello = await voice.connect();
  const call = hello.calls[0];
  const member = call.members.find((m) => m.user.display_name === "Bela").user.id;
  const view = (height) => voice.ws.send(JSON.stringify({ type: "view", call_id: call.id, view: [{ member, kind: "camera", height }] }));
  const until = async (what, ms, condition) => {
    const began = Date.now();
    let last;
    await eventually(
      what,
      async () => {
        last = { ana: (await ana.stats()).video, bela: await sent(bela) };
        if (!condition(last)) throw new Error(JSON.stringify(last));
        return true;
      },
      ms,
      100,
    );
    console.log(`# ${what} after ${Date.now() - began} ms: ${JSON.stringify(last)}`);
    return last;
  };

  view(720);
  await until("a large tile gets the highest layer", 60_000, ({ ana, bela }) => bela.f?.frames > 10 && bela.f.height === 720 && ana?.height === 720);

  view(180);
  await until("a small tile gets the small layer", 60_000, ({ ana }) => ana.height === 180);
  await until("the others are not sent any more", 60_000, ({ bela }) => !bela.f.active && !bela.h.active && bela.f.fps === 0 && bela.h.fps === 0 && bela.q.active && bela.q.fps > 0);

  const [before_, missed] = [await ana.stats(), await complaints(ana)];
  view(360);
  await until("a larger tile gets the middle layer", 60_000, ({ ana, bela }) => ana.height === 360 && bela.h.active && bela.h.height === 360 && !bela.f.active);
  view(720);
  const large = await until("a large tile gets the highest", 60_000, ({ ana, bela }) => ana.height === 720 && bela.f.active);
  view(180);
  await until("and a small one the small one again", 60_000, ({ ana }) => ana.height === 180);
  const after_ = await ana.stats();
  // The decoder never noticed. (It counts a freeze when a busy machine makes no picture for a while.)
  assert.deepEqual(await complaints(ana), missed);
  console.log(`# ${after_.video.freezes - before_.video.freezes} freezes`);
  assert.ok(large.ana.frames > before_.video.frames);
  assert.ok((await server.metric("parley_mediad_layer_switches_total")) >= 4);
  assert.equal(await server.metric("parley_mediad_rtcp_bad_total"), 0);
  await ana.button("Leave call").click();
  await Promise.all([ana.close(), bela.close()]);
});
