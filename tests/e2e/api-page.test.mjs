// /api/docs: the reference of the API as the worker serves it.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import YAML from "yaml";
import { ROOT, Server } from "../support/server.mjs";
import { request } from "../support/api.mjs";
import { launchChromium } from "../support/browser.mjs";
import { violations } from "../support/axe.mjs";

const openapi = YAML.parse(readFileSync(path.join(ROOT, "docs/openapi.yaml"), "utf8"));
let server, browser;
before(async () => {
  server = await Server.start({ workers: 1, mediads: 1 });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const get = (headers) => request(server.base, "GET", "/api/docs", undefined, { raw: true, headers });

/** A page that may load from this server only; what went wrong on it is in complaints. */
async function open(options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("request", (r) => r.url().startsWith(server.base) || complaints.push(`asks for ${r.url()}`));
  await page.goto(`${server.base}/api/docs`);
  await page.getByRole("heading", { name: "Start a call" }).waitFor();
  return { context, page, complaints };
}

test("it is compressed, revalidated, and under a policy that allows nothing but its own files", async () => {
  const plain = await get({ accept: "text/html" });
  assert.equal(plain.status, 200);
  assert.match(plain.headers["content-type"], /^text\/html/);
  const policy = plain.headers["content-security-policy"];
  assert.match(policy, /^default-src 'none';/);
  assert.doesNotMatch(policy, /unsafe|data:|connect-src|https?:/);
  assert.doesNotMatch(plain.text, /<style|style="|<script>|\son\w+="/, "nothing inline");
  const packed = await get({ "accept-encoding": "br, gzip" });
  assert.equal(packed.headers["content-encoding"], "br");
  assert.ok(packed.bytes.length < plain.bytes.length / 5, `${packed.bytes.length} of ${plain.bytes.length} bytes`);
  assert.equal((await get({ "accept-encoding": "br", "if-none-match": packed.headers.etag })).status, 304);
  const asset = /href="(\/assets\/[^"]+\.css)"/.exec(plain.text)[1];
  const style = await request(server.base, "GET", asset, undefined, { raw: true, headers: { "accept-encoding": "br" } });
  assert.match(style.headers["cache-control"], /immutable/);
  assert.equal((await request(server.base, "HEAD", "/api/docs", undefined, { raw: true })).status, 200);
  assert.equal((await request(server.base, "POST", "/api/docs", {}, { raw: true })).status, 405);
});

test("every operation, schema, event, message and code has its place, and every link within the page leads to one", async () => {
  const { context, page, complaints } = await open();
  const ids = new Set(await page.evaluate(() => [...document.querySelectorAll("[id]")].map((e) => e.id)));
  const wanted = [];
  for (const item of Object.values(openapi.paths)) for (const operation of Object.values(item)) if (operation.operationId) wanted.push(operation.operationId);
  const { ServerEvent, ClientMessage, ProblemCode } = openapi.components.schemas;
  const follow = (node) => (node.$ref ? openapi.components.schemas[node.$ref.split("/").at(-1)] : node);
  for (const [prefix, { oneOf }] of [["event", ServerEvent], ["send", ClientMessage]])
    for (const { properties } of oneOf.map(follow)) for (const type of properties.type.enum ?? [properties.type.const]) wanted.push(`${prefix}-${type}`);
  for (const code of ProblemCode.enum) wanted.push(`problem-${code}`);
  const links = await page.evaluate(() => [...document.querySelectorAll('a[href^="#"]')].map((a) => decodeURIComponent(a.hash.slice(1))));
  assert.deepEqual([...wanted, ...links].filter((id) => !ids.has(id)), []);
  assert.equal(ids.size, await page.evaluate(() => document.querySelectorAll("[id]").length), "no id twice");

  // What one operation says.
  const article = page.locator("#postMessage");
  const text = await article.innerText();
  for (const words of ["/api/v1/calls/{call_id}/messages", "Who is in the call; for whom it rings;", "messages_per_minute", "32 KiB", "The slides"]) assert.ok(text.includes(words), `'${words}' in:\n${text}`);
  await article.locator("summary", { hasText: "409" }).click();
  await article.getByText('"code": "wrong_state"').waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

for (const [colorScheme, viewport] of [
  ["light", { width: 1280, height: 800 }],
  ["dark", { width: 390, height: 844 }],
]) {
  test(`axe finds nothing at ${viewport.width} px, ${colorScheme}, and nothing sticks out`, async () => {
    const { context, page, complaints } = await open({ viewport, colorScheme });
    await page.evaluate(() => document.querySelectorAll("#startCall details, #errors details").forEach((d) => (d.open = true)));
    assert.deepEqual(await violations(page), []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width, "nothing sticks out");
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

test("keys alone: skip to the content, open the contents on a phone and choose; a code's address opens it", async () => {
  const { context, page, complaints } = await open({ viewport: { width: 390, height: 844 } });
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  const contents = page.getByRole("navigation", { name: "Contents" });
  assert.equal(await contents.isVisible(), false);
  await page.getByRole("button", { name: "Contents" }).focus();
  await page.keyboard.press("Enter");
  await contents.getByRole("link", { name: "Answer", exact: false }).first().waitFor();
  await contents.locator('a[href="#answerCall"]').focus();
  await page.keyboard.press("Enter");
  await contents.waitFor({ state: "hidden" });
  await page.waitForFunction(() => Math.abs(document.querySelector("#answerCall").getBoundingClientRect().top) < 200);
  await page.goto(`${server.base}/api/docs#problem-not_joined`);
  await page.locator("#problem-not_joined pre").waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("without scripts everything is there", async () => {
  const { context, page } = await open({ javaScriptEnabled: false });
  await page.locator("#startCall").getByText("curl -X POST").waitFor();
  await context.close();
});
