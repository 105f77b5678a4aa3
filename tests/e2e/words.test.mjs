// Words outside a call: "Reply and reject" while it rings, "No answer — leave a message?" afterwards.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { Server, eventually as within } from "../support/server.mjs";
import { launchChromium, twoContacts } from "../support/browser.mjs";

// Generous: a busy machine is slow, not wrong.
const eventually = (what, check, ms = 120_000, step = 50) => within(what, check, ms, step);

const SHOTS = process.env.PARLEY_SHOTS; // a folder for pictures of what is tested
let server, browser;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 1, checked: true });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const shot = async (person, name) => {
  if (SHOTS) await person.page.screenshot({ path: `${SHOTS}/${name}-${person.page.viewportSize().width}.png` });
};
const notice = (person) => person.page.getByRole("status").filter({ has: person.button("Dismiss") });

for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
  test(`a call is declined with a reply, which the caller reads at once and in the history (${viewport.width} px)`, async () => {
    const [ana, bela] = await twoContacts(browser, server.base, { viewport });
    await ana.videoCall(bela);
    const sheet = bela.page.getByRole("dialog", { name: "Incoming call", exact: true });
    await sheet.getByRole("button", { name: "Reply and reject", exact: true }).click();
    await shot(bela, "reply");
    await sheet.getByRole("textbox", { name: "Your own reply", exact: true }).fill("In ten minutes?");
    await sheet.getByRole("button", { name: "Send the reply", exact: true }).click();
    await sheet.waitFor({ state: "hidden" });
    await notice(bela).getByText("Your reply was sent.", { exact: true }).waitFor();
    await notice(ana).getByText("Bela declined: “In ten minutes?”", { exact: true }).waitFor();
    await shot(ana, "declined");
    for (const p of [ana, bela]) {
      const calls = p.page.getByRole("region", { name: "Latest calls", exact: true }).filter({ visible: true });
      await calls.getByRole("button", { name: "1 message", exact: true }).click();
      await calls.getByRole("list", { name: "Chat of this call", exact: true }).getByText("In ten minutes?", { exact: true }).waitFor();
      assert.equal(await p.page.getByText("new message").count(), 0, "nothing here is news");
      await p.close();
    }
  });

  test(`who does not answer is left a message: marked, told, read, and no longer marked (${viewport.width} px)`, async () => {
    const [ana, bela] = await twoContacts(browser, server.base, { viewport });
    const phone = await bela.context.newPage(); // another page of hers
    await phone.goto(server.base);
    await ana.videoCall(bela);
    await bela.page.getByRole("dialog", { name: "Incoming call", exact: true }).waitFor();
    server.sql("update calls set ring_deadline = now() where ring_deadline is not null"); // long enough
    await notice(ana).getByText("No answer — leave a message?", { exact: true }).waitFor({ timeout: 120_000 });
    await shot(ana, "no-answer");
    await notice(ana).getByRole("textbox", { name: "Message to leave", exact: true }).fill("Dinner at eight");
    await notice(ana).getByRole("button", { name: "Leave the message", exact: true }).click();
    await notice(ana).getByText("Your message is left.", { exact: true }).waitFor();
    // At once on all her pages, and in the list beside the name.
    await phone.getByText("Ana: Dinner at eight", { exact: true }).waitFor();
    await notice(bela).getByText("Ana: Dinner at eight", { exact: true }).waitFor();
    const marked = (page) => page.getByRole("link", { name: /Ana.*1 new message/ });
    for (const page of [bela.page, phone]) await marked(page).waitFor();
    await shot(bela, "marked");
    await notice(bela).getByRole("button", { name: "Show", exact: true }).click();
    const chat = bela.page.getByRole("list", { name: "Chat of this call", exact: true });
    await chat.getByText("Dinner at eight", { exact: true }).waitFor();
    await shot(bela, "read");
    await marked(phone).waitFor({ state: "detached" });
    await phone.close();
    // Also for a page that was not open then.
    const calls = ana.page.getByRole("region", { name: "Latest calls", exact: true }).filter({ visible: true });
    await calls.getByRole("button", { name: "1 message", exact: true }).click();
    await bela.page.goto("about:blank");
    await calls.getByRole("textbox", { name: "Message to leave", exact: true }).fill("Or nine");
    await calls.getByRole("button", { name: "Leave the message", exact: true }).click();
    await calls.getByRole("list", { name: "Chat of this call", exact: true }).getByText("Or nine", { exact: true }).waitFor();
    await shot(ana, "wrote");
    await bela.page.goto(server.base);
    await marked(bela.page).click();
    await chat.getByText("Or nine", { exact: true }).waitFor();
    await eventually("the mark goes", async () => (await bela.page.getByText("new message").count()) === 0);
    for (const p of [ana, bela]) assert.deepEqual(p.complaints, [], `${p.name}'s console is clean`);
    await Promise.all([ana.close(), bela.close()]);
  });
}
