// Debian's Firefox with a fake camera and microphone, driven over WebDriver BiDi the way a person uses the page
// (person.mjs). Roles and names are those of Firefox's own accessibility tree.
import { mkdtempSync, rmSync } from "node:fs";
import { spawn } from "node:child_process";
import os from "node:os";
import path from "node:path";
import puppeteer from "puppeteer-core";
import { PagePerson, rememberPeers } from "./person.mjs";
import { eventually } from "./server.mjs";

const PREFERENCES = {
  // Devices without a question, also in a window that has not the focus.
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.devices.unfocused.enabled": true,
  "media.autoplay.default": 0,
  "permissions.default.camera": 1,
  "permissions.default.microphone": 1,
  // Only "lo" may be there.
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // Nothing of its own goes to the network.
  "app.update.enabled": false,
  "app.normandy.enabled": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "media.gmp-manager.updateEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "toolkit.telemetry.enabled": false,
};

/** A screen that can be captured; headless Firefox has none. */
async function startScreen() {
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "Xvfb", "-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stdio[3].on("data", (data) => (said += data));
  await eventually("Xvfb says its number", () => said.endsWith("\n"), 30_000);
  return { display: `:${said.trim()}`, stop: () => child.kill("SIGTERM") };
}

/** A browser with a screen of its own and a fresh home folder; close() takes all of it away again. */
export async function launchFirefox() {
  const home = mkdtempSync(path.join(os.tmpdir(), "parley-firefox-"));
  const screen = await startScreen();
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: "/usr/bin/firefox-esr",
    headless: false,
    acceptInsecureCerts: true,
    defaultViewport: null,
    args: ["--width=1280", "--height=800"],
    extraPrefsFirefox: PREFERENCES,
    env: { ...process.env, HOME: home, DISPLAY: screen.display, MOZ_DISABLE_CONTENT_SANDBOX: "1" },
    timeout: 120_000,
  });
  return {
    browser,
    async close() {
      await browser.close();
      screen.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

// Of two words for the same role it says the newer.
const ROLES = { img: "image" };
const named = (role, name) => `::-p-aria([name="${name}"]${role ? `[role="${ROLES[role] ?? role}"]` : ""})`;

/** One person in Firefox. */
export class FirefoxPerson extends PagePerson {
  static async create(firefox, base, name) {
    const person = new FirefoxPerson(base, name);
    person.context = await firefox.browser.createBrowserContext();
    person.page = await person.context.newPage();
    person.page.setDefaultTimeout(120_000);
    await person.page.evaluateOnNewDocument(rememberPeers);
    person.page.on("console", (m) => {
      if (m.type() === "error") person.complaints.push(m.text());
    });
    person.page.on("pageerror", (e) => person.complaints.push(String(e)));
    return person;
  }

  /** The first that is called so, or null. A password's box has no role, and its label the same name. */
  async find(role, name, inside) {
    const place = inside ? await this.find(inside.role, inside.name) : this.page;
    for (const handle of (await place?.$$(named(role, name))) ?? [])
      if (role !== null || (await handle.evaluate((element) => element.matches("input")))) return handle;
    return null;
  }

  /** The page may draw itself anew between looking and doing: then once more. */
  withFirst(role, name, inside, what, act, ms = 120_000) {
    return eventually(
      `${this.name}: ${what} ${role ?? ""} "${name}"`,
      async () => {
        const handle = await this.find(role, name, inside);
        if (!handle) return false;
        await act(handle);
        return true;
      },
      ms,
    );
  }

  open(path_) {
    return this.page.goto(this.base + path_);
  }

  press(role, name, inside) {
    return this.withFirst(role, name, inside, "press", async (handle) => {
      if (await handle.evaluate((element) => element.disabled === true)) throw new Error("it is disabled");
      await handle.click();
    });
  }

  write(role, name, text) {
    return this.withFirst(role, name, undefined, "write into", async (handle) => {
      await handle.focus();
      await handle.evaluate((element) => element.select());
      await handle.type(text);
    });
  }

  sees(role, name, { inside, gone = false, ms = 120_000 } = {}) {
    return eventually(`${this.name} sees ${role} "${name}"${gone ? " go" : ""}`, async () => ((await this.find(role, name, inside)) === null) === gone, ms);
  }

  reads(text, { inside, ms = 120_000 } = {}) {
    return eventually(
      `${this.name} reads "${text}"`,
      async () => {
        const place = inside ? await this.find(inside.role, inside.name) : await this.page.$("body");
        return (await place.evaluate((element) => element.innerText)).includes(text);
      },
      ms,
    );
  }

  key(name) {
    return this.page.keyboard.press(name);
  }

  point(x, y) {
    return this.page.mouse.move(x, y);
  }

  async on(role, name, fn) {
    const handle = await this.find(role, name);
    if (!handle) throw new Error(`there is no ${role} "${name}"`);
    return handle.evaluate(fn);
  }

  run(fn, argument) {
    return this.page.evaluate(fn, argument);
  }

  reload() {
    return this.page.reload();
  }

  async close() {
    await this.context.close();
  }
}
