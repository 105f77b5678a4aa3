// Processes die while two people talk.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually } from "../support/server.mjs";
import { launchChromium, twoContacts } from "../support/browser.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2, checked: true });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function inCall() {
  const [ana, bela] = await twoContacts(browser, server.base);
  // What a browser prints by itself when a connection breaks.
  for (const person of [ana, bela]) person.expects(/WebSocket|ERR_|50[0-9]/);
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  return [ana, bela];
}

test("a worker killed with -9 does not interrupt media; sockets come back; it is restarted", async () => {
  const [ana, bela] = await inCall();
  for (const index of [0, 1]) {
    const pid = server.pid("worker", index);
    const before_ = [await ana.stats(), await bela.stats()];
    server.kill("worker", index);
    const killed = Date.now();
    await eventually("the worker is back", () => server.pid("worker", index) !== pid);
    await eventually("both pages have their WebSocket again", async () => (await server.metric("parley_worker_websockets")) >= 2);
    console.log(`# WebSockets were back ${Date.now() - killed} ms after the kill of worker ${index}`);
    await Promise.all([ana.decodes(20), bela.decodes(20)]);
    const now = [await ana.stats(), await bela.stats()];
    for (const i of [0, 1]) {
      assert.equal(now[i].count, before_[i].count, "no new peer connection");
      assert.ok(now[i].video.frames >= before_[i].video.frames + 20, "the same stream went on");
      console.log(`# ${now[i].video.freezes - before_[i].video.freezes} freezes`);
    }
  }
  await ana.button("Leave call").click();
  await bela.button("Add contact").waitFor();
  await Promise.all([ana.close(), bela.close()]);
});

test("a mediad killed with -9: the page hears media.lost and is back by itself", async () => {
  const [ana, bela] = await inCall();
  for (const index of [0, 1]) {
    const pid = server.pid("mediad", index);
    server.kill("mediad", index);
    const killed = Date.now();
    await eventually("the mediad is back", () => server.pid("mediad", index) !== pid);
    const base = [await ana.stats(), await bela.stats()].map((s) => s.video?.frames ?? 0);
    await eventually(
      "both see and hear again",
      async () => {
        const [x, y] = [await ana.stats(), await bela.stats()];
        const fresh = (s, b) => s.state === "connected" && s.video?.frames > 0 && s.video.frames !== b && s.audio?.energy > 0;
        if (!(fresh(x, base[0]) && fresh(y, base[1]))) throw new Error(JSON.stringify([x, y]));
        return true;
      },
      60_000,
    );
    console.log(`# the call was back ${Date.now() - killed} ms after the kill of mediad ${index}`);
    await Promise.all([ana.decodes(20), bela.decodes(20), ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  }
  await ana.button("Leave call").click();
  await bela.button("Add contact").waitFor();
  await eventually("no transport is left", async () => (await server.metric("parley_mediad_transports")) === 0);
  await Promise.all([ana.close(), bela.close()]);
});

test("a reload of the page in mid-call returns to the call", async () => {
  const [ana, bela] = await inCall();
  await bela.page.reload();
  const back = bela.page.getByRole("button", { name: "Return to call", exact: true });
  await Promise.race([back.waitFor().then(() => back.click()), bela.page.getByRole("toolbar", { name: "Call controls" }).waitFor()]);
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  await bela.button("Leave call").click();
  await ana.button("Add contact").waitFor();
  await Promise.all([ana.close(), bela.close()]);
});
