// The way to a Chromium becomes narrow: it gets half the pictures at their full size, a lower layer, no picture but a word
// and the sound when not even the lowest fits, and everything again when there is room.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, sleep } from "../support/server.mjs";
import { launchChromium, twoContacts } from "../support/browser.mjs";

let server, browser;
before(async () => {
  server = await Server.start({ workers: 1, mediads: 2, checked: true });
  browser = await launchChromium(["--use-fake-device-for-media-stream=fps=10"]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a narrow way gets half the pictures at full size, a narrower one a lower layer, a very narrow one sound alone, and a wide one all of it again", { timeout: 600_000 }, async () => {
  const [ana, bela] = await twoContacts(browser, server.base, { largeCamera: true });
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  // One camera in three layers is enough work for this machine.
  await ana.button("Turn camera off").click();
  const { impair } = server;
  const port = await ana.mediaPort();
  assert.notEqual(port, await bela.mediaPort(), "the way is Ana's alone");
  /** From now on so many bits per second get to Ana. */
  const limit = (bps) => (bps === Infinity ? impair.clear(port) : impair.set(port, "down", `rate=${bps / 1000} queue=300 overhead=0`));
  const toAna = () => impair.lines().reduce((sum, line) => sum + (line.port === port && line.direction === "down" ? line.in_bytes : 0), 0);

  const says = () => ana.on("figure", "Bela", (figure) => figure.textContent);
  const metric = (name) => server.metric(`parley_mediad_${name}`);
  /** What comes, in bits per second, over some seconds. */
  const rate = async () => {
    const [had, began] = [toAna(), Date.now()];
    await sleep(6000);
    return ((toAna() - had) * 8e3) / (Date.now() - began);
  };
  const until = async (what, condition, ms = 120_000) => {
    const began = Date.now();
    let last;
    await eventually(
      what,
      async () => {
        last = { video: (await ana.stats()).video, says: await says(), limited: await metric("seats_limited"), weak: await metric("seats_weak") };
        if (!(await condition(last))) throw new Error(JSON.stringify(last));
        return true;
      },
      ms,
      200,
    );
    console.log(`# ${what} after ${Date.now() - began} ms: ${JSON.stringify(last)}`);
    return last;
  };
  const moving = () => ana.decodes(20);

  const { video } = await until("the tile gets the highest layer", ({ video }) => video?.height === 720);
  // How much that is depends on what the camera sees.
  const all = await rate();
  console.log(`# the highest layer and sound: ${Math.round(all)} bit/s`);
  /** Pictures a second, while their height stays as it is; over as many seconds as it takes to be sure. */
  const pace = async (height) => {
    const read = async () => ({ at: Date.now(), ...(await ana.stats()).video });
    const from = await read();
    await sleep(8000);
    const to = await read();
    if (from.height !== height || to.height !== height) throw new Error(`${from.height} and ${to.height} lines`);
    return ((to.frames - from.frames) * 1000) / (to.at - from.at);
  };
  const whole = await pace(720);
  await limit(all * 0.8);
  await eventually(
    "four fifths of that: half the pictures, as large as before",
    async () => {
      const now = await pace(720);
      console.log(`# ${whole.toFixed(1)} pictures a second, now ${now.toFixed(1)}`);
      assert.ok(now > whole * 0.3 && now < whole * 0.75, `${now} of ${whole} pictures a second`);
      assert.ok((await metric("seats_limited")) > 0, "it is the server that leaves some out");
      return true;
    },
    180_000,
    200,
  );
  await ana.hearsMore();

  await limit(all * 0.35);
  await until("a third of that: a lower layer", ({ video, limited }) => video.height < 720 && limited > 0);
  await moving();
  await ana.hearsMore();

  await limit(Infinity);
  await until("there is room: the highest layer again", ({ video, limited }) => video.height === 720 && limited === 0);
  await moving();

  await limit(60_000);
  await until("60 kbit/s: no picture, and a word in its place", ({ says, weak }) => /Weak connection/.test(says) && weak === 1);
  await ana.hearsMore();
  await ana.hearsMore();

  await limit(Infinity);
  await until("the picture is back", ({ video: now, says, weak }) => !/Weak connection/.test(says) && weak === 0 && now.frames > video.frames);
  await until("in its full size", ({ video }) => video.height === 720);
  await moving();
  assert.ok((await metric("probes_total")) > 0, "room was looked for");
  assert.equal(await server.metric("parley_mediad_rtcp_bad_total"), 0);
  await ana.button("Leave call").click();
  await Promise.all([ana.close(), bela.close()]);
});
