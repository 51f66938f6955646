// The bookstore: looking for books, buying them once, the stock as it changes,
// replicas that come and go, and what holds on each of its pages.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { add, ask, follow, isSame, notice, number, ordersOf, stockOf, titles } from "../bookstore.js";
import { LOOKS, assertFits } from "../looks.js";
import { World, assertQuiet, counts, until } from "../world.js";

describe("bookstore", () => {
  let world;
  let page;
  before(async () => {
    world = await World.shop();
    for (let volume = 1; volume <= 30; volume += 1) {
      const title = `Volume ${String(volume).padStart(2, "0")}`;
      await add(world, title, 100, { topic: "reference", author: volume === 7 ? "Ada Löve" : "", price_cents: 5000 - volume });
    }
  });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  for (const javaScriptEnabled of [true, false]) {
    const how = `JavaScript ${javaScriptEnabled ? "on" : "off"}`;

    it(`shows topics with their counts, filters by topic and words, sorts and pages, ${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/");
      const topics = page.getByRole("navigation", { name: "Topics" });
      const counts = await topics.locator(".facet-count").allInnerTexts();
      const [all, ...each] = counts.map((text) => Number.parseInt(text, 10));
      assert.equal(all, each.reduce((sum, books) => sum + books));
      await topics.getByRole("link", { name: "spring 3 books" }).click();
      await page.locator("#count", { hasText: /^3 books in spring$/ }).waitFor();
      const spring = ["How to finish Project 3 on time", "Spring in the Pioneer Valley", "Why theory classes are so hard"];
      assert.deepEqual(await titles(page), spring);

      const sorts = page.getByRole("navigation", { name: "Sort by" });
      await sorts.getByRole("link", { name: "Price" }).click();
      await page.waitForURL(/sort=price/);
      assert.deepEqual(await page.locator(".book .price").allInnerTexts(), ["$22.75", "$24.90", "$34.20"]);
      await sorts.getByRole("link", { name: "Newest" }).click();
      await page.waitForURL(/sort=newest/);
      assert.deepEqual(await titles(page), [spring[1], spring[2], spring[0]]);

      await topics.getByRole("link", { name: "reference 30 books" }).click();
      await page.waitForURL(/topic=reference/);
      await sorts.getByRole("link", { name: "Title" }).click();
      await page.waitForURL((url) => !url.searchParams.has("sort"));
      const pages = page.getByRole("navigation", { name: "Pages" });
      await pages.getByText("Page 1 of 2").waitFor();
      assert.equal((await titles(page)).length, 24);
      await pages.getByRole("link", { name: "Next" }).click();
      await pages.getByText("Page 2 of 2").waitFor();
      assert.deepEqual(await titles(page), ["25", "26", "27", "28", "29", "30"].map((volume) => `Volume ${volume}`));
      await pages.getByRole("link", { name: "Previous" }).click();
      await pages.getByText("Page 1 of 2").waitFor();

      // The list follows what is typed once the page's script runs.
      await page.waitForLoadState();
      await page.getByLabel("Title or author").fill("löve");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Search" }).click();
      await page.locator("#count", { hasText: /^1 book found in reference$/ }).waitFor();
      assert.deepEqual(await titles(page), ["Volume 07"]);
      await page.getByLabel("Title or author").fill("no such words");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Search" }).click();
      await page.getByRole("heading", { name: "No such books" }).waitFor();
      await page.getByRole("link", { name: "Show all books" }).click();
      await page.waitForURL(`${world.url}/`);
      assert.equal((await titles(page)).length, 24);
      assertQuiet(page);
    });

    it(`sells a book and finds its order again by the number, ${how}`, async () => {
      const title = `Bought, ${how}`;
      const id = await add(world, title, 50);
      page = await world.visitor({ javaScriptEnabled });
      if (javaScriptEnabled) await follow(page, "/?topic=tests");
      else await page.goto("/?topic=tests");
      await page.getByRole("link", { name: `Buy ${title}`, exact: true }).click();
      const panel = page.locator(javaScriptEnabled ? "dialog[open] #panel" : "main #panel");
      await panel.getByRole("heading", { name: "Buy this book?" }).waitFor();
      await panel.getByLabel("Copies").fill("51");
      if (javaScriptEnabled) assert.equal(await panel.locator("[data-total]").innerText(), "$629.34");
      await panel.getByRole("button", { name: "Buy now" }).click();
      await panel.getByText("Only 50 copies are left. Nothing was bought.").waitFor();
      await panel.getByLabel("Copies").fill("3");
      await panel.getByRole("button", { name: "Buy now" }).click();
      await page.getByText("Thank you! Your purchase is made.").waitFor();
      const order = await number(panel.getByRole("heading", { level: 1 }));
      assert.ok(order);
      assert.equal(await stockOf(world, id), 47);
      if (javaScriptEnabled) {
        assert.match(page.url(), /topic=tests/);
        await panel.getByRole("link", { name: "Go on shopping" }).click();
        await counts(page.locator("dialog[open]"), 0);
        await page.locator(`[data-stock="${id}"]`, { hasText: "47 in stock" }).waitFor();
      }

      await page.getByRole("link", { name: "Your order" }).click();
      await page.getByLabel("Its number").fill(order);
      await page.getByRole("button", { name: "Find" }).click();
      await page.getByRole("heading", { name: `Order ${order}`, exact: true }).waitFor();
      const said = await page.locator("#panel dd").allInnerTexts();
      assert.deepEqual(said.slice(0, 4), [title, "3", "$12.34", "$37.02"]);
      for (const [typed, problem] of [["many", /of digits only/], ["999999", /order/]]) {
        await page.getByLabel(/number$/).fill(typed);
        await page.getByRole("button", { name: "Find" }).click();
        await page.locator("#number-problem", { hasText: problem }).waitFor();
        assert.equal(await page.getByLabel("Its number").inputValue(), typed);
      }
      assertQuiet(page, /409|422|404/);
    });

    it(`buys once by a double click and by a form that is sent again, ${how}`, async () => {
      const id = await add(world, `Once, ${how}`, 50);
      page = await world.visitor({ javaScriptEnabled });
      await page.goto(`/buy/${id}`);
      const form = await page.locator("form[data-buying]").evaluate((form) => [...new FormData(form)]);
      await page.getByRole("button", { name: "Buy now" }).dblclick();
      await notice(page, "Thank you!");
      const order = await number(page.locator("#panel-title"));
      await page.reload();
      const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
      const send = (fields) => fetch(`${world.url}/buy/${id}`, {
        method: "POST", headers: { cookie, accept: "text/html" }, body: new URLSearchParams(fields), redirect: "manual",
      });
      for (const answer of await Promise.all([send(form), send(form), send(form)])) {
        assert.equal(answer.status, 303);
        assert.match(answer.headers.get("location"), new RegExp(`^/order/${order}\\?`));
      }
      const other = await send([...form.filter(([name]) => name !== "quantity"), ["quantity", "2"]]);
      assert.equal(other.status, 422);
      assert.match(await other.text(), /nothing more was bought now/);
      assert.equal((await send(form.filter(([name]) => name !== "form_token"))).status, 403);
      assert.equal(await stockOf(world, id), 49);
      assert.equal((await ordersOf(world, id)).length, 1);
      assertQuiet(page);
    });

    it(`doesn't sell what is sold out and says so, ${how}`, async () => {
      const title = `Last copy, ${how}`;
      const id = await add(world, title, 1);
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/?topic=spring");
      const out = page.locator(".book", { hasText: "Why theory classes are so hard" });
      assert.equal(await out.locator(".stock").innerText(), "Sold out");
      const buy = out.getByRole("link", { name: "Buy Why theory" });
      assert.equal(await buy.getAttribute("aria-disabled"), "true");
      assert.equal(await buy.getAttribute("href"), null);
      await page.goto("/buy/6");
      assert.ok(await page.getByRole("button", { name: "Buy now" }).isDisabled());

      if (javaScriptEnabled) await follow(page, `/buy/${id}`);
      else await page.goto(`/buy/${id}`);
      assert.ok(await page.getByRole("button", { name: "Buy now" }).isEnabled());
      await ask(world, `/purchase/${id}`, "POST");
      if (javaScriptEnabled) {
        await page.locator('.stock[data-state="out"]').waitFor();
      } else {
        await page.getByRole("button", { name: "Buy now" }).click();
        await page.getByText("This book is sold out. Nothing was bought.").waitFor();
      }
      assert.ok(await page.getByRole("button", { name: "Buy now" }).isDisabled());
      assert.equal((await ordersOf(world, id)).length, 1);
      assertQuiet(page, /409/);
    });
  }

  it("buys once by a double click in the dialog", async () => {
    const id = await add(world, "Once in the dialog", 50);
    page = await world.visitor();
    await page.goto(`/book/${id}`);
    const buy = page.getByRole("link", { name: "Buy Once" });
    const dialog = page.getByRole("dialog", { name: "Buy this book?" });
    await buy.click();
    await until(() => dialog.getByLabel("Copies").evaluate((it) => it === document.activeElement), "the copies can be typed");
    await page.keyboard.press("Escape");
    await until(() => buy.evaluate((it) => it === document.activeElement), "the focus is back");
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Buy now" }).dblclick();
    await page.getByRole("dialog", { name: /^Order \d+$/ }).waitFor();
    assert.equal(await stockOf(world, id), 49);
    assert.equal((await ordersOf(world, id)).length, 1);
    assertQuiet(page);
  });

  it("buys once when the answer is lost and the buyer tries again", async () => {
    const id = await add(world, "Answer lost", 50);
    page = await world.visitor();
    await page.route(`**/buy/${id}`, async (route) => {
      if (route.request().method() !== "POST") return route.continue();
      await route.fetch({ maxRedirects: 0 });
      return route.abort();
    });
    await page.goto(`/book/${id}`);
    await page.getByRole("link", { name: "Buy Answer" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Buy now" }).click();
    await dialog.getByText("The shop didn’t answer. Try again: it is bought once at most.").waitFor();
    assert.equal(await stockOf(world, id), 49);
    await page.unroute(`**/buy/${id}`);
    await dialog.getByRole("button", { name: "Try again" }).click();
    await dialog.getByRole("heading", { name: /^Order \d+$/ }).waitFor();
    assert.equal(await stockOf(world, id), 49);
    assert.equal((await ordersOf(world, id)).length, 1);
    assertQuiet(page, /ERR_FAILED/);
  });

  it("follows the stock in a second page while somebody buys in the first, until it is sold out", async () => {
    const id = await add(world, "Followed", 13);
    page = await world.visitor();
    const second = await world.visitor();
    await follow(second, `/book/${id}`);
    const badge = second.locator(`.one-book [data-stock="${id}"]`);
    assert.equal(await badge.innerText(), "13 in stock");
    for (const [copies, text, state] of [["1", "12 in stock", "in"], ["5", "Only 7 left", "few"], ["7", "Sold out", "out"]]) {
      await page.goto(`/buy/${id}`);
      await page.getByLabel("Copies").fill(copies);
      await page.getByRole("button", { name: "Buy now" }).click();
      await notice(page, "Thank you!");
      await until(async () => (await badge.innerText()) === text, `the second page says ${text}`);
      assert.equal(await badge.getAttribute("data-state"), state);
    }
    const buy = second.locator("a.buy");
    assert.equal(await buy.getAttribute("href"), null);
    await ask(world, `/books/${id}`, "PATCH", { stock: { by: 20, reason: "restock" } });
    await until(async () => (await badge.innerText()) === "20 in stock", "copies came in");
    assert.equal(await buy.getAttribute("href"), `/buy/${id}`);
    assert.ok(await isSame(second));
    assertQuiet(page);
    assertQuiet(second);
    await second.context().close();
  });

  it("shows what was bought while the page was loading", async () => {
    const id = await add(world, "Bought meanwhile", 13);
    page = await world.visitor();
    let go;
    const bought = new Promise((done) => { go = done; });
    await page.route("**/events", async (route) => { await bought; await route.continue(); });
    await page.goto(`/book/${id}`);
    await ask(world, `/purchase/${id}?quantity=13`, "POST");
    go();
    await page.locator('.one-book .stock[data-state="out"]').waitFor();
    assertQuiet(page);
  });

  it("says in the same style that there is no such page or book", async () => {
    for (const [path, javaScriptEnabled] of [["/no/such/page", true], ["/book/999999", false]]) {
      page = await world.visitor({ javaScriptEnabled });
      const answer = await page.goto(path);
      assert.equal(answer.status(), 404);
      const id = await page.locator("#request-id").innerText();
      assert.match(id, /^[0-9a-f]{16}$/);
      assert.equal(answer.headers()["x-request-id"], id);
      await page.getByRole("link", { name: "Go to the shop" }).click();
      await page.getByRole("heading", { name: "Books", exact: true }).waitFor();
      assertQuiet(page, /404/);
      await page.context().close();
    }
  });
});

describe("bookstore's replicas", () => {
  let world;
  let page;
  before(async () => { world = await World.shop(); });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  for (const javaScriptEnabled of [true, false]) {
    const how = `JavaScript ${javaScriptEnabled ? "on" : "off"}`;

    it(`stop while others look on, buy and read, and start again, ${how}`, async () => {
      const id = await add(world, `Sold by those who are left, ${how}`, 50);
      page = await world.visitor({ javaScriptEnabled });
      const watcher = await world.visitor();
      await watcher.goto("/replicas");
      await watcher.locator("#state", { hasText: "live" }).waitFor();
      await watcher.evaluate(() => { globalThis.isSamePage = true; });
      const state = (name) => watcher.locator(`tr[data-replica="${name}"] .health`).innerText();
      await counts(watcher.locator("tr[data-replica]"), 4);

      for (const name of ["catalog-1", "order-2"]) {
        assert.equal(await state(name), "Healthy");
        await page.goto("/replicas");
        await page.getByRole("button", { name: `Stop ${name}` }).click();
        await notice(page, "The replica has stopped; the others go on.");
        await page.getByRole("button", { name: `Start ${name}` }).waitFor();
        await until(async () => (await state(name)) === "Stopped", `${name} is seen to be stopped`);
      }
      for (let copies = 1; copies <= 3; copies += 1) {
        await page.goto(`/buy/${id}`);
        await page.getByRole("button", { name: "Buy now" }).click();
        await notice(page, "Thank you!");
        assert.ok(await number(page.locator("#panel-title")));
        await page.goto(`/book/${id}`);
        assert.equal(await page.locator(".one-book .stock").innerText(), `${50 - copies} in stock`);
      }
      assert.equal((await ordersOf(world, id)).length, 3);

      for (const name of ["catalog-1", "order-2"]) {
        await page.goto("/replicas");
        await page.getByRole("button", { name: `Start ${name}` }).click();
        await notice(page, "The replica runs again.");
        await until(async () => (await state(name)) === "Healthy", `${name} is seen to run`);
      }
      assert.ok(await isSame(watcher));
      assertQuiet(page);
      assertQuiet(watcher);
      await watcher.context().close();
    });

    it(`are asked for a book once, then memory knows it until it changes, ${how}`, async () => {
      const title = `Asked for, ${how}`;
      const id = await add(world, title, 50);
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/replicas");
      const answers = page.locator("#answers li");
      const asked = async (times) => {
        await page.getByLabel("Book’s number").fill(String(id));
        const before = javaScriptEnabled ? await answers.count() : 0;
        await page.getByRole("button", { name: "Ask", exact: true }).click();
        await until(async () => (await answers.count()) === before + 1, `answer ${times}`);
        assert.equal(await answers.first().locator("bdi").innerText(), title);
        return answers.first().locator(".badge").innerText();
      };
      assert.equal(await asked(1), "miss");
      assert.match(await answers.first().innerText(), /from .*catalog-[12]/);
      assert.equal(await asked(2), "hit");
      await ask(world, `/books/${id}`, "PATCH", { price_cents: 99 });
      assert.equal(await asked(3), "miss");
      assertQuiet(page);
    });
  }
});

const LONG = `A-very-long-title-without-any-blank-${"and-more-".repeat(12)}end`;
const TOPIC = "topic".repeat(12);

/** Name, address, what to do first, and which errors are expected. */
const PAGES = [
  ["shop", "/"],
  ["nothing", "/?query=nothing"],
  ["topic", `/?topic=${TOPIC}&sort=price`],
  ["book", "/book/8"],
  ["sold-out", "/book/6"],
  ["buy", "/buy/8"],
  ["dialog", "/book/8", async (page) => {
    await page.locator("a.buy").click();
    await page.getByRole("dialog").getByLabel("Copies").fill("999999");
    await page.getByRole("dialog").getByRole("button", { name: "Buy now" }).click();
    await page.getByRole("dialog").locator("#problem").waitFor();
  }, /409/],
  ["order", "/order/1?done=bought"],
  ["no-order", "/order?number=many", null, /422/],
  ["replicas", "/replicas?ask=8", (page) => page.locator("#state", { hasText: "live" }).waitFor()],
  ["admin", "/admin"],
  ["edit", "/admin/books/8"],
  ["wrong", "/admin/books/8", async (page) => {
    await page.getByLabel("Dollars").fill("much");
    await page.getByRole("button", { name: "Change the price" }).click();
    await page.locator("#price-problem").waitFor();
  }, /422/],
  ["add", "/admin/add"],
  ["orders", "/admin/orders"],
  ["error", "/nothing/here", null, /404/],
];

describe("bookstore's every page", () => {
  let world;
  before(async () => {
    world = await World.shop();
    assert.equal(await add(world, LONG, 5, { author: `Dr. ${"Long".repeat(25)}`, topic: TOPIC }), 8);
    for (let book = 0; book < 30; book += 1) await add(world, `Book <b>${book}</b>`, book);
    assert.equal((await ask(world, "/purchase/8?quantity=2", "POST")).number, 1);
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
        await assertFits(page, look, `bazar-${name}`);
        assertQuiet(page, expected);
      }
      await page.context().close();
    });
  }
});
