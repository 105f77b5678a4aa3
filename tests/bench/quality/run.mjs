// One run: a server, the network in front of it, two browsers, a scenario, and what was seen.
import { createServer } from "node:http";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { Impair, scenarioFile } from "../../net/impair.mjs";
import { launchChromium } from "../../support/browser.mjs";
import { eventually, sleep } from "../../support/server.mjs";
import { captureArguments } from "./source.mjs";
import { Busy, cpuSeconds } from "./machine.mjs";

const CLIENT = readFileSync(path.join(import.meta.dirname, "client.js"));
const PAGE = '<!doctype html><meta charset="utf-8"><title>bench</title><style>video{width:64px;height:36px}</style><body><script src="client.js"></script>';

/** The bench's own page, at an address that browsers trust with a camera. */
async function serve() {
  const server = createServer((req, res) => {
    const script = req.url === "/client.js";
    res.writeHead(200, { "content-type": script ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8", connection: "close" });
    res.end(script ? CLIENT : PAGE);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://localhost:${server.address().port}/`, stop: () => new Promise((resolve) => server.close(resolve)) };
}

async function open(args, url) {
  const browser = await launchChromium(args);
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (e) => complaints.push(String(e)));
  await page.goto(url);
  return { browser, page, complaints };
}

/** start: makes the system; folder: for files. What was seen, all times as Date.now(). */
export async function measure({ start, scenario, seconds, folder, bitrate }) {
  const endings = [];
  mkdirSync(folder, { recursive: true });
  try {
    return await measured({ start, scenario, seconds, folder, bitrate }, (fn) => endings.unshift(fn));
  } finally {
    // All of them, whatever one says.
    for (const end of endings)
      await Promise.resolve()
        .then(end)
        .catch((error) => process.stderr.write(`${error.stack}\n`));
  }
}

/** later: what has to be ended afterwards, the last one first. */
async function measured({ start, scenario, seconds, folder, bitrate }, later) {
  const web = await serve();
  later(() => web.stop());
  const system = await start(folder);
  later(() => system.stop());
  const stats = path.join(folder, "network.jsonl");
  later(() => rmSync(stats, { force: true }));
  const impair = await Impair.start({ listen: `127.0.0.1:${system.outside}`, server: `${system.address}:${system.inside}`, ports: system.ports, stats });
  // What its check has found is in the run: the other runs go on.
  later(() => impair.stop().catch((error) => process.stderr.write(`${error.message}\n`)));
  const [sender, receiver] = await Promise.all([open(captureArguments(folder), web.url), open([], web.url)]);
  later(() => Promise.all([sender.browser.close(), receiver.browser.close()]));

  await system.publish(sender.page, bitrate);
  await eventually("the sender's pictures go out", () => sender.page.evaluate(async () => (await sample()).outbound.some((o) => o.framesSent > 0)), 60_000, 100);
  // A sender finds its rate within seconds; the receiver comes when it has.
  await sleep(Math.min(5000, seconds * 500));
  let port;
  const began = await system.receive(receiver.page, async (at) => impair.play((port = at), scenarioFile(scenario), seconds));
  const busy = new Busy();
  later(() => busy.stop());
  const cpu = cpuSeconds(system.pids());
  await Promise.all([sender, receiver].map(({ page }) => page.evaluate(() => startSampling(500))));
  await sleep(began + seconds * 1000 - Date.now());
  const load = busy.stop();
  const cpuUsed = cpuSeconds(system.pids()) - cpu;
  const [sent, received] = await Promise.all([sender, receiver].map(({ page }) => page.evaluate(() => collected())));
  const complaints = [...sender.complaints, ...receiver.complaints];
  if (complaints.length) throw new Error(`in the page: ${complaints[0]}`);
  return {
    system: system.name,
    version: await system.version(),
    browser: sender.browser.version(),
    scenario,
    seconds,
    began,
    checked: await impair.checked(),
    network: impair.lines().filter((l) => l.port === port && l.t_ms > began),
    sent,
    received,
    estimates: system.estimates,
    cpuSeconds: cpuUsed,
    busy: load,
  };
}
