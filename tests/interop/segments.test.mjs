// What leaves for one participant in one message: packets that the server has made equally long are a picture like any
// other, to Chromium and to Firefox.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { FirefoxPerson, launchFirefox } from "../support/firefox.mjs";
import { becomeContacts } from "../support/person.mjs";

let server, chromium, firefox;
before(async () => {
  server = await Server.start({ workers: 1, mediads: 1, checked: true });
  [firefox, chromium] = await Promise.all([launchFirefox(), launchChromium(["--use-fake-device-for-media-stream=fps=10"])]);
});
after(async () => {
  await Promise.all([chromium?.close(), firefox?.close()]);
  await server?.stop();
});

const metric = (name) => server.metric(`parley_mediad_${name}_total`);

/** What the receiver has, and what was done for it. */
async function look(receiver) {
  const { video } = await receiver.stats();
  const [padding, messages, segments, fallbacks] = await Promise.all(["padding_bytes", "segment_messages", "segments", "segment_fallbacks"].map(metric));
  return { padding, messages, segments, fallbacks, packets: video.packets, lost: video.lost, frames: video.frames, nacks: video.nacks };
}

/** A call in which all pictures go to the receiver: for a while they come padded, and it misses none. */
async function decodesPadded(receiver) {
  const cleo = await BrowserPerson.create(chromium, server.base, "Cleo", { largeCamera: true });
  await becomeContacts(receiver, cleo);
  await cleo.videoCall(receiver);
  await receiver.answer();
  await Promise.all([receiver.seesAndHears(cleo), cleo.seesAndHears(receiver)]);
  await receiver.press("button", "Turn camera off");
  const seen = await eventually(
    `${receiver.name} decodes padded pictures and misses nothing`,
    async () => {
      const from = await look(receiver);
      await sleep(4000);
      const to = await look(receiver);
      const d = Object.fromEntries(Object.keys(to).map((key) => [key, to[key] - from[key]]));
      return d.padding > 0 && d.frames >= 10 && d.packets > d.frames && d.lost === 0 && d.nacks === 0 && d;
    },
    200_000,
  );
  console.log(`# ${receiver.name}: ${JSON.stringify(seen)}`);
  assert.ok(seen.segments >= 2 * seen.messages, "each of these messages has more than one packet");
  assert.equal(seen.fallbacks, 0);
  await receiver.moves("Cleo");
  await Promise.all([cleo.close(), receiver.close()]);
}

test("Chromium decodes pictures whose packets were padded", { timeout: 400_000 }, async () => {
  await decodesPadded(await BrowserPerson.create(chromium, server.base, "Dora"));
});

test("Firefox decodes pictures whose packets were padded", { timeout: 400_000 }, async () => {
  await decodesPadded(await FirefoxPerson.create(firefox, server.base, "Fay"));
});
