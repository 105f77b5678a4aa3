// Debian's Chromium with a fake camera and microphone, driven the way a person uses the page.
import { chromium } from "playwright-core";
import { eventually } from "./server.mjs";

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--allow-loopback-in-peer-connection",
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];

export async function launchChromium(extra = []) {
  return chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: [...ARGS, ...extra] });
}

let counter = 0;

/** One person with a browser profile of their own and one page. */
export class BrowserPerson {
  static async create(browser, base, name, options = {}) {
    const person = new BrowserPerson();
    person.name = name;
    person.base = base;
    person.username = `${name.toLowerCase()}.${process.pid.toString(36)}${(counter++).toString(36)}${Math.random().toString(36).slice(2, 6)}`;
    person.password = `correct horse ${name} battery`;
    person.context = await browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: options.viewport ?? { width: 1280, height: 800 },
      colorScheme: options.colorScheme ?? "light",
      permissions: ["camera", "microphone"],
    });
    // Peer connections are remembered, so that a test can ask for statistics.
    await person.context.addInitScript(() => {
      const Real = window.RTCPeerConnection;
      window.__pcs = [];
      window.RTCPeerConnection = class extends Real {
        constructor(...args) {
          super(...args);
          window.__pcs.push(this);
        }
      };
    });
    // Several pages on one machine: a small camera, unless a test is about large pictures.
    if (!options.largeCamera)
      await person.context.addInitScript(() => {
        const devices = navigator.mediaDevices;
        const real = devices?.getUserMedia.bind(devices);
        if (!real) return;
        devices.getUserMedia = ({ video, ...rest }) =>
          real({ ...rest, video: video && { ...(video === true ? {} : video), width: { ideal: 640, max: 640 }, height: { ideal: 360, max: 360 } } });
      });
    person.page = await person.context.newPage();
    person.complaints = [];
    person.page.on("console", (m) => {
      if (m.type() === "error") person.complaints.push(m.text());
    });
    person.page.on("pageerror", (e) => person.complaints.push(String(e)));
    return person;
  }

  async signUp() {
    const { page } = this;
    await page.goto(this.base);
    await page.getByRole("link", { name: "Create account", exact: true }).click();
    await page.getByRole("textbox", { name: "Display name", exact: true }).fill(this.name);
    await page.getByRole("textbox", { name: "Username", exact: true }).fill(this.username);
    await page.getByLabel("Password", { exact: true }).fill(this.password);
    await page.getByRole("button", { name: "Create account", exact: true }).click();
    await page.getByRole("button", { name: "Add contact", exact: true }).waitFor();
  }

  async ask(other) {
    const { page } = this;
    await page.getByRole("button", { name: "Add contact", exact: true }).click();
    await page.getByRole("searchbox", { name: "Search people", exact: true }).fill(other.username);
    await page.getByRole("button", { name: `Add ${other.name}`, exact: true }).click();
    await page.keyboard.press("Escape");
  }

  async accept() {
    await this.page.getByRole("button", { name: "Accept", exact: true }).click();
  }

  async videoCall(other) {
    // The buttons of a contact's row may show on hover or focus only.
    const button = this.page.getByRole("button", { name: `Video call ${other.name}`, exact: true }).first();
    await button.waitFor({ state: "attached" });
    await button.click();
  }

  async answer() {
    const dialog = this.page.getByRole("dialog", { name: "Incoming call", exact: true });
    await dialog.waitFor();
    await dialog.getByRole("button", { name: "Answer", exact: true }).click();
    return Date.now();
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  /** What this page receives: summed over the peer connection that is alive. */
  stats() {
    return this.page.evaluate(async () => {
      const pc = window.__pcs.filter((p) => p.connectionState === "connected").at(-1);
      const out = { state: window.__pcs.at(-1)?.connectionState ?? "none", count: window.__pcs.length };
      if (!pc) return out;
      out.state = pc.connectionState;
      for (const s of (await pc.getStats()).values()) {
        if (s.type === "inbound-rtp") {
          out[s.kind] = {
            packets: s.packetsReceived,
            lost: s.packetsLost,
            frames: s.framesDecoded ?? 0,
            freezes: s.freezeCount ?? 0,
            freezeTime: s.totalFreezesDuration ?? 0,
            energy: s.totalAudioEnergy ?? 0,
            concealed: s.concealedSamples ?? 0,
            samples: s.totalSamplesReceived ?? 0,
            width: s.frameWidth,
            height: s.frameHeight,
            nacks: s.nackCount,
          };
        }
        if (s.type === "outbound-rtp" && s.kind === "video" && s.bytesSent > (out.sent?.bytes ?? 0)) out.sent = { width: s.frameWidth, height: s.frameHeight, target: s.targetBitrate, bytes: s.bytesSent, limited: s.qualityLimitationReason, fps: s.framesPerSecond };
        if (s.type === "candidate-pair" && s.availableOutgoingBitrate) out.estimate = s.availableOutgoingBitrate;
      }
      return out;
    });
  }

  /** Waits until frames of the other person are decoded and their sound has energy. */
  async seesAndHears(other, ms = 10_000) {
    await eventually(
      `${this.name} sees and hears ${other.name}`,
      async () => {
        const s = await this.stats();
        if (!(s.video?.frames > 0 && s.audio?.energy > 0)) throw new Error(JSON.stringify(s));
        return true;
      },
      ms,
      50,
    );
    // The picture is on the page, in the figure that carries the name, and it is not black.
    await eventually(
      `${other.name}'s picture is painted`,
      () =>
        this.page.getByRole("figure", { name: other.name, exact: true }).first().evaluate((figure) => {
          const video = figure.querySelector("video");
          if (!video || video.videoWidth === 0 || video.paused) return false;
          const canvas = document.createElement("canvas");
          canvas.width = 32;
          canvas.height = 18;
          const context = canvas.getContext("2d");
          context.drawImage(video, 0, 0, 32, 18);
          return context.getImageData(0, 0, 32, 18).data.some((v, i) => i % 4 !== 3 && v > 40);
        }),
      ms,
    );
  }

  async close() {
    await this.context.close();
  }
}

/** Two people who have become contacts through the page. */
export async function twoContacts(browser, base, options) {
  const ana = await BrowserPerson.create(browser, base, "Ana", options);
  const bela = await BrowserPerson.create(browser, base, "Bela", options);
  await ana.signUp();
  await bela.signUp();
  await ana.ask(bela);
  await bela.accept();
  await ana.button(`Video call ${bela.name}`).first().waitFor({ state: "attached" });
  return [ana, bela];
}
