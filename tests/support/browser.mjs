// Debian's Chromium with a fake camera and microphone, driven the way a person uses the page (person.mjs).
import { chromium } from "playwright-core";
import { PagePerson, becomeContacts, rememberPeers } from "./person.mjs";

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

export async function launchChromium(extra = [], executablePath = "/usr/bin/chromium") {
  return chromium.launch({ executablePath, headless: true, args: [...ARGS, ...extra] });
}

/** One person in Chromium, with a browser profile of their own and one page. Whoever is closed with an error in the
 * console fails the test, unless the test has said that this error belongs to it (`expects`). */
export class BrowserPerson extends PagePerson {
  static async create(browser, base, name, options = {}) {
    const person = new BrowserPerson(base, name);
    person.context = await browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: options.viewport ?? { width: 1280, height: 800 },
      // What is captured when a screen is shared; without this option as large as the window.
      screen: options.screen,
      colorScheme: options.colorScheme ?? "light",
      hasTouch: options.touch ?? false,
      permissions: options.permissions ?? ["camera", "microphone"],
    });
    // Generous: a busy machine is slow, not wrong.
    person.context.setDefaultTimeout(120_000);
    await person.context.addInitScript(rememberPeers);
    // Several pages on one machine: a small camera, unless a test is about large pictures.
    if (!options.largeCamera)
      await person.context.addInitScript(() => {
        const devices = navigator.mediaDevices;
        const real = devices?.getUserMedia.bind(devices);
        if (!real) return;
        devices.getUserMedia = ({ video, ...rest }) =>
          real({ ...rest, video: video && { ...(video === true ? {} : video), width: { ideal: 640, max: 640 }, height: { ideal: 360, max: 360 } } });
      });
    await person.newPage();
    return person;
  }

  /** Another device of the same person: a browser profile of its own, signed in. */
  async otherDevice(browser, options) {
    const device = await BrowserPerson.create(browser, this.base, this.name, options);
    Object.assign(device, { username: this.username, password: this.password });
    const { page } = device;
    await device.open("/");
    await page.getByLabel("Username", { exact: true }).fill(this.username);
    await page.getByLabel("Password", { exact: true }).fill(this.password);
    await device.button("Sign in").click();
    await device.button("Add contact").waitFor();
    return device;
  }

  /** From now on this person looks at a new tab. */
  async newPage() {
    this.page = await this.context.newPage();
    this.page.on("console", (m) => {
      if (m.type() === "error") this.complaints.push(m.text());
    });
    this.page.on("pageerror", (e) => this.complaints.push(String(e)));
    return this.page;
  }

  /** An error in the console that this test causes on purpose. */
  expects(regexp) {
    this.expected.push(regexp);
  }

  /** What the console says, but for what was expected. */
  surprises() {
    return this.complaints.filter((text) => !this.expected.some((regexp) => regexp.test(text)));
  }

  find(role, name, inside) {
    return (inside ? this.find(inside.role, inside.name) : this.page).getByRole(role, { name, exact: true }).first();
  }

  open(path) {
    return this.page.goto(this.base + path);
  }

  press(role, name, inside) {
    return this.find(role, name, inside).click();
  }

  write(role, name, text) {
    return (role ? this.find(role, name) : this.page.getByLabel(name, { exact: true })).fill(text);
  }

  sees(role, name, { inside, gone = false, ms = 120_000 } = {}) {
    return this.find(role, name, inside).waitFor({ state: gone ? "detached" : "attached", timeout: ms });
  }

  reads(text, { inside, ms = 120_000 } = {}) {
    const place = inside ? this.find(inside.role, inside.name) : this.page;
    return place.getByText(text).first().waitFor({ timeout: ms });
  }

  key(name) {
    return this.page.keyboard.press(name);
  }

  point(x, y) {
    return this.page.mouse.move(x, y);
  }

  on(role, name, fn) {
    return this.find(role, name).evaluate(fn, undefined, { timeout: 20_000 });
  }

  run(fn, argument) {
    return this.page.evaluate(fn, argument);
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  figure(name) {
    return this.find("figure", name);
  }

  /** Presses one of the call's controls, which show while the mouse moves. */
  async control(name) {
    await this.stir();
    await this.press("button", name);
  }

  async close() {
    await this.context.close();
    const surprises = this.surprises();
    if (surprises.length > 0) throw new Error(`${this.name}'s console: ${surprises.join("\n")}`);
  }
}

/** Two people in Chromium who have become contacts through the page. */
export async function twoContacts(browser, base, options) {
  const ana = await BrowserPerson.create(browser, base, "Ana", options);
  const bela = await BrowserPerson.create(browser, base, "Bela", options);
  await becomeContacts(ana, bela);
  return [ana, bela];
}
