// Takes the README's pictures: a store filled with landscapes, read for some
// minutes by visitors who like some of them more than others.
//
//     LARDER_BIN=… [MINUTES=10] npm run screenshots [NAME…]

import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { landscape, randomness } from "./pictures.js";
import { World, dropFiles } from "./world.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../docs/screenshots");
const minutes = Number(process.env.MINUTES ?? 10);
const only = process.argv.slice(2);
const random = randomness(2026);

const PLACES = ["harbour", "ridge", "lake", "valley", "dunes", "fjord", "glade", "moor", "cove", "summit"];
const TIMES = ["dawn", "noon", "dusk", "night", "storm", "mist"];
const KINDS = [["image/jpeg", "jpg"], ["image/jpeg", "jpg"], ["image/webp", "webp"], ["image/jpeg", "jpg"], ["image/png", "png"]];
const SIZES = [[1600, 1067], [1200, 1200], [1080, 1350], [800, 533], [640, 360]];

async function fill(world) {
  const page = await world.visitor();
  await page.goto("about:blank");
  const keys = [];
  for (const [at, place] of PLACES.entries()) {
    for (const [number, time] of TIMES.entries()) {
      const seed = at * TIMES.length + number;
      const [type, end] = KINDS[(seed * 7) % KINDS.length];
      const [width, height] = end === "png" ? [480, 320] : SIZES[(seed * 3) % SIZES.length];
      const key = `${place}/${time}.${end}`;
      await world.put(key, await landscape(page, { seed, width, height, type }));
      keys.push(key);
    }
  }
  await page.context().close();
  return keys;
}

/** Reads with a taste that drifts, in waves, until `end`. */
async function read(world, keys, end) {
  const start = Date.now();
  while (Date.now() < end) {
    const elapsed = (Date.now() - start) / 1000;
    const wave = 1 + 0.6 * Math.sin(elapsed / 42) + 0.35 * Math.sin(elapsed / 11);
    const rank = Math.floor(keys.length * random() ** 3.2);
    const key = keys[(rank + Math.floor(elapsed / 150) * 9) % keys.length];
    await world.get(key, random() < 0.12 ? "?w=480" : "");
    // The pace of visitors, not a wait for something.
    await new Promise((done) => setTimeout(done, (26 + random() * 30) / Math.max(0.2, wave)));
  }
}

async function shoot(world, name, path, prepare, height = 800) {
  if (only.length > 0 && !only.includes(name)) return;
  for (const colorScheme of ["light", "dark"]) {
    const page = await world.visitor({
      colorScheme, reducedMotion: "reduce", viewport: { width: 1200, height },
    });
    await page.goto(path, { waitUntil: "load" });
    await prepare?.(page);
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    await page.context().close();
  }
}

const world = await World.open("--capacity", "6MB", "--policy", "s3-fifo");
try {
  await mkdir(folder, { recursive: true });
  const keys = await fill(world);
  await read(world, keys, Date.now() + minutes * 60_000);
  await shoot(world, "statistics", "/statistics", async (page) => {
    await page.locator("#live-text", { hasText: "Live" }).waitFor();
  }, 1060);
  await shoot(world, "keys", "/keys?sort=date&dir=desc", async (page) => {
    await page.locator("td img").first().evaluate((image) => image.decode());
  });
  const files = [];
  for (const key of keys.filter((key) => key.endsWith(".jpg")).slice(4, 6)) {
    files.push({ name: key.replace("/", "-"), mimeType: "image/jpeg", buffer: await world.get(key) });
  }
  await shoot(world, "upload", "/", async (page) => {
    await dropFiles(page, "#drop", files);
    await page.getByRole("button", { name: /^Upload/ }).click();
    await page.locator('.item[data-state="stored"]').nth(files.length - 1).waitFor();
  });
} finally {
  await world.close();
}
