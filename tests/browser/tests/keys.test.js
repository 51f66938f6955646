// The list of keys: search as you type, sort, page, delete.

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, before, describe, it } from "node:test";
import { noise, small } from "../pictures.js";
import { World, assertQuiet, counts, until } from "../world.js";

describe("keys", () => {
  let world;
  let page;
  before(async () => { world = await World.open(); });
  after(() => world?.close());
  beforeEach(() => world.empty());
  afterEach(() => page?.context().close());

  const keys = async () => page.locator("td.col-key .key").allInnerTexts();
  const reads = (expected) => until(
    async () => JSON.stringify(await keys()) === JSON.stringify(expected), `keys are ${expected}`,
  );

  it("lists images with their facts and whether they are in memory", async () => {
    await world.put("cold", small(1));
    await world.put("warm", noise(2, 100, 100));
    await world.get("warm");
    page = await world.visitor();
    await page.goto("/keys");
    const cold = page.getByRole("row").filter({ hasText: "cold" });
    const warm = page.getByRole("row").filter({ hasText: "warm" });
    assert.equal(await cold.getByText("in memory").count(), 0);
    await counts(warm.getByText("in memory"), 1);
    assert.match(await warm.innerText(), /PNG 100 × 100/);
    assert.match(await page.locator("#count").innerText(), /^2 images in all/);
    await warm.locator("img").evaluate((image) => image.decode());
    assertQuiet(page);
  });

  it("searches as one types and keeps the search in the address", async () => {
    for (const [number, key] of ["apple", "apricot", "banana"].entries()) await world.put(key, small(number));
    page = await world.visitor();
    await page.goto("/keys");
    await page.getByLabel("Keys that contain").pressSequentially("AP");
    await reads(["apple", "apricot"]);
    assert.match(await page.locator("#count").innerText(), /^2 images found/);
    await until(async () => page.url().includes("q=AP"), "the address has the search");
    await page.reload();
    await reads(["apple", "apricot"]);
    await page.getByLabel("Keys that contain").fill("zebra");
    await page.getByRole("heading", { name: "No such keys" }).waitFor();
    assertQuiet(page);
  });

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? "" : " without JavaScript";

    it(`sorts by each column, both ways${how}`, async () => {
      await world.put("b", noise(1, 60, 60));
      await world.put("a", noise(1, 20, 20));
      await world.put("c", noise(1, 40, 40));
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/keys");
      await reads(["a", "b", "c"]);
      const head = (name) => page.getByRole("columnheader").getByRole("link", { name });
      await head("Key").click();
      await reads(["c", "b", "a"]);
      await head("Size").click();
      await reads(["b", "c", "a"]);
      assert.equal(await page.locator("th", { hasText: "Size" }).getAttribute("aria-sort"), "descending");
      await head("Size").click();
      await reads(["a", "c", "b"]);
      await head("Date").click();
      await reads(["c", "a", "b"]);
      await page.goBack();
      await reads(["a", "c", "b"]);
      assertQuiet(page);
    });

    it(`pages through many${how}`, async () => {
      const all = Array.from({ length: 60 }, (_, number) => `page & ${String(number).padStart(3, "0")}`);
      for (const [number, key] of all.entries()) await world.put(key, small(number % 5));
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/keys");
      await reads(all.slice(0, 25));
      await page.getByRole("link", { name: "Next page" }).click();
      await reads(all.slice(25, 50));
      await page.getByRole("link", { name: "Next page" }).click();
      await reads(all.slice(50));
      assert.equal(await page.getByRole("link", { name: "Next page" }).count(), 0);
      await page.getByRole("link", { name: "First page" }).click();
      await reads(all.slice(0, 25));
      assertQuiet(page);
    });

    it(`deletes one and all after asking${how}`, async () => {
      for (const key of ["a", "b <b>", "c"]) await world.put(key, small(1));
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/keys?sort=key&dir=desc");
      await page.getByRole("link", { name: "Delete b <b>" }).click();
      const asked = javaScriptEnabled ? page.getByRole("dialog") : page.getByRole("main");
      await asked.getByText("b <b>").first().waitFor();
      await asked.getByRole("button", { name: "Delete" }).click();
      await page.getByText("The image was deleted.").waitFor();
      await reads(javaScriptEnabled ? ["c", "a"] : ["a", "c"]);

      await page.getByRole("link", { name: "Delete all…" }).click();
      await page.getByText("2 images").waitFor();
      await page.getByLabel("Yes, delete all of them").check();
      await page.getByRole("button", { name: "Delete all" }).click();
      await page.getByText("All images were deleted.").waitFor();
      await page.getByRole("heading", { name: "The larder is empty" }).waitFor();
      assertQuiet(page);
    });
  }

  it("shows markup in a key as text, wherever the key appears", async () => {
    const key = "<img src=x onerror=\"globalThis.ran=1\"><script>globalThis.ran=1</script>";
    await world.put(key, small(1));
    page = await world.visitor();
    for (const path of ["/keys", `/search?key=${encodeURIComponent(key)}`, `/keys/delete?key=${encodeURIComponent(key)}`, `/keys?q=${encodeURIComponent(key.slice(0, 9))}`]) {
      await page.goto(path);
      await page.getByText(key).first().waitFor();
      assert.equal(await page.evaluate(() => globalThis.ran), undefined);
    }
    await page.goto("/keys");
    await page.getByRole("link", { name: /^Delete <img/ }).click();
    await page.getByRole("dialog").getByText(key).waitFor();
    assert.equal(await page.locator('img[src="x"]').count(), 0);
    assertQuiet(page);
  });
});
