// What the tests of the bookstore do with its API, and read from its pages.

import assert from "node:assert/strict";

/** The administrator's, where one is needed. */
export const TOKEN = "correct horse battery staple";

/** Asks the shop's API; what it answers. */
export async function ask(world, path, method = "GET", body = undefined) {
  const authorization = `Bearer ${TOKEN}`;
  const answer = await fetch(`${world.url}${path}`, { method, headers: { authorization }, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

/** Adds a book with `stock` copies for $12.34; its number. */
export async function add(world, title, stock, more = {}) {
  const book = { title, topic: "tests", price_cents: 1234, stock, ...more };
  return (await ask(world, "/books", "POST", book)).id;
}

export const stockOf = async (world, id) => (await ask(world, `/info/${id}`)).quantity;
export const ordersOf = async (world, id) => (await ask(world, "/orders")).filter(({ book }) => book === id);

/** Opens a page that shows stock; it hears of each change from then on. */
export async function follow(page, path) {
  const events = page.waitForResponse(/\/events$/);
  await page.goto(path);
  await events;
  await page.evaluate(() => { globalThis.isSamePage = true; });
}

export const isSame = (page) => page.evaluate(() => globalThis.isSamePage);
export const notice = (page, text) => page.locator("#notice", { hasText: text }).waitFor();
export const titles = (page) => page.locator(".book h2").allInnerTexts();
export const number = async (heading) => /^Order (\d+)$/.exec(await heading.innerText())?.[1];
