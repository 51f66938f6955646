// How pages are looked at: in light and dark, on a wide screen and on a phone;
// and what must hold then for each of them.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const { source: axe } = createRequire(import.meta.url)("axe-core");
const shots = join(dirname(fileURLToPath(import.meta.url)), "screenshots");

export const LOOKS = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 860 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 860 } },
  { name: "phone", colorScheme: "light", viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  { name: "phone-dark", colorScheme: "dark", viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true },
];

/** What axe finds serious; colours and names are the same on a phone. */
async function findings(page) {
  // Not as a script element: the page's policy would refuse it.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("; ")}`);
}

/** The page is no wider than the screen and readable by everybody; takes its picture. */
export async function assertFits(page, look, name) {
  await mkdir(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}-${look.name}.png`), fullPage: name !== "docs" });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= look.viewport.width, `${name} is ${width} px wide`);
  if (!look.isMobile) assert.deepEqual(await findings(page), [], `${name} in ${look.name}`);
}
