// The bookstore's administrator: signing in, changing books and stock, what runs
// low, and orders as a file.

import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { TOKEN, add, ask, notice, stockOf, titles } from "../bookstore.js";
import { LOOKS, assertFits } from "../looks.js";
import { World, assertQuiet } from "../world.js";

const HOSTILE = {
  title: '=HYPERLINK("//evil","<img src=x onerror=alert(1)>")',
  author: "<script>alert(2)</script>",
  topic: 'oddities" <i>',
};

describe("bookstore's administrator", () => {
  const file = join(tmpdir(), `larder-browser-bazar-token-${process.pid}`);
  let world;
  let page;
  before(async () => {
    await writeFile(file, `${TOKEN}\n`, { mode: 0o600 });
    world = await World.shop("--admin-token-file", file);
  });
  after(async () => {
    await world?.close();
    await rm(file, { force: true });
  });
  afterEach(() => page?.context().close());

  /** Opens a page that needs the token, and signs in. */
  async function signIn(path) {
    await page.goto(path);
    await page.getByLabel("Token").fill(TOKEN);
    await page.getByRole("button", { name: "Sign in" }).click();
    await notice(page, "You are signed in.");
  }

  for (const javaScriptEnabled of [true, false]) {
    const how = `JavaScript ${javaScriptEnabled ? "on" : "off"}`;

    it(`signs in with the token, and comes back to where it was needed, ${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      for (const path of ["/admin/add", "/admin/books/1", "/admin/orders"]) {
        await page.goto(path);
        await page.waitForURL(/\/sign-in\?next=/);
      }
      await page.getByLabel("Token").fill("wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      assert.equal(await page.locator("#token-problem").innerText(), "This is not the token.");
      await page.getByLabel("Token").fill(TOKEN);
      await page.getByRole("button", { name: "Sign in" }).click();
      await notice(page, "You are signed in.");
      assert.match(page.url(), /\/admin\/orders/);
      await page.getByRole("button", { name: "Sign out" }).click();
      await notice(page, "You are signed out.");
      assert.equal((await page.goto("/admin/orders.csv")).status(), 401);
      await page.goto("/replicas");
      assert.equal(await page.getByRole("button", { name: /^(Stop|Start)/ }).count(), 0);
      await page.locator("main").getByRole("link", { name: "sign in" }).waitFor();
      const form = new URLSearchParams({ price: "1" });
      const refused = await fetch(`${world.url}/admin/books/1`, { method: "POST", body: form });
      assert.ok([401, 403].includes(refused.status), String(refused.status));
      assert.equal((await ask(world, "/info/1")).price, 2999);
      assertQuiet(page, /401|422/);
    });

    it(`adds a book, changes price and stock with a reason, retires it and brings it back, ${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      await signIn("/admin/add");
      const title = `A new one, ${how}`;
      for (const [label, text] of [["Title", title], ["Topic", "new"], ["ISBN", "123"], ["Price in dollars", "3"], ["Copies in stock", "4"]]) {
        await page.getByLabel(label, { exact: true }).fill(text);
      }
      await page.getByRole("button", { name: "Add the book" }).click();
      await page.locator("#isbn-problem").waitFor();
      assert.equal(await page.getByLabel("Title").inputValue(), title);
      await page.getByLabel("ISBN").fill("");
      await page.getByRole("button", { name: "Add the book" }).click();
      await notice(page, "The book is in the shop.");
      const id = Number(/\/admin\/books\/(\d+)/.exec(page.url())?.[1]);
      const badges = page.locator(".edit-head .badges");
      assert.match(await badges.innerText(), /^\$3\.00\s*Only 4 left$/);

      const change = async (by, reason) => {
        await page.getByLabel("Copies to add").fill(by);
        await page.getByLabel(reason).check();
        await page.getByRole("button", { name: "Change the stock" }).click();
      };
      await change("6", "Restock");
      await notice(page, "The change is in force");
      assert.equal(await stockOf(world, id), 10);
      await change("-3", "Restock");
      await page.locator("#stock-problem", { hasText: /restock/i }).waitFor();
      assert.equal(await page.getByLabel("Copies to add").inputValue(), "-3");
      await change("-30", "Correction");
      await page.locator("#stock-problem", { hasText: "10" }).waitFor();
      assert.ok(await page.getByLabel("Correction").isChecked());
      await change("-3", "Correction");
      await notice(page, "The change is in force");
      assert.equal(await stockOf(world, id), 7);

      for (const [typed, outcome] of [["12,5", page.locator("#price-problem")], ["12.5", page.locator("#notice")]]) {
        await page.getByLabel("Dollars").fill(typed);
        await page.getByRole("button", { name: "Change the price" }).click();
        await outcome.waitFor();
      }
      assert.equal((await ask(world, `/info/${id}`)).price, 1250);

      await page.getByRole("button", { name: "Sell it no more" }).click();
      await notice(page, "The book is sold no more.");
      assert.equal((await fetch(`${world.url}/info/${id}`)).status, 404);
      await page.goto(`/admin?query=${encodeURIComponent(title)}`);
      assert.equal(await page.locator("tbody .badge.small").innerText(), "retired");
      await page.getByRole("link", { name: `Edit ${title}` }).click();
      await page.getByRole("button", { name: "Sell it again" }).click();
      await notice(page, "The book is sold again.");
      await page.goto("/?topic=new");
      assert.ok((await titles(page)).includes(title));
      assertQuiet(page, /422/);
    });
  }

  for (const look of LOOKS) {
    it(`has a sign-in that is clean, readable and fits in ${look.name} (${look.viewport.width} px)`, async () => {
      page = await world.visitor({ ...look, reducedMotion: "reduce" });
      await page.goto("/admin");
      await page.getByLabel("Token").fill("wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.locator("#token-problem").waitFor();
      await assertFits(page, look, "bazar-sign-in");
      await page.goto("/replicas");
      await page.locator("#state", { hasText: "live" }).waitFor();
      await assertFits(page, look, "bazar-replicas-signed-out");
      assertQuiet(page, /422/);
    });
  }

  it("lists what runs low, the lowest first, and nothing else", async () => {
    await add(world, "Few of it", 10);
    await add(world, "Enough of it", 11);
    await add(world, "Fewer of it", 2);
    page = await world.visitor({ javaScriptEnabled: false });
    await signIn("/admin");
    const low = await page.getByRole("region", { name: "Low stock" }).getByRole("listitem").allInnerTexts();
    const place = (text) => low.findIndex((item) => item.replaceAll("\n", " ").startsWith(text));
    assert.equal(place("Why theory classes are so hard"), 0);
    assert.ok(place("Fewer of it") > 0 && place("Few of it") > place("Fewer of it"), low.join("; "));
    assert.equal(place("Enough of it"), -1);
    assert.match(low[place("Fewer of it")], /Only 2 left$/);
    assertQuiet(page);
  });

  it("shows and exports titles with HTML and formulas harmlessly", async () => {
    const id = await add(world, HOSTILE.title, 50, HOSTILE);
    const order = await ask(world, `/purchase/${id}?quantity=2`, "POST");
    page = await world.visitor();
    let ran = null;
    page.on("dialog", (dialog) => { ran = dialog.message(); return dialog.dismiss(); });
    await signIn("/admin");
    const topic = `/?topic=${encodeURIComponent(HOSTILE.topic)}`;
    for (const path of [topic, `/book/${id}`, `/buy/${id}`, `/order/${order.number}`, "/admin", `/admin/books/${id}`, "/admin/orders"]) {
      await page.goto(path);
      assert.ok((await page.locator("main").innerText()).includes(HOSTILE.title), path);
      assert.equal(await page.locator('img[src="x"], main script').count(), 0, path);
    }
    await page.goto(topic);
    assert.equal(await page.locator(".book .author").innerText(), HOSTILE.author);
    await page.goto("/admin/orders");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Export as CSV" }).click()]);
    assert.equal(download.suggestedFilename(), "orders.csv");
    const lines = (await readFile(await download.path(), "utf8")).split("\r\n");
    assert.equal(lines[0], "number,book,title,quantity,price,total,time");
    const quoted = `"'${HOSTILE.title.replaceAll('"', '""')}"`;
    const line = lines.find((line) => line.startsWith(`${order.number},`));
    const at = `${new Date(order.at * 1000).toISOString().slice(0, 19)}Z`;
    assert.equal(line, `${order.number},${id},${quoted},2,12.34,24.68,${at}`);
    assert.equal(ran, null);
    assertQuiet(page);
  });
});
