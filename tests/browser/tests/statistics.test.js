// Statistics that move by themselves.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { small } from "../pictures.js";
import { World, assertQuiet, counts, until } from "../world.js";

describe("statistics", () => {
  let world;
  let page;
  before(async () => { world = await World.open(); });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  const tile = (name) => page.locator(`#tile-${name}`).innerText();

  it("moves without loading the page again", async () => {
    page = await world.visitor();
    await page.goto("/statistics");
    await page.locator("#live-text", { hasText: "Live" }).waitFor();
    await counts(page.locator(".chart canvas"), 4);
    const before = await tile("requests");
    await page.evaluate(() => { globalThis.isSamePage = true; });
    await world.put("watched", small(1));
    for (let read = 0; read < 20; read += 1) await world.get("watched");
    await until(async () => (await tile("requests")) === "20", `requests move from ${before} to 20`);
    assert.equal(await tile("hits"), "19");
    assert.equal(await tile("misses"), "1");
    assert.equal(await tile("hit_rate"), "95.0%");
    assert.equal(await tile("miss_rate"), "5.0%");
    assert.equal(await tile("items"), "1");
    assert.match(await tile("hit_ns_p99"), /^[\d.]+ (ns|µs|ms)$/);
    assert.match(await tile("miss_ns_mean"), /^[\d.]+ (µs|ms)$/);
    const words = page.locator("#words-rates");
    await until(async () => /Hit rate: now 95\.0%/.test(await words.textContent()), "the words tell the rate");
    assert.ok(await page.evaluate(() => globalThis.isSamePage));
    assertQuiet(page);
  });

  it("shows the other stretches of time, also without JavaScript", async () => {
    page = await world.visitor({ javaScriptEnabled: false });
    await page.goto("/statistics");
    for (const name of ["1 hour", "24 hours", "10 minutes"]) {
      await page.getByRole("link", { name }).click();
      await page.getByRole("link", { name }).and(page.locator("[aria-current=true]")).waitFor();
      await counts(page.locator("svg.still"), 4);
      await page.locator("svg.still polyline").first().waitFor({ state: "attached" });
    }
    assert.equal(await tile("requests"), "20");
    assertQuiet(page);
  });

  it("goes on after the server was away", async () => {
    page = await world.visitor();
    await page.goto("/statistics");
    await page.locator("#live-text", { hasText: "Live" }).waitFor();
    const port = new URL(world.url).port;
    assert.equal(await world.stop(), 0);
    await page.locator("#live-text", { hasText: "Connection lost" }).waitFor();
    await world.start("--listen", `127.0.0.1:${port}`);
    await page.locator("#live-text", { hasText: "Live" }).waitFor();
    assertQuiet(page, /ERR_|Failed to load/);
  });
});
