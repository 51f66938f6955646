// A server with an administrator's token: look freely, sign in to change.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { after, afterEach, before, describe, it } from "node:test";
import { file, small } from "../pictures.js";
import { World, assertQuiet } from "../world.js";

describe("access by token", () => {
  const token = join(tmpdir(), `larder-browser-token-${process.pid}`);
  let world;
  let page;
  before(async () => {
    await writeFile(token, "correct horse battery staple\n", { mode: 0o600 });
    world = await World.open("--admin-token-file", token);
  });
  after(async () => {
    await world?.close();
    await rm(token, { force: true });
  });
  afterEach(() => page?.context().close());

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? "" : " without JavaScript";

    it(`leads to the sign-in and back, and lets the visitor change things then${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/cache");
      await page.getByRole("link", { name: "Sign in" }).click();
      await page.getByLabel("Token").fill("wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      assert.equal(await page.locator("#token-problem").innerText(), "This is not the token.");
      await page.getByLabel("Token").fill("correct horse battery staple");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("You are signed in.").waitFor();
      assert.match(page.url(), /\/cache/);
      await page.getByRole("button", { name: "Clear" }).click();
      await page.getByText("The cache is empty now.").waitFor();

      await page.goto("/");
      await page.locator("#file").setInputFiles([file(`in${how}.png`, small(1))]);
      await page.getByRole("button", { name: "Upload" }).click();
      await page.getByText("Stored").first().waitFor();

      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByText("You are signed out.").waitFor();
      assertQuiet(page, /422/);
    });
  }

  it("shows a page with a link to sign in to who changes things without", async () => {
    page = await world.visitor();
    await page.goto("/cache");
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByRole("heading", { name: "Unauthorized" }).waitFor();
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByLabel("Token").waitFor();
    assertQuiet(page, /401/);
  });
});
