// Stream links in the page: made, copied, seen by the others, revoked; on a computer and on a phone.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, Server } from "../support/server.mjs";
import { request } from "../support/api.mjs";
import { BrowserPerson, launchChromium } from "../support/browser.mjs";
import { violations } from "../support/axe.mjs";

const MINUTES = 120_000;
const SHOTS = process.env.SHOTS; // a folder for pictures of the dialog

let server, browser, ana, bela;
before(async () => {
  server = await Server.start({ workers: 1, mediads: 1, checked: true });
  browser = await launchChromium();
  ana = await BrowserPerson.create(browser, server.base, "Ana", { viewport: { width: 1280, height: 800 } });
  bela = await BrowserPerson.create(browser, server.base, "Bela", { viewport: { width: 390, height: 844 } });
  await Promise.all([ana.signUp(), bela.signUp()]);
  await ana.ask(bela);
  await bela.accept();
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const dialog = (person) => person.page.getByRole("dialog", { name: "Stream links" });
async function openDialog(person) {
  await person.page.mouse.move(200, 200);
  await person.page.getByRole("button", { name: "More", exact: true }).click();
  await person.page.getByRole("menuitem", { name: "Stream links…" }).click();
  await dialog(person).waitFor({ timeout: MINUTES });
}
async function hasNoBarriers(person) {
  for (const colorScheme of ["dark", "light"]) {
    await person.page.emulateMedia({ colorScheme });
    assert.deepEqual(await violations(person.page), [], colorScheme);
  }
}
const shoot = (person, name) => SHOTS && person.page.screenshot({ path: path.join(SHOTS, `${name}.png`) });
async function make(person, kind, name) {
  const box = dialog(person);
  await box.getByRole("radio", { name: kind }).check();
  await box.getByRole("textbox", { name: "Name that the others see" }).fill(name);
  await box.getByRole("button", { name: "Make link" }).click();
  const read = (label) => box.getByRole("textbox", { name: label, exact: true }).inputValue({ timeout: MINUTES });
  return { url: await read("Address"), token: await read("Token") };
}

test("a link that is made in the page brings a program into the call; the others see it, and whoever made it revokes it", { timeout: 400_000 }, async () => {
  await openDialog(ana);
  await dialog(ana).getByText("There are none yet.").waitFor({ timeout: MINUTES });
  await shoot(ana, "empty-wide");
  await hasNoBarriers(ana);
  const camera = await make(ana, "Send into the call", "Hall camera");
  assert.match(camera.token, /^[\w-]{43}$/);
  await dialog(ana).getByText("sends into the call · not connected").waitFor({ timeout: MINUTES });
  await shoot(ana, "made-wide");
  await hasNoBarriers(ana);
  const program = spawn("/usr/bin/python3", [path.join(ROOT, "tests/interop/whip_peer.py"), camera.url, camera.token, "publish", "0", "300"]);
  let complaint = "";
  program.stderr.on("data", (d) => (complaint += d));
  const gone = new Promise((resolve) => program.once("close", resolve));
  await dialog(ana).getByText("sends into the call · connected").waitFor({ timeout: MINUTES });
  await bela.page.getByRole("figure", { name: "Hall camera", exact: true }).waitFor({ timeout: MINUTES });
  await dialog(ana).getByRole("button", { name: "Revoke Hall camera" }).click();
  await bela.page.getByRole("figure", { name: "Hall camera", exact: true }).waitFor({ state: "detached", timeout: MINUTES });
  await dialog(ana).getByText("There are none yet.").waitFor({ timeout: MINUTES });
  await dialog(ana).getByRole("button", { name: "Close stream links" }).click();
  program.stdin.end();
  assert.notEqual(await gone, 0);
  assert.match(complaint, /DELETE: 401/, "its token is worth nothing any more");
});

test("who watches by a link is seen on all screens, and is no tile", { timeout: 400_000 }, async () => {
  await openDialog(bela);
  await shoot(bela, "empty-phone");
  const wall = await make(bela, "Watch the call", "Wall");
  await shoot(bela, "made-phone");
  await hasNoBarriers(bela);
  const offer = readFileSync(path.join(ROOT, "tests/unit/sdp/chromium-recvonly.sdp"), "utf8");
  const { status, headers } = await request(server.base, "POST", new URL(wall.url).pathname, offer, { token: wall.token, type: "application/sdp" });
  assert.equal(status, 201);
  await dialog(bela).getByRole("button", { name: "Close stream links" }).click();
  for (const person of [ana, bela]) await person.page.getByText("1 watching by link").waitFor({ timeout: MINUTES });
  await shoot(ana, "watched-wide");
  await shoot(bela, "watched-phone");
  assert.equal(await ana.page.getByRole("figure", { name: "Wall", exact: true }).count(), 0);
  assert.equal((await request(server.base, "DELETE", headers.location, undefined, { token: wall.token })).status, 204);
  for (const person of [ana, bela]) await person.page.getByText("1 watching by link").waitFor({ state: "detached", timeout: MINUTES });
});
