// The cluster's page of a node that is alone: what it says, and what it refuses
// without losing what was typed. Real clusters are in bin/larder/tests.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { small } from "../pictures.js";
import { World, assertQuiet, counts, until } from "../world.js";

describe("cluster", () => {
  let world;
  let page;
  before(async () => { world = await World.open(); });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  it("says that the node is alone, and how to be several", async () => {
    page = await world.visitor();
    await page.goto("/cluster");
    await page.getByText("This is a single node").waitFor();
    await counts(page.locator(".chart"), 6);
    // Its own figures: nobody else reports for it.
    await page.locator(".tile", { hasText: "Capacity" }).getByText("256 MB").waitFor();
    await page.getByRole("button", { name: "Grow by one" }).click();
    await page.getByText("Nothing was changed.").waitFor();
    assertQuiet(page, /422/);
  });

  it("shows new numbers without loading the page again", async () => {
    page = await world.visitor();
    await page.goto("/cluster");
    await page.evaluate(() => { globalThis.isSamePage = true; });
    await world.put("watched", small(1));
    for (let read = 0; read < 4; read += 1) await world.get("watched");
    const rate = page.locator(".tile", { hasText: "Hit rate" }).locator("dd");
    await until(async () => (await rate.innerText()) === "75.0%", "the hit rate moves");
    assert.ok(await page.evaluate(() => globalThis.isSamePage));
    assertQuiet(page);
  });

  for (const javaScriptEnabled of [true, false]) {
    it(`refuses settings that make no sense and keeps them, JavaScript ${javaScriptEnabled ? "on" : "off"}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/cluster");
      await page.getByLabel("Shrink by", { exact: true }).fill("1.5");
      await page.getByLabel("Most nodes").fill("6");
      await page.getByRole("button", { name: "Apply" }).click();
      await page.getByText("The shrink ratio must be more than 0 and less than 1.").waitFor();
      assert.equal(await page.getByLabel("Shrink by", { exact: true }).inputValue(), "1.5");
      assert.equal(await page.getByLabel("Most nodes").inputValue(), "6");
      await page.getByLabel("Shrink by", { exact: true }).fill("0.25");
      await page.getByRole("button", { name: "Apply" }).click();
      await page.getByText("The settings are in force").waitFor();
      assert.equal(await page.getByLabel("Shrink by", { exact: true }).inputValue(), "0.25");
      assertQuiet(page, /422/);
    });
  }
});
