// What a page says it shows decides what is sent to it.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { Person } from "../support/api.mjs";
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

test("a hidden picture is not sent, its sound is; shown again it is live", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);

  // A second WebSocket of Ana's speaks for her page.
  const voice = Object.assign(new Person(), { base: server.base, name: ana.name, username: ana.username, password: ana.password });
  await voice.signIn();
  const hello = await voice.connect();
  const call = hello.calls[0];
  const member = call.members.find((m) => m.user.display_name === "Bela").user.id;
  const view = (height) => voice.ws.send(JSON.stringify({ type: "view", call_id: call.id, view: [{ member, kind: "camera", height }] }));

  view(0);
  await eventually("no frame comes, and the sound goes on", async () => {
    const hidden = await ana.stats();
    await sleep(1500);
    const still = await ana.stats();
    const [frames, packets] = [still.video.frames - hidden.video.frames, still.audio.packets - hidden.audio.packets];
    if (frames > 0 || packets < 20) throw new Error(`${frames} frames, ${packets} packets of sound`);
    return true;
  });
  await bela.decodes(1);

  view(360);
  await ana.decodes(10);

  // Nonsense ends the WebSocket that sent it, and nothing else.
  voice.ws.send(JSON.stringify({ type: "view", call_id: call.id, view: [{ member, kind: "nose", height: 1 }] }));
  assert.equal(await voice.closed, 1008);
  await ana.decodes(10);
  await ana.button("Leave call").click();
  await Promise.all([ana.close(), bela.close()]);
});
