// Searching a key: who answered, what is known, what can be done.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { noise, small } from "../pictures.js";
import { World, assertQuiet } from "../world.js";

describe("search", () => {
  let world;
  let page;
  before(async () => { world = await World.open(); });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  async function search(key) {
    await page.goto("/search");
    await page.getByLabel("Key", { exact: true }).fill(key);
    await page.getByRole("button", { name: "Find" }).click();
    await page.waitForURL(/key=/);
  }

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? "" : " without JavaScript";

    it(`shows an image with its facts, first from the store, then from memory${how}`, async () => {
      const key = `sea/${javaScriptEnabled} ünï 🦀`;
      await world.put(key, noise(3, 640, 400));
      page = await world.visitor({ javaScriptEnabled });
      await search(key);
      assert.match(await page.locator("#answered").innerText(), /^from the store in [\d.]+ (µs|ms)$/);
      const facts = await page.locator(".facts").innerText();
      for (const fact of [key, "Version 1", "PNG", "640 × 400", "KB"]) assert.ok(facts.includes(fact), fact);

      const box = await page.locator(".frame img").evaluate(async (image) => {
        await image.decode();
        return [image.naturalWidth, image.naturalHeight];
      });
      assert.ok(box[0] <= 300 && box[1] <= 300, `fitted into 300×300, not ${box}`);
      assert.equal(box[0], 300);

      await search(key);
      assert.match(await page.locator("#answered").innerText(), /^from memory in [\d.]+ (ns|µs|ms)$/);
      assertQuiet(page);
    });

    it(`says that a key is unknown, on the same page${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      const answer = await page.goto("/search?key=no+such+key");
      assert.equal(answer.status(), 404);
      await page.getByRole("heading", { name: "Unknown key" }).waitFor();
      assert.equal(await page.getByLabel("Key", { exact: true }).inputValue(), "no such key");
      assertQuiet(page, /404/);
    });
  }

  it("says beside the field what is wrong with a key", async () => {
    page = await world.visitor();
    const answer = await page.goto(`/search?key=${"x".repeat(513)}`);
    assert.equal(answer.status(), 422);
    assert.match(await page.locator("#key-problem").innerText(), /513 bytes long/);
    assert.equal(await page.getByLabel("Key", { exact: true }).getAttribute("aria-invalid"), "true");
    assertQuiet(page, /422/);
  });

  it("finds keys that look like paths and markup", async () => {
    page = await world.visitor();
    for (const [number, key] of ["..", "a/../b", "a/meta", "<b>\"'&", "100%", "a?b#c"].entries()) {
      const answer = await fetch(`${world.url}${key === ".." ? "/image?key=.." : `/images/${encodeURIComponent(key)}`}`, {
        method: "PUT", body: small(number + 20),
      });
      assert.equal(answer.status, 201, key);
      await search(key);
      assert.equal(await page.locator("#found-key").innerText(), key);
      await page.locator(".frame img").evaluate((image) => image.decode());
    }
    assertQuiet(page);
  });

  it("deletes what it shows after asking", async () => {
    await world.put("gone soon", small(30));
    page = await world.visitor();
    await search("gone soon");
    await page.getByRole("link", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("The image was deleted.").waitFor();
    const answer = await fetch(`${world.url}/images/gone%20soon`);
    assert.equal(answer.status, 404);
    assertQuiet(page);
  });
});
