// What holds on every page: nothing refused by the policy, no errors, readable
// by everybody, in light and dark, on a phone. Takes a picture of each.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { LOOKS, assertFits } from "../looks.js";
import { landscape, small } from "../pictures.js";
import { World, assertQuiet, dropFiles } from "../world.js";

const LONG = `a/very/long/${"key-without-any-blank-".repeat(8)}end.jpg`;

const PAGES = [
  ["upload", "/"],
  ["queue", "/", async (page) => {
    await dropFiles(page, "#drop", [
      { name: "meadow.png", mimeType: "image/png", buffer: small(1) },
      { name: LONG.replaceAll("/", "-"), mimeType: "image/png", buffer: Buffer.from("no image") },
    ]);
    await page.getByRole("button", { name: "Upload 2 images" }).click();
    await page.locator('.item[data-state="stored"]').waitFor();
    await page.locator('.item[data-state="failed"]').waitFor();
  }, /415/],
  ["search", "/search"],
  ["found", "/search?key=hills%2Fdawn.jpg"],
  ["found-long", `/search?key=${encodeURIComponent(LONG)}`],
  ["unknown", "/search?key=nothing", null, /404/],
  ["keys", "/keys"],
  ["no-keys", "/keys?q=nothing"],
  ["delete", "/keys/delete?key=hills%2Fdawn.jpg"],
  ["delete-all", "/keys/delete-all"],
  ["cache", "/cache"],
  ["statistics", "/statistics", async (page) => {
    await page.locator("#live-text", { hasText: "Live" }).waitFor();
    await page.locator(".chart canvas").first().waitFor();
  }],
  ["cluster", "/cluster"],
  ["docs", "/docs"],
  ["error", "/nothing/here", null, /404/],
];

describe("every page", () => {
  let world;
  before(async () => {
    world = await World.open();
    const painter = await world.visitor();
    await painter.goto("about:blank");
    for (const [seed, key] of ["hills/dawn.jpg", "sea.webp", "forest 🌲", LONG, "<b>bold</b>", "night.png"].entries()) {
      const type = key.endsWith("webp") ? "image/webp" : key.endsWith("png") ? "image/png" : "image/jpeg";
      await world.put(key, await landscape(painter, { seed, width: 480, height: 320 + seed * 40, type }));
    }
    await painter.context().close();
    for (let read = 0; read < 30; read += 1) await world.get("hills/dawn.jpg");
  });
  after(() => world?.close());

  for (const look of LOOKS) {
    it(`is clean, readable and fits in ${look.name} (${look.viewport.width} px)`, async () => {
      // Animations off: a colour on its way is no finding.
      const page = await world.visitor({ ...look, reducedMotion: "reduce" });
      for (const [name, path, prepare, expected] of PAGES) {
        page.problems.length = 0;
        await page.goto(path, { waitUntil: "load" });
        await prepare?.(page);
        await assertFits(page, look, name);
        assertQuiet(page, expected);
      }
      await page.context().close();
    });
  }

  it("is reached by the keyboard through the navigation", async () => {
    const page = await world.visitor();
    await page.goto("/");
    for (const [name, path] of [["Search", "/search"], ["Keys", "/keys"], ["Cache", "/cache"], ["Statistics", "/statistics"], ["Cluster", "/cluster"], ["API", "/docs"], ["Upload", "/"]]) {
      await page.keyboard.press("Tab");
      const link = page.getByRole("navigation", { name: "Main" }).getByRole("link", { name });
      for (let tab = 0; tab < 20 && !(await link.evaluate((it) => it === document.activeElement)); tab += 1) {
        await page.keyboard.press("Tab");
      }
      await page.keyboard.press("Enter");
      await page.waitForURL(`${world.url}${path}`);
      assert.equal(await page.locator('.tabs [aria-current="page"]').innerText(), name);
    }
    assertQuiet(page);
    await page.context().close();
  });

  it("remembers the chosen colours and shows them at once", async () => {
    const page = await world.visitor({ colorScheme: "light" });
    await page.goto("/");
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.getByRole("button", { name: "Dark colours" }).click();
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.goto("/keys");
    assert.equal(await ground(), dark);
    assert.equal(await page.getByRole("button", { name: "Dark colours" }).getAttribute("aria-pressed"), "true");
    assertQuiet(page);
    await page.context().close();
  });

  it("shows an error in the same style with the id of the request", async () => {
    for (const javaScriptEnabled of [true, false]) {
      const page = await world.visitor({ javaScriptEnabled });
      const answer = await page.goto("/no/such/page");
      assert.equal(answer.status(), 404);
      const id = await page.locator("#request-id").innerText();
      assert.match(id, /^[0-9a-f]{16}$/);
      assert.equal(answer.headers()["x-request-id"], id);
      await page.getByRole("link", { name: "Go to the start" }).click();
      await page.getByRole("heading", { name: "Upload images" }).waitFor();
      assertQuiet(page, /404/);
      await page.context().close();
    }
  });

  it("refuses a form without its token", async () => {
    const answer = await fetch(`${world.url}/keys/delete-all`, {
      method: "POST", body: new URLSearchParams({ sure: "yes" }), redirect: "manual",
    });
    assert.equal(answer.status, 403);
    await world.get("hills/dawn.jpg");
  });
});
