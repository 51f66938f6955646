// The settings of the cache: valid, invalid, kept, cleared, back to defaults.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { small } from "../pictures.js";
import { World, assertQuiet } from "../world.js";

describe("cache settings", () => {
  let world;
  let page;
  before(async () => { world = await World.open("--capacity", "64MB"); });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  const capacity = () => page.getByLabel("Capacity in MB");
  const autopilot = () => page.getByRole("checkbox", { name: /^Let the autopilot choose/ });
  const apply = () => page.getByRole("button", { name: "Apply", exact: true }).click();

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? "" : " without JavaScript";

    it(`applies what is chosen, and keeps it over a reload${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/cache");
      await capacity().fill("12.5");
      await page.getByRole("radio", { name: /^Random/ }).check();
      await page.getByRole("radio", { name: /^Byte hits/ }).check();
      await autopilot().check();
      await apply();
      await page.getByText("The settings are in force").waitFor();
      await page.goto("/cache");
      assert.equal(await capacity().inputValue(), "12.5");
      assert.ok(await page.getByRole("radio", { name: /^Random/ }).isChecked());
      assert.ok(await page.getByRole("radio", { name: /^Byte hits/ }).isChecked());
      assert.ok(await autopilot().isChecked());
      assert.match(await page.locator(".use-head").innerText(), /12\.5 MB.*Random/s);

      await page.getByRole("button", { name: "Back to defaults" }).click();
      await page.getByText("The cache is back to its defaults.").waitFor();
      assert.equal(await capacity().inputValue(), "64");
      assert.ok(!(await autopilot().isChecked()));
      assertQuiet(page);
    });

    it(`refuses a capacity that makes no sense beside its field, and changes nothing${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      for (const wrong of ["x", "", "0", "-3", "1e12"]) {
        await page.goto("/cache");
        await capacity().fill(wrong);
        await page.getByRole("radio", { name: /^FIFO/ }).check();
        await apply();
        await page.locator("#capacity-problem").waitFor();
        assert.equal(await capacity().inputValue(), wrong);
        assert.equal(await capacity().getAttribute("aria-invalid"), "true");
        assert.ok((await capacity().getAttribute("aria-describedby")).includes("capacity-problem"));
        assert.ok(await page.getByRole("radio", { name: /^FIFO/ }).isChecked());
        await page.goto("/cache");
        assert.equal(await capacity().inputValue(), "64");
        assert.ok(!(await page.getByRole("radio", { name: /^FIFO/ }).isChecked()));
      }
      assertQuiet(page, /422/);
    });
  }

  it("is emptied by Clear, and keeps its images in the store", async () => {
    await world.put("kept", small(1));
    await world.get("kept");
    page = await world.visitor();
    await page.goto("/cache");
    assert.match(await page.locator(".use-head").innerText(), /1 entry/);
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByText("The cache is empty now.").waitFor();
    assert.match(await page.locator(".use-head").innerText(), /0 entries/);
    await world.get("kept");
    assertQuiet(page);
  });

  it("keeps its settings over a restart", async () => {
    page = await world.visitor();
    await page.goto("/cache");
    await capacity().fill("32");
    await page.getByRole("radio", { name: /^SIEVE/ }).check();
    await apply();
    await page.getByText("The settings are in force").waitFor();
    assert.equal(await world.stop(), 0);
    await world.start("--capacity", "64MB");
    await page.goto(`${world.url}/cache`);
    assert.equal(await capacity().inputValue(), "32");
    assert.ok(await page.getByRole("radio", { name: /^SIEVE/ }).isChecked());
    assertQuiet(page);
  });
});
