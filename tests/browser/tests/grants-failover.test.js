// A browser whose server dies goes on at the backup: two real processes over
// one PostgreSQL, one of which is killed.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { replicas } from "../failover.js";
import { DEADLINE, until } from "../world.js";

const PASSWORD = "correct horse battery";

describe("research funding when a server dies", () => {
  let site;
  let browser;
  let page;

  before(async () => {
    site = await replicas();
    if (!site) return;
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
    });
    const context = await browser.newContext({ locale: "en-GB" });
    context.setDefaultTimeout(DEADLINE);
    page = await context.newPage();
  });

  after(async () => {
    await browser?.close();
    await site?.close();
  });

  const ask = async (url, path, token, body) => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${url}${path}`, { method: body === undefined ? "GET" : "POST", headers, body: JSON.stringify(body) });
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer.status === 204 ? null : answer.json();
  };

  test("the page goes on at the backup, signed in, with what was typed", async (t) => {
    if (!site) return t.skip("PostgreSQL is not installed");
    const { first, second } = site;
    await page.goto(`${first.url}/join`);
    await page.getByLabel("Full name").fill("Ada Lovelace");
    await page.getByLabel("Email").fill("ada@tests.example");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create the account" }).click();
    await page.waitForURL(/\/s\/[0-9a-f]{8}\//);

    const { token } = await ask(second.url, "/api/session", "", { email: "ada@tests.example", password: PASSWORD });
    const draft = { programme: 1, acronym: "FAIL", title: "Failing over", description: "How.", amount_cents: 20_000_000 };
    const { id } = await ask(second.url, "/api/proposals", token, draft);
    await ask(second.url, `/api/proposals/${id}/submit`, token, null);
    const account = await until(async () => (await ask(second.url, `/api/proposals/${id}`, token)).account, "the account opens");

    const seat = /^\/s\/[0-9a-f]{8}/.exec(new URL(page.url()).pathname)[0];
    await page.goto(`${first.url}${seat}/accounts/${account}`);
    await page.locator('.live[data-state="live"]').waitFor();
    // The page was made when the other replica was known.
    await until(async () => {
      await page.reload();
      return (await page.locator("body").getAttribute("data-peers")).includes(second.url);
    }, "the page knows the backup");
    await page.locator('.live[data-state="live"]').waitFor();
    await page.getByLabel("Amount in USD").fill("12.34");
    await page.getByLabel("Reason").fill("Paper & <ink>");

    first.program.kill("SIGKILL");
    await page.waitForURL((url) => url.origin === second.url);
    assert.equal(new URL(page.url()).pathname, `${seat}/accounts/${account}`);
    assert.equal(await page.getByLabel("Amount in USD").inputValue(), "12.34");
    assert.equal(await page.getByLabel("Reason").inputValue(), "Paper & <ink>");
    await page.locator('.live[data-state="live"]').waitFor();
    // The dead one's lease is waited for; then it is booked, once.
    await page.getByRole("button", { name: "Withdraw" }).click();
    await page.locator("[data-balance]", { hasText: "199,987.66" }).waitFor();
    const ledger = await ask(second.url, `/api/accounts/${account}/ledger`, token);
    assert.deepEqual(ledger.map(({ amount_cents }) => amount_cents), [-1234, 20_000_000]);
  });
});
