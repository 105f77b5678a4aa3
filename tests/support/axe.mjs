// What axe finds on a page, by WCAG 2.2 A and AA and its best practice.
import { readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./server.mjs";

const axe = readFileSync(path.join(ROOT, "tests/node_modules/axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** A line for each rule that is broken; [] when all is well. page: Playwright's. */
export async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate((runOnly) => window.axe.run(document, { runOnly }), TAGS);
  return found.violations.map((v) => `${v.id}: ${v.nodes.length}, as ${v.nodes[0].html.slice(0, 200)}`);
}
