// Uploading: by drop, paste, choice, keyboard, and without JavaScript.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { file, noise, small } from "../pictures.js";
import { World, assertQuiet, counts, dropFiles, pasteFiles } from "../world.js";

describe("upload", () => {
  let world;
  let page;
  before(async () => { world = await World.open(); });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  const rows = () => page.locator("#queue .item");
  const stored = () => page.locator('#queue .item[data-state="stored"]');

  it("stores an image that is dropped on the page, and shows where it is", async () => {
    page = await world.visitor({ permissions: ["clipboard-read", "clipboard-write"] });
    await page.goto("/");
    await dropFiles(page, "#drop", [file("dropped.png", small(1))]);
    await page.getByRole("button", { name: "Upload", exact: true }).click();
    await stored().first().waitFor();
    assert.match(await stored().first().innerText(), /Stored/);
    assert.deepEqual(await world.get("dropped.png"), small(1));

    await page.getByRole("button", { name: "Copy link to dropped.png" }).click();
    await page.getByText("Link copied").waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(link, `${world.url}/images/dropped.png`);
    assertQuiet(page);
  });

  it("takes the keys of several files from their names, lets them be edited, and shows progress", async () => {
    page = await world.visitor();
    await page.goto("/");
    const large = noise(7, 1200, 1100);
    await dropFiles(page, "#drop", [
      file("first.png", small(2)), file("second.png", small(3)), file("large.png", large),
    ]);
    await page.getByRole("textbox", { name: "Key", exact: true }).nth(1).fill("renamed/2 & <two>");
    // Slow enough for progress to be seen.
    const line = await page.context().newCDPSession(page);
    await line.send("Network.emulateNetworkConditions", {
      offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 6_000_000,
    });
    await page.evaluate(() => {
      globalThis.seen = new Set();
      new MutationObserver(() => {
        for (const bar of document.querySelectorAll("#queue progress:not([hidden])")) globalThis.seen.add(bar.value);
      }).observe(document.getElementById("queue"), { subtree: true, attributes: true, childList: true, characterData: true });
    });
    await page.getByRole("button", { name: "Upload 3 images" }).click();
    await stored().nth(2).waitFor();
    const seen = await page.evaluate(() => [...globalThis.seen].filter((value) => value > 0 && value < 1));
    assert.ok(seen.length > 0, "a bar was seen on its way");
    await page.locator("#upload-status", { hasText: "3 of 3 uploaded." }).waitFor({ state: "attached" });
    assert.deepEqual(await world.get("first.png"), small(2));
    assert.deepEqual(await world.get("renamed/2 & <two>"), small(3));
    assert.deepEqual(await world.get("large.png"), large);
    assertQuiet(page);
  });

  it("stores what is pasted", async () => {
    page = await world.visitor();
    await page.goto("/");
    await pasteFiles(page, [file("image.png", small(4))]);
    const key = await page.getByRole("textbox", { name: "Key", exact: true }).inputValue();
    assert.match(key, /^pasted-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.png$/);
    await page.getByRole("button", { name: "Upload", exact: true }).click();
    await stored().first().waitFor();
    assert.deepEqual(await world.get(key), small(4));
    assertQuiet(page);
  });

  it("says which version it replaced", async () => {
    await world.put("again", small(5));
    page = await world.visitor();
    await page.goto("/?key=again");
    await page.locator("#file").setInputFiles([file("other name.png", small(6))]);
    await page.getByRole("button", { name: "Upload", exact: true }).click();
    await page.getByText("Replaced version 1, is version 2 now").waitFor();
    assert.deepEqual(await world.get("again"), small(6));
    assertQuiet(page);
  });

  it("says why a file is refused, and stores it after a second try under another key", async () => {
    page = await world.visitor();
    await page.goto("/");
    await dropFiles(page, "#drop", [file("page.png", Buffer.from("<html>not an image</html>"))]);
    await page.getByRole("button", { name: "Upload", exact: true }).click();
    await page.locator('.item[data-state="failed"]').waitFor();
    assert.ok((await page.locator(".item .says").innerText()).length > 10);
    await page.getByRole("button", { name: "Remove page.png" }).click();
    await counts(rows(), 0);

    await dropFiles(page, "#drop", [file("fine.png", small(7))]);
    await page.getByRole("textbox", { name: "Key", exact: true }).fill("");
    await page.getByRole("button", { name: "Upload", exact: true }).click();
    await page.getByText("Give the image a key.").waitFor();
    await page.getByRole("textbox", { name: "Key", exact: true }).fill("fine");
    await page.getByRole("button", { name: "Upload", exact: true }).click();
    await stored().first().waitFor();
    assertQuiet(page, /415|422/);
  });

  it("tries again after the connection broke off", async () => {
    page = await world.visitor();
    await page.goto("/");
    await dropFiles(page, "#drop", [file("broken.png", small(8))]);
    await page.context().setOffline(true);
    await page.getByRole("button", { name: "Upload", exact: true }).click();
    await page.getByText("The connection broke off").waitFor();
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await stored().first().waitFor();
    assert.deepEqual(await world.get("broken.png"), small(8));
    assertQuiet(page, /ERR_INTERNET_DISCONNECTED/);
  });

  it("works with the keyboard alone", async () => {
    page = await world.visitor();
    // From the start: the browser is told to hand over its dialog some time
    // after this is asked for.
    const chooser = page.waitForEvent("filechooser");
    await page.goto("/");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "file");
    await page.keyboard.press("Space");
    await (await chooser).setFiles([file("keyboard.png", small(9))]);
    await page.keyboard.press("Tab");
    await page.keyboard.type("typed ");
    await page.keyboard.press("Enter");
    await stored().first().waitFor();
    assertQuiet(page);
  });

  describe("without JavaScript", () => {
    const plain = () => world.visitor({ javaScriptEnabled: false });

    it("stores an image under the typed key and says what it replaced", async () => {
      page = await plain();
      for (const [seed, says] of [[10, "Stored"], [11, "Replaced version 1"]]) {
        await page.goto("/");
        await page.getByLabel("Key", { exact: true }).fill("plain <key>");
        await page.getByLabel("Choose one or several images").setInputFiles([file("x.png", small(seed))]);
        await page.getByRole("button", { name: "Upload" }).click();
        await page.getByText(says, { exact: true }).last().waitFor();
        await page.getByRole("heading", { name: "plain <key>" }).waitFor();
        assert.deepEqual(await world.get("plain <key>"), small(seed));
      }
      assertQuiet(page);
    });

    it("takes the keys of several files from their names", async () => {
      page = await plain();
      await page.goto("/");
      const wrong = Buffer.from("not an image");
      await page.locator("#file").setInputFiles([
        file("one.png", small(12)), file("two.png", small(13)), file("wrong.png", wrong),
      ]);
      await page.getByRole("button", { name: "Upload" }).click();
      await page.getByRole("heading", { name: "wrong.png" }).waitFor();
      assert.deepEqual(await world.get("one.png"), small(12));
      assert.deepEqual(await world.get("two.png"), small(13));
    });

    it("shows what is wrong beside its field and keeps what was typed", async () => {
      page = await plain();
      await page.goto("/");
      await page.getByLabel("Key", { exact: true }).fill("kept");
      const [answer] = await Promise.all([
        page.waitForResponse("**/upload"), page.getByRole("button", { name: "Upload" }).click(),
      ]);
      assert.equal(answer.status(), 422);
      assert.equal(await page.locator("#file-problem").innerText(), "Choose an image file first.");
      assert.equal(await page.locator("#file").getAttribute("aria-invalid"), "true");
      assert.equal(await page.getByLabel("Key", { exact: true }).inputValue(), "kept");

      await page.getByLabel("Key", { exact: true }).fill("k".repeat(600));
      await page.locator("#file").setInputFiles([file("x.png", small(14))]);
      await page.getByRole("button", { name: "Upload" }).click();
      assert.match(await page.locator("#key-problem").innerText(), /600 bytes long/);
    });
  });
});
