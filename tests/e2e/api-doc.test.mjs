// docs/API.md is true: its shell blocks run in order against a real server, its JavaScript in the consoles of two
// Chromium pages, and each prints what stands under it.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ROOT, Server, eventually } from "../support/server.mjs";
import { launchChromium } from "../support/browser.mjs";

const ADDRESS = "https://localhost:8443";
const blocks = [...readFileSync(path.join(ROOT, "docs/API.md"), "utf8").matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(
  ([, lang, text]) => ({ lang, text }),
);
/** Blocks of a language, each with what it prints. */
const runnable = (lang) =>
  blocks.flatMap((block, n) => (block.lang === lang ? [{ text: block.text, prints: blocks[n + 1]?.lang === "text" ? blocks[n + 1].text : "" }] : []));

/** What differs from run to run. */
const comparable = (text) => text.trim().replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID").replace(/"version":"[\d.]+"/, "VERSION");

let server, browser, folder;
before(async () => {
  server = await Server.start({ workers: 2, mediads: 2 });
  browser = await launchChromium();
  folder = mkdtempSync(path.join(os.tmpdir(), "parley-doc-"));
});
after(async () => {
  await browser?.close();
  await server?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("every block is shell, JavaScript or what one of them prints", () => {
  for (const [n, { lang }] of blocks.entries()) {
    assert.match(lang, /^(bash|js|text)$/);
    if (lang === "text") assert.notEqual(blocks[n - 1]?.lang, "text", "it stands under the block that prints it");
  }
  assert.ok(runnable("bash").length >= 10 && runnable("js").length >= 10, "there is something to run");
});

test("the shell blocks work one after the other, and print what the document says", { timeout: 240_000 }, async () => {
  const steps = runnable("bash");
  const mark = (n) => `== end of block ${n}`;
  const script = ["set -euo pipefail", "trap 'jobs -p | xargs -r kill' EXIT", ...steps.flatMap(({ text }, n) => [text.replaceAll(ADDRESS, server.base), `echo '${mark(n)}'`])].join("\n");
  // The system's python3 has aiohttp; one that comes first in somebody's path may not.
  const env = { PATH: "/usr/bin:/bin", HOME: folder, LANG: "C.UTF-8" };
  const shell = spawn("setpriv", ["--pdeathsig", "TERM", "bash", "-c", script], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  shell.stdout.on("data", (d) => (out += d));
  shell.stderr.on("data", (d) => (err += d));
  const code = await new Promise((resolve) => shell.on("close", resolve));
  let rest = out;
  for (const [n, { text, prints }] of steps.entries()) {
    const end = rest.indexOf(mark(n));
    assert.ok(end >= 0, `block ${n} ended the script with ${code}:\n${text}\nafter it had printed:\n${rest}\n${err}`);
    assert.equal(comparable(rest.slice(0, end)), comparable(prints), `what is printed by:\n${text}\n${err}`);
    rest = rest.slice(end + mark(n).length);
  }
  assert.equal(code, 0, err);
});

test("the JavaScript blocks, in the consoles of two windows, make a call with pictures", { timeout: 240_000 }, async () => {
  const people = {};
  for (const name of ["Ana", "Bela"]) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, permissions: ["camera", "microphone"] });
    const page = await context.newPage();
    await page.goto(server.base);
    await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
    people[name] = { context, page, console: await context.newCDPSession(page) };
  }
  // As typed into the console: constants stay for the next block, and await needs no function around it.
  const run = async (name, text) => {
    const { result, exceptionDetails } = await people[name].console.send("Runtime.evaluate", {
      expression: text,
      replMode: true,
      awaitPromise: true,
      userGesture: true,
      timeout: 60_000,
    });
    if (exceptionDetails) throw new Error(`in ${name}'s window: ${exceptionDetails.exception?.description ?? exceptionDetails.text}\n${text}`);
    return result.type === "string" ? result.value : "";
  };
  for (const { text, prints } of runnable("js")) {
    const where = /^\/\/ (both windows|(Ana|Bela)'s window)\n/.exec(text);
    assert.ok(where, `a block says in whose window it goes:\n${text}`);
    const names = where[2] ? [where[2]] : ["Ana", "Bela"];
    const printed = await Promise.all(names.map((name) => run(name, text)));
    if (prints) assert.equal(printed.join("\n"), prints.trim(), `what is printed by:\n${text}`);
    if (/\bpicture\(\)/.test(text)) {
      for (const { page } of Object.values(people)) {
        const frames = () => page.evaluate(() => document.querySelector("figure video").getVideoPlaybackQuality().totalVideoFrames);
        const first = await frames();
        await eventually("the picture moves", async () => (await frames()) > first + 10, 20_000);
      }
    }
  }
  await eventually("the media are freed", async () => (await server.metric("parley_mediad_transports")) === 0, 10_000);
  for (const { context } of Object.values(people)) await context.close();
});
