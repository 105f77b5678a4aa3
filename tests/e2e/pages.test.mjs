// The pages around a call: first steps, device check, contacts, settings, languages, calls to several people.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within } from "../support/server.mjs";
import { BrowserPerson, launchChromium, twoContacts } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000, step = 50) => within(what, check, ms, step);

let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 1, checked: true });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const text = (person, words) => person.page.getByText(words, { exact: true }).first();
const box = (person, name) => person.page.getByLabel(name, { exact: true });
const quiet = (...people) => {
  for (const p of people) assert.deepEqual(p.surprises(), [], `${p.name}'s console is clean`);
};

test("the first visit: three steps that can be done or skipped, and never in the way", async () => {
  const ana = await BrowserPerson.create(browser, server.base, "Ana");
  await ana.signUp(); // waits for Home
  await text(ana, "Step 1 of 3").waitFor();
  await box(ana, "Your name").fill("Ana Maria");
  await ana.button("Next").click();
  await text(ana, "Step 2 of 3").waitFor();
  await ana.button("Check camera and microphone").click();
  await text(ana, "Your microphone works.").waitFor();
  await eventually("the preview moves", () => ana.page.getByLabel("Your camera").evaluate((video) => video.videoWidth > 0 && !video.paused));
  await ana.button("Next").click();
  await ana.button("Search by name").click();
  await ana.page.getByRole("searchbox", { name: "Search people", exact: true }).waitFor();
  await ana.page.keyboard.press("Escape");
  await ana.button("Done").click();
  await ana.page.getByRole("heading", { name: "Hello, Ana Maria" }).waitFor();
  await ana.page.reload();
  await ana.page.getByRole("heading", { name: "Hello, Ana Maria" }).waitFor();
  assert.equal(await ana.page.getByText("Step 1 of 3").count(), 0, "once is enough");

  const bela = await BrowserPerson.create(browser, server.base, "Bela", { viewport: { width: 390, height: 844 } });
  await bela.signUp();
  await bela.button("Skip the first steps").click();
  await bela.button("Check camera and microphone").waitFor();
  quiet(ana, bela);
  await Promise.all([ana.close(), bela.close()]);
});

test("settings: name, status, password, devices, language, export, and the account's end", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.button("Account menu").click();
  await ana.page.getByRole("menuitem", { name: "Settings", exact: true }).click();
  await box(ana, "Display name").fill("Ana Z");
  await ana.button("Save name").click();
  await text(ana, "The name is saved.").waitFor();
  await bela.button("Video call Ana Z").waitFor();
  await ana.page.getByRole("radio", { name: /^Do not disturb/ }).check();
  await text(bela, "Busy").waitFor();
  await ana.page.getByRole("radio", { name: /^Available/ }).check();
  await bela.page.getByText("Online", { exact: true }).first().waitFor();

  // Another device of Ana's, which the new password signs out.
  const phone = await BrowserPerson.create(browser, server.base, "Phone");
  await phone.page.goto(server.base);
  await box(phone, "Username").fill(ana.username);
  await box(phone, "Password").fill(ana.password);
  await phone.button("Sign in").click();
  await phone.button("Add contact").waitFor();
  await ana.page.reload();
  await ana.page.getByRole("button", { name: /^End the sign-in of/ }).waitFor();
  await box(ana, "Current password").fill("not my password at all");
  await box(ana, "New password").fill("a short swim in the lake");
  await ana.button("Change password").click();
  await ana.page.getByRole("alert").getByText("That is not your password.").waitFor();
  await box(ana, "Current password").fill(ana.password);
  await ana.button("Change password").click();
  await text(ana, "Changed. Your other devices are signed out.").waitFor();
  await phone.button("Sign in").waitFor();
  assert.equal(await ana.page.getByRole("button", { name: /^End the sign-in of/ }).count(), 0);

  await ana.page.getByRole("radio", { name: "Deutsch", exact: true }).check();
  await ana.page.getByRole("heading", { name: "Einstellungen", exact: true }).waitFor();
  assert.equal(await ana.page.evaluate(() => document.documentElement.lang), "de");
  await ana.page.reload();
  await ana.page.getByRole("heading", { name: "Einstellungen", exact: true }).waitFor();
  await ana.page.getByRole("radio", { name: "Français", exact: true }).check();
  await ana.page.getByRole("heading", { name: "Paramètres", exact: true }).waitFor();
  await ana.page.getByRole("radio", { name: "English", exact: true }).check();
  await ana.page.getByRole("heading", { name: "Settings", exact: true }).waitFor();

  const saved = ana.page.waitForEvent("download");
  await ana.button("Export my data").click();
  assert.equal((await saved).suggestedFilename(), "parley-export.json");

  await ana.button("Delete account…").click();
  const dialog = ana.page.getByRole("dialog", { name: "Delete account", exact: true });
  assert.ok(await dialog.getByRole("button", { name: "Delete for ever" }).isDisabled());
  await dialog.getByLabel(/^Type your user name/).fill(ana.username);
  await dialog.getByLabel("Your password", { exact: true }).fill("a short swim in the lake");
  await dialog.getByRole("button", { name: "Delete for ever" }).click();
  await ana.button("Sign in").waitFor();
  await bela.button("Video call Ana Z").waitFor({ state: "detached" });
  // The wrong password's 403 is the one line that a browser prints by itself.
  ana.expects(/403/);
  phone.expects(/401|Authentication failed/);
  quiet(bela);
  await Promise.all([ana.close(), bela.close(), phone.close()]);
});

test("a picture is uploaded, seen by others and removed", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.page.goto(`${server.base}/settings`);
  const png = await ana.page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    canvas.width = 900;
    canvas.height = 600;
    const draw = canvas.getContext("2d");
    draw.fillStyle = "#c03";
    draw.fillRect(0, 0, 900, 600);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    return [...new Uint8Array(await blob.arrayBuffer())];
  });
  await ana.page.getByLabel("Choose a picture").setInputFiles({ name: "me.png", mimeType: "image/png", buffer: Buffer.from(png) });
  await ana.button("Remove picture").waitFor();
  await eventually("Bela sees it", () =>
    bela.page.evaluate(() => [...document.querySelectorAll("a img")].some((image) => image.naturalWidth === 256)),
  );
  ana.expects(/status of 4/); // that picture's refusal
  await ana.page.getByLabel("Change picture").setInputFiles({ name: "me.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await ana.page.getByRole("alert").waitFor();
  await ana.button("Remove picture").click();
  await ana.page.getByLabel("Choose a picture").waitFor({ state: "attached" });
  await eventually("Bela sees initials", () => bela.page.evaluate(() => document.querySelectorAll("a img").length === 0));
  quiet(bela);
  await Promise.all([ana.close(), bela.close()]);
});

test("contacts: favourite, nickname, block and unblock; by keyboard too", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  await ana.page.getByRole("link", { name: /Bela/ }).click();
  await ana.button("Favourite").click();
  await ana.page.getByRole("list", { name: "Favourites", exact: true }).getByRole("link", { name: /Bela/ }).waitFor();
  await ana.button("Give a nickname").click();
  await box(ana, "Nickname for Bela").fill("Bee");
  await ana.button("Save").click();
  await ana.page.getByRole("heading", { name: "Bee", exact: true }).waitFor();
  // From the search field into the list, and along its columns.
  await ana.page.getByRole("searchbox", { name: "Filter contacts", exact: true }).focus();
  await ana.page.keyboard.press("ArrowDown");
  assert.equal(await ana.page.evaluate(() => document.activeElement.getAttribute("href")?.startsWith("/people/")), true);
  await ana.page.keyboard.press(" ");
  await text(ana, "Call 1 person").waitFor();
  await ana.button("Clear selection").click();

  await ana.button("Block").click();
  await ana.button("Yes, block").click();
  await bela.page.getByText("Offline", { exact: true }).first().waitFor();
  await text(ana, "1 person blocked").click();
  await ana.button("Unblock Bee").click();
  await ana.button("Video call Bela").waitFor({ state: "attached" });
  quiet(ana, bela);
  await Promise.all([ana.close(), bela.close()]);
});

test("several are selected and called together", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  const chidi = await BrowserPerson.create(browser, server.base, "Chidi");
  await chidi.signUp();
  await ana.ask(chidi);
  await chidi.accept();
  await ana.page.getByRole("checkbox", { name: "Select Bela", exact: true }).check();
  await ana.page.getByRole("checkbox", { name: "Select Chidi", exact: true }).check();
  await text(ana, "Call 2 people").waitFor();
  await ana.button("Call selected").click();
  for (const p of [bela, chidi]) {
    await p.page.getByRole("dialog", { name: "Incoming call", exact: true }).waitFor();
    await p.answer();
  }
  await eventually("Ana has both on the stage", async () => (await ana.page.getByRole("figure").count()) >= 2, 120_000);
  await ana.button("Leave call").click();
  // The other two talk on: the history offers to come back in.
  await ana.button("Join the call with Bela and Chidi").waitFor();
  await bela.button("Leave call").click();
  await chidi.button("Add contact").waitFor();
  quiet(ana, bela, chidi);
  await Promise.all([ana.close(), bela.close(), chidi.close()]);
});

test("call waiting: answering a second call pauses the first, which comes back afterwards", async () => {
  const [ana, bela] = await twoContacts(browser, server.base);
  const chidi = await BrowserPerson.create(browser, server.base, "Chidi");
  await chidi.signUp();
  await chidi.ask(ana);
  await ana.accept();
  await chidi.button("Video call Ana").first().waitFor({ state: "attached" });
  await ana.videoCall(bela);
  await bela.answer();
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);

  await chidi.videoCall(ana);
  await ana.page.getByText("Answering pauses your call with Bela.").waitFor();
  await ana.answer();
  await chidi.seesAndHears(ana);
  await ana.page.getByRole("figure", { name: "Chidi", exact: true }).waitFor();
  await text(ana, "Bela on hold").waitFor();
  await bela.page.getByText(/paused/).first().waitFor();

  await ana.button("Switch").click();
  await ana.page.getByRole("figure", { name: "Bela", exact: true }).waitFor();
  await text(ana, "Chidi on hold").waitFor();
  await chidi.page.getByText(/paused/).first().waitFor();
  await ana.button("Switch").click();
  await ana.page.getByRole("figure", { name: "Chidi", exact: true }).waitFor();

  await chidi.button("Leave call").click();
  await ana.page.getByRole("figure", { name: "Bela", exact: true }).waitFor();
  await ana.page.getByText("Bela on hold").waitFor({ state: "detached" });
  await Promise.all([ana.seesAndHears(bela), bela.seesAndHears(ana)]);
  await ana.button("Leave call").click();
  await ana.button("Add contact").waitFor();
  quiet(ana, bela, chidi);
  await Promise.all([ana.close(), bela.close(), chidi.close()]);
});
