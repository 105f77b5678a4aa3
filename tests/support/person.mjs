// What a person does in the page and sees there, by roles and accessible names only. How a browser is told, a subclass
// knows (browser.mjs: Chromium through Playwright, firefox.mjs: Firefox through WebDriver BiDi):
//
//   open(path)                     goes to a place of the page
//   press(role, name, inside)      clicks what is called so; inside: { role, name } of what holds it
//   write(role, name, text)        fills in what is called so; role null for passwords, which have none
//   sees(role, name, options)      waits until it is there, or with { gone: true } until it is not
//   reads(text, options)           waits until these words stand in the page
//   key(name)                      presses a key
//   point(x, y)                    moves the mouse there
//   on(role, name, fn)             runs fn in the page, with the first element that is called so
//   run(fn, argument)              runs fn in the page
import { eventually, sleep } from "./server.mjs";

let counter = 0;

/** For the page, before its own scripts: peer connections are remembered, so that a test can ask for statistics. */
export function rememberPeers() {
  const Real = window.RTCPeerConnection;
  window.__pcs = [];
  window.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      window.__pcs.push(this);
    }
  };
}

/** For the page: what it receives, over the peer connection that is alive; of many streams the busiest. */
async function readStats() {
  const pc = window.__pcs.filter((p) => p.connectionState === "connected").at(-1);
  const out = { state: window.__pcs.at(-1)?.connectionState ?? "none", count: window.__pcs.length };
  if (!pc) return out;
  out.state = pc.connectionState;
  for (const s of (await pc.getStats()).values()) {
    if (s.type === "inbound-rtp" && s.packetsReceived >= (out[s.kind]?.packets ?? 0)) {
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
}

/** For the page: the server's port of the media that are alive. */
async function readMediaPort() {
  const pc = window.__pcs.filter((p) => p.connectionState === "connected").at(-1);
  const stats = await pc.getStats();
  const transport = [...stats.values()].find((s) => s.type === "transport");
  return stats.get(stats.get(transport.selectedCandidatePairId).remoteCandidateId).port;
}

/** For the page: the picture in that figure runs and is not black. */
function isPainted(figure) {
  const video = figure.querySelector("video");
  if (!video || video.videoWidth === 0 || video.paused) return false;
  const canvas = document.createElement("canvas");
  canvas.width = 32;
  canvas.height = 18;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 32, 18);
  return context.getImageData(0, 0, 32, 18).data.some((v, i) => i % 4 !== 3 && v > 40);
}

/** For the page: whether this figure is on the page of tiles that is shown; if not, turns one page on or back. */
function isShownOrTurns({ name, way }) {
  if ([...document.querySelectorAll("figure")].some((one) => one.getAttribute("aria-label") === name)) return "shown";
  const button = document.querySelector(`button[aria-label="${way} page"]`);
  if (!button || button.disabled) return "end";
  button.click();
  return "turned";
}

/** For the page: whether that figure shows three more pictures; a busy machine may need a while. */
function isMoving(figure) {
  const video = figure.querySelector("video");
  if (!video || video.videoWidth === 0 || video.paused) return false;
  return new Promise((resolve) => {
    let left = 3;
    const shown = () => (--left === 0 ? resolve(true) : video.requestVideoFrameCallback(shown));
    video.requestVideoFrameCallback(shown);
    setTimeout(resolve, 10_000, false);
  });
}

/** One person with a browser profile of their own and one page. */
export class PagePerson {
  constructor(base, name) {
    this.name = name;
    this.base = base;
    this.username = `${name.toLowerCase()}.${process.pid.toString(36)}${(counter++).toString(36)}${Math.random().toString(36).slice(2, 6)}`;
    this.password = `correct horse ${name} battery`;
    /** Errors in the console, and those that no script caught. */
    this.complaints = [];
    /** Of these, what a test causes on purpose. */
    this.expected = [];
  }

  async signUp() {
    await this.open("/");
    await this.press("link", "Create account");
    await this.write("textbox", "Display name", this.name);
    await this.write("textbox", "Username", this.username);
    await this.write(null, "Password", this.password);
    await this.press("button", "Create account");
    await this.isHome();
  }

  async isHome(options) {
    await this.sees("button", "Add contact", options);
  }

  async ask(other) {
    await this.press("button", "Add contact");
    await this.write("searchbox", "Search people", other.username);
    await this.press("button", `Add ${other.name}`);
    await this.key("Escape");
  }

  async accept() {
    await this.press("button", "Accept");
  }

  async hasContact(other) {
    await this.sees("button", `Video call ${other.name}`);
  }

  async videoCall(other) {
    // The buttons of a contact's row may show on hover or focus only.
    await this.hasContact(other);
    await this.press("button", `Video call ${other.name}`);
  }

  async answer() {
    await this.press("button", "Answer", { role: "dialog", name: "Incoming call" });
    return Date.now();
  }

  async decline() {
    await this.press("button", "Decline", { role: "dialog", name: "Incoming call" });
  }

  async openChat() {
    await this.press("button", "Chat");
    await this.sees("textbox", "Message");
  }

  async say(text) {
    await this.write("textbox", "Message", text);
    await this.press("button", "Send");
  }

  /** The texts of the chat, in the order in which they stand there. */
  async chat() {
    return this.on("list", "Messages", (list) => [...list.querySelectorAll("li p:last-child")].map((p) => p.textContent));
  }

  /** What this page receives. */
  stats() {
    return this.run(readStats);
  }

  /** The port to which this page's media go. */
  mediaPort() {
    return this.run(readMediaPort);
  }

  /** Waits until frames of the other person are decoded and their sound has energy. */
  async seesAndHears(other, ms = 120_000) {
    await eventually(
      `${this.name} sees and hears ${other.name}`,
      async () => {
        const s = await this.stats();
        if (!(s.video?.frames > 0 && s.audio?.energy > 0)) throw new Error(JSON.stringify(s));
        return true;
      },
      ms,
    );
    // The picture is on the page, in the figure that carries the name, and it is not black.
    await eventually(`${other.name}'s picture is painted`, () => this.on("figure", other.name, isPainted), ms);
  }

  /** Waits until nothing is heard any more: the fake microphones beep every second. */
  hearsNothing() {
    return eventually(
      `${this.name} hears nothing`,
      async () => {
        const energy = (await this.stats()).audio.energy;
        await sleep(1500);
        return (await this.stats()).audio.energy - energy < 0.001;
      },
      120_000,
    );
  }

  /** Waits until a figure of the statistics has grown by so much. Firefox begins anew when what it sends changes. */
  async grows(what, read, much, ms = 120_000) {
    const now = async () => read(await this.stats()) ?? 0;
    let last = await now();
    let grown = 0;
    await eventually(
      `${this.name} ${what}`,
      async () => {
        const value = await now();
        grown += value >= last ? value - last : value;
        last = value;
        if (grown < much) throw new Error(`${grown} of ${much}`);
        return true;
      },
      ms,
    );
  }

  /** Waits until there is something to hear, from now on. */
  hearsMore() {
    return this.grows("hears something", (s) => s.audio?.energy, 0.001);
  }

  /** Waits until nothing at all arrives any more. */
  receivesNothing() {
    const packets = async () => {
      const { video, audio } = await this.stats();
      return (video?.packets ?? 0) + (audio?.packets ?? 0);
    };
    return eventually(
      `${this.name} receives nothing`,
      async () => {
        const before = await packets();
        await sleep(1500);
        return (await packets()) === before;
      },
      120_000,
    );
  }

  /** Waits until that many more frames of the other's picture are decoded. */
  decodes(frames) {
    return this.grows(`decodes ${frames} more frames`, (s) => s.video?.frames, frames, 120_000 + frames * 200);
  }

  /** Where the tiles need several pages, turns them until that figure is shown; the next look may need another turn. */
  async turnTo(name, ms = 120_000) {
    let way = "Next";
    await eventually(
      `${this.name} finds ${name}`,
      async () => {
        const found = await this.run(isShownOrTurns, { name, way });
        if (found === "end") way = way === "Next" ? "Previous" : "Next";
        return found === "shown";
      },
      ms,
    );
  }

  /** Waits until the picture in that figure runs, on whatever page of the tiles it is. */
  async moves(name, ms = 120_000) {
    await eventually(
      `${this.name} sees ${name} move`,
      async () => {
        await this.turnTo(name, ms);
        return this.on("figure", name, isMoving);
      },
      ms,
    );
  }

  /** The call's controls show while the mouse moves. */
  async stir() {
    await this.point(200 + Math.random() * 50, 200);
  }
}

/** Two people, of whatever browsers, become contacts through their pages. */
export async function becomeContacts(ana, bela) {
  await Promise.all([ana.signUp(), bela.signUp()]);
  await ana.ask(bela);
  await bela.accept();
  await ana.hasContact(bela);
}
