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

export async function launchChromium(extra = []) {
  return chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: [...ARGS, ...extra] });
}

/** One person in Chromium. */
export class BrowserPerson extends PagePerson {
  static async create(browser, base, name, options = {}) {
    const person = new BrowserPerson(base, name);
    person.context = await browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: options.viewport ?? { width: 1280, height: 800 },
      colorScheme: options.colorScheme ?? "light",
      permissions: ["camera", "microphone"],
    });
    await person.context.addInitScript(rememberPeers);
    person.page = await person.context.newPage();
    person.page.on("console", (m) => {
      if (m.type() === "error") person.complaints.push(m.text());
    });
    person.page.on("pageerror", (e) => person.complaints.push(String(e)));
    return person;
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

  sees(role, name, { inside, gone = false, ms = 30_000 } = {}) {
    return this.find(role, name, inside).waitFor({ state: gone ? "detached" : "attached", timeout: ms });
  }

  reads(text, { inside, ms = 30_000 } = {}) {
    const place = inside ? this.find(inside.role, inside.name) : this.page;
    return place.getByText(text).first().waitFor({ timeout: ms });
  }

  key(name) {
    return this.page.keyboard.press(name);
  }

  on(role, name, fn) {
    return this.find(role, name).evaluate(fn, undefined, { timeout: 5000 });
  }

  run(fn, argument) {
    return this.page.evaluate(fn, argument);
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  async close() {
    await this.context.close();
  }
}

/** Two people in Chromium who have become contacts through the page. */
export async function twoContacts(browser, base, options) {
  const ana = await BrowserPerson.create(browser, base, "Ana", options);
  const bela = await BrowserPerson.create(browser, base, "Bela", options);
  await becomeContacts(ana, bela);
  return [ana, bela];
}
