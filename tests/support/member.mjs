// A member of a call in Chromium without our page: an offer of its own, a small fake camera and the fake microphone.

/** For the page: opens the media, and plays what is heard. */
async function open({ token, url }) {
  const pc = (globalThis.pc = new RTCPeerConnection());
  globalThis.players = [];
  pc.ontrack = ({ track }) => {
    if (track.kind !== "audio") return;
    const player = new Audio();
    player.srcObject = new MediaStream([track]); // what nobody plays is not decoded
    globalThis.players.push(player);
    void player.play();
  };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180 } });
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
  await pc.setLocalDescription(await pc.createOffer());
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/sdp" };
  const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
}

/** For the page: what has come in. */
async function count() {
  const out = { audio: 0, video: 0, frames: 0, samples: 0 };
  for (const s of (await globalThis.pc.getStats()).values()) {
    if (s.type !== "inbound-rtp") continue;
    out[s.kind] = s.packetsReceived;
    if (s.kind === "video") out.frames = s.framesDecoded ?? 0;
    else out.samples = (s.totalSamplesReceived ?? 0) - (s.concealedSamples ?? 0);
  }
  return out;
}

/** person: a Person who is in `call`. Resolves with a function that tells what was received so far: packets of audio and
 * video, frames decoded, samples that were not made up. */
export async function joinInChromium(browser, person, call) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${person.base}/api/v1/openapi.json`);
  await page.evaluate(open, { token: person.token, url: `/api/v1/calls/${call.id}/media` });
  return () => page.evaluate(count);
}
