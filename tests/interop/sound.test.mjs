// Sound over bad networks, from Chromium to Chromium: what is lost on the way is heard all the same, because it goes out
// again with the next packets (RFC 2198).
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually, freePorts, sleep } from "../support/server.mjs";
import { activeCall } from "../support/call.mjs";
import { launchChromium } from "../support/browser.mjs";
import { Impair } from "../net/impair.mjs";

let server, browser, impair;
before(async () => {
  const outside = (await freePorts(2)).media;
  server = await Server.start({ workers: 1, mediads: 2, opts: [`media.advertise=127.0.0.1:${outside}`] });
  impair = await Impair.start({ listen: `127.0.0.1:${outside}`, server: `127.0.0.1:${server.ports.media}`, ports: 2 });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await impair?.stop();
  await server?.stop();
});

const metric = (name) => server.metric(`parley_mediad_${name}`);

/** A page of our own with sound alone: a microphone, or something to hear. */
async function join(person, call, sends) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${server.base}/api/v1/openapi.json`);
  const answer = await page.evaluate(
    async ({ token, url, sends }) => {
      const pc = (globalThis.pc = new RTCPeerConnection());
      if (sends) {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
        pc.addTransceiver(stream.getAudioTracks()[0], { direction: "sendonly" });
      } else {
        pc.addTransceiver("audio", { direction: "recvonly" });
        pc.addEventListener("track", ({ track }) => {
          const audio = new Audio();
          audio.srcObject = new MediaStream([track]);
          void audio.play();
        });
      }
      await pc.setLocalDescription(await pc.createOffer());
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/sdp" };
      const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
      if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
      const sdp = await response.text();
      await pc.setRemoteDescription({ type: "answer", sdp });
      return sdp;
    },
    { token: person.token, url: `/api/v1/calls/${call.id}/media`, sends },
  );
  return {
    context,
    answer,
    /** Which of the proxy's ports it uses. */
    port: Number(/a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)/i.exec(answer)[1]),
    hears: () =>
      page.evaluate(async () => {
        for (const s of (await globalThis.pc.getStats()).values())
          if (s.type === "inbound-rtp")
            return { packets: s.packetsReceived, lost: s.packetsLost, samples: s.totalSamplesReceived, concealed: s.concealedSamples, again: s.fecPacketsReceived ?? 0, unused: s.fecPacketsDiscarded ?? 0, energy: s.totalAudioEnergy };
        return { packets: 0, lost: 0, samples: 0, concealed: 0, again: 0, unused: 0, energy: 0 };
      }),
  };
}

/** What it hears in so many seconds. */
async function listen(peer, seconds) {
  const from = await peer.hears();
  await sleep(seconds * 1000);
  const to = await peer.hears();
  const d = Object.fromEntries(Object.keys(to).map((key) => [key, to[key] - from[key]]));
  return { ...d, lostShare: d.lost / (d.lost + d.packets), concealedShare: d.concealed / d.samples };
}

test("of a tenth that is lost nearly all is heard, and nothing is sent twice where nothing is lost", { timeout: 600_000 }, async () => {
  const { ana, bela, call } = await activeCall(server);
  const [speaker, listener] = [await join(ana, call, true), await join(bela, call, false)];
  assert.notEqual(speaker.port, listener.port);
  assert.match(listener.answer, /a=rtpmap:\d+ red\/48000\/2/);
  await eventually("sound comes", async () => (await listener.hears()).packets > 100, 120_000);
  assert.equal(await metric("red_packets_total"), 0);

  await impair.set(listener.port, "down", "delay=20 loss=10");
  await eventually("older packets go along", async () => (await metric("red_packets_total")) > 100, 240_000);
  // A busy machine conceals sound by being late, which has nothing to do with what was lost: the best of several.
  let best;
  await eventually(
    "what was lost is heard",
    async () => {
      const now = await listen(listener, 8);
      console.log(`# ${JSON.stringify(now)}`);
      if (now.lost > 10 && !(now.concealedShare >= best?.concealedShare)) best = now;
      return best && best.concealedShare < best.lostShare * 0.4;
    },
    180_000,
  );
  assert.ok((await metric("red_bytes_total")) > 0);
  await Promise.all([speaker.context.close(), listener.context.close()]);
});
