// Research funding: the whole story of a grant, what is refused and how, and
// that nobody becomes somebody else.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, it } from "node:test";
import { BELOW, FAR_ABOVE, PASSWORD, PDF, WITHIN, addOfficers, ask, badge, balance, draft, enrol, fill, notice, proposalOf, propose, signIn, tokenOf } from "../grants.js";
import { World, assertQuiet, counts, until } from "../world.js";

describe("research funding", () => {
  let world;
  let page;
  before(async () => {
    world = await World.grants();
    await addOfficers(world);
  });
  after(() => world?.close());
  afterEach(() => world?.seeOff());

  /** Loads again until something is there, as who has no JavaScript does. */
  const seen = (on, javaScriptEnabled, locator, what) =>
    javaScriptEnabled
      ? locator.first().waitFor()
      : until(async () => {
          if (await locator.count()) return true;
          await on.reload();
          return (await locator.count()) > 0;
        }, what);

  for (const javaScriptEnabled of [true, false]) {
    const how = `JavaScript ${javaScriptEnabled ? "on" : "off"}`;
    const mark = javaScriptEnabled ? "JS" : "NOJS";

    it(`goes from an account to a withdrawal, ${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      const { researchers } = world.urls;
      await page.goto(researchers);
      await page.getByRole("link", { name: "Create an account" }).click();
      const email = `grace.${mark}@lab.example`.toLowerCase();
      await fill(page, { "Full name": `Grace ${mark}`, Email: email, Password: "short" });
      await page.getByRole("button", { name: "Create the account" }).click();
      await page.locator("#password-problem", { hasText: "10 characters" }).waitFor();
      assert.equal(await page.getByLabel("Email").inputValue(), email);
      await fill(page, { Password: PASSWORD });
      await page.getByRole("button", { name: "Create the account" }).click();
      await notice(page, "Welcome!");
      await page.locator(".me-name", { hasText: `Grace ${mark}` }).waitFor();

      await page.getByRole("link", { name: "Write a proposal" }).click();
      const fields = { Acronym: `LASER-${mark}`, "Amount in USD": "much", Title: "Cold light", Description: "What\nwe do." };
      await fill(page, fields);
      await page.getByRole("button", { name: "Save as a draft" }).click();
      await page.locator("#amount-problem").waitFor();
      assert.equal(await page.getByLabel("Amount in USD").getAttribute("aria-invalid"), "true");
      for (const [label, text] of Object.entries(fields)) assert.equal(await page.getByLabel(label).inputValue(), text);
      await fill(page, { "Amount in USD": WITHIN });
      await page.getByLabel("Attachment").setInputFiles({ name: "plan.pdf", mimeType: "application/pdf", buffer: PDF });
      await page.getByRole("button", { name: "Save as a draft" }).click();
      await notice(page, "The proposal is saved.");
      const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "plan.pdf" }).click()]);
      assert.deepEqual(await readFile(await file.path()), PDF);

      await page.getByRole("button", { name: "Send to the agency" }).click();
      await notice(page, "on its way");
      const toAccount = page.getByRole("link", { name: "Go to the research account" });
      await seen(page, javaScriptEnabled, toAccount, "an account");
      assert.equal(await badge(page), "Accepted");
      const log = await page.locator("#activity .state").allInnerTexts();
      assert.deepEqual(log, ["Draft", "Submitted", "Accepted"]);
      await toAccount.click();
      assert.equal(await balance(page), "200,000.00");
      const account = page.url();

      await fill(page, { "Amount in USD": "200000.01", Reason: "Everything and more" });
      await page.getByRole("button", { name: "Withdraw" }).click();
      await page.locator("#amount-problem", { hasText: "200,000.00" }).waitFor();
      assert.equal(await page.getByLabel("Reason").inputValue(), "Everything and more");
      await fill(page, { "Amount in USD": "1,500.50", Reason: "A lens" });
      await page.getByRole("button", { name: "Withdraw" }).click();
      await notice(page, "booked");
      assert.equal(await balance(page), "198,499.50");
      assert.match(await page.locator("#ledger tbody tr").first().innerText(), /A lens[\s\S]*−1,500\.50[\s\S]*198,499\.50/);

      // Somebody else may spend it too, until they may not any more.
      const lin = await enrol(world, `Lin ${mark}`);
      await page.getByLabel("Add somebody").fill(lin.email);
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Search" }).click();
      await page.getByRole("button", { name: `Add Lin ${mark}` }).click();
      await notice(page, "member");
      const other = await world.visitor({ javaScriptEnabled });
      await signIn(other, world, "researchers", lin.email);
      await other.getByRole("link", { name: "Cold light" }).click();
      await fill(other, { "Amount in USD": "500", Reason: "Cables" });
      await other.getByRole("button", { name: "Withdraw" }).click();
      await notice(other, "booked");
      await seen(page, javaScriptEnabled, page.locator("#ledger", { hasText: "Cables" }), "Lin's withdrawal");
      assert.equal(await balance(page), "197,999.50");
      assert.equal(await page.getByRole("button", { name: `Remove Grace ${mark}` }).count(), 0);
      await page.getByRole("button", { name: `Remove Lin ${mark}` }).click();
      await notice(page, "no member");
      if (!javaScriptEnabled) await other.goto(other.url());
      await other.getByRole("heading", { name: /Unknown account/ }).waitFor();
      assert.equal((await other.goto(account.replace(/.*\/accounts/, `${other.url().replace(/\/accounts.*/, "")}/accounts`))).status(), 404);

      await page.goto(account.replace(/\/accounts.*/, "/"));
      await page.locator("#accounts", { hasText: "197,999.50" }).waitFor();
      await page.getByRole("navigation", { name: "Proposals" }).getByRole("link", { name: "Accepted 1" }).waitFor();
      assertQuiet(page, /422|409/);
      assertQuiet(other, /404/);
    });

    it(`asks, is answered, and approves within the budget, ${how}`, async () => {
      const eve = await enrol(world, `Eve ${mark}`);
      const id = await propose(world, eve, `ASK-${mark}`, BELOW);
      await until(async () => (await proposalOf(world, eve, id)).state === "waiting", "it waits");
      page = await world.visitor({ javaScriptEnabled });
      await signIn(page, world, "agency", "olga@agency.example");
      await page.getByRole("link", { name: `About ASK-${mark}` }).click();
      await page.getByText(`by Eve ${mark}`).first().waitFor();
      assert.equal(await page.getByLabel("Budget in USD").inputValue(), "150000.50");
      await page.locator("summary", { hasText: "Ask for more" }).click();
      await page.getByRole("button", { name: "Ask the author" }).click();
      await page.locator("#question-problem").waitFor();
      await page.getByLabel("What do you want to know?").fill("How cold\nis it?");
      await page.getByRole("button", { name: "Ask the author" }).click();
      await notice(page, "your question");
      assert.equal(await badge(page), "More information wanted");

      const author = await world.visitor({ javaScriptEnabled });
      await signIn(author, world, "researchers", eve.email, `/proposals/${id}`);
      assert.match(await author.locator("#head .said").innerText(), /How cold\nis it\?/);
      await author.getByLabel("Description").fill("Very cold.");
      await author.getByRole("button", { name: "Send it again" }).click();
      await notice(author, "on its way");

      await seen(page, javaScriptEnabled, page.getByRole("heading", { name: "Approve" }), "a form");
      await fill(page, { "Budget in USD": "99999999", "End date": "2020-01-01" });
      await page.getByRole("button", { name: "Approve" }).click();
      await page.locator("#end_date-problem").waitFor();
      assert.equal(await page.getByLabel("Budget in USD").inputValue(), "99999999");
      await page.getByLabel("End date").fill("2099-12-31");
      await page.getByRole("button", { name: "Approve" }).click();
      await page.locator("#budget-problem", { hasText: "left" }).waitFor();
      await page.getByLabel("Budget in USD").fill("1000");
      await page.getByRole("button", { name: "Approve" }).click();
      await notice(page, "approved");
      assert.match(await page.locator("#head").innerText(), /1,000\.00 USD until 2099-12-31/);
      assert.equal(await page.getByRole("button", { name: "Approve" }).count(), 0);

      const far = await propose(world, eve, `FAR-${mark}`, FAR_ABOVE);
      await until(async () => (await proposalOf(world, eve, far)).state === "rejected", "the rules reject");
      await author.goto(author.url().replace(/proposals.*/, `proposals/${far}`));
      await author.locator(".answer.bad", { hasText: "twice the maximum" }).waitFor();
      assertQuiet(page, /422/);
      assertQuiet(author);
    });
  }

  it("keeps two people in two tabs of one browser apart", async () => {
    page = await world.visitor();
    const [one, two] = [await enrol(world, "Tab One"), await enrol(world, "Tab Two")];
    const first = await signIn(page, world, "researchers", one.email);
    const other = await page.context().newPage();
    const second = await signIn(other, world, "researchers", two.email);
    assert.notEqual(first, second);
    for (let round = 0; round < 3; round += 1) {
      await page.goto(`${first}/`);
      await other.goto(`${second}/`);
      assert.equal(await page.locator(".me-name").innerText(), "Tab One");
      assert.equal(await other.locator(".me-name").innerText(), "Tab Two");
      await page.bringToFront();
      await page.getByRole("link", { name: "New proposal" }).click();
      await fill(page, { Acronym: `TABS-${round}`, "Amount in USD": "1", Title: "Mine", Description: "Mine" });
      await page.getByRole("button", { name: "Save as a draft" }).click();
      await notice(page, "saved");
      const [last] = await ask(world, "researchers", "/proposals", { token: one.token });
      assert.equal(last.acronym, `TABS-${round}`);
    }
    assert.deepEqual(await ask(world, "researchers", "/proposals", { token: two.token }), []);
    await page.locator(".me summary").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await notice(page, "signed out");
    await other.reload();
    assert.equal(await other.locator(".me-name").innerText(), "Tab Two");
    await page.goto(`${first}/`);
    await page.waitForURL(/\/sign-in\?next=/);
    assertQuiet(page);
  });

  it("is kind to who signs in at another service, or with another password", async () => {
    page = await world.visitor();
    await page.goto(`${world.urls.researchers}/sign-in`);
    await fill(page, { Email: "olga@agency.example", Password: "wrong password" });
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("#password-problem", { hasText: "wrong" }).waitFor();
    assert.equal(await page.getByLabel("Email").inputValue(), "olga@agency.example");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("#other").getByRole("link", { name: "Funding agency" }).click();
    await page.waitForURL(`${world.urls.agency}/sign-in`);

    const lee = await enrol(world, "Lee Password");
    const seat = await signIn(page, world, "researchers", lee.email, "/password");
    await fill(page, { "Present password": "nonsense", "New password": "another fine one" });
    await page.getByRole("button", { name: "Change it" }).click();
    await page.locator("#old_password-problem").waitFor();
    await fill(page, { "Present password": PASSWORD, "New password": "another fine one" });
    await page.getByRole("button", { name: "Change it" }).click();
    await notice(page, "Your password is changed");
    await page.goto(`${seat}/`);
    assert.equal(await page.locator(".me-name").innerText(), "Lee Password");
    assert.equal((await fetch(`${world.urls.researchers}/api/session`, { headers: { authorization: `Bearer ${lee.token}` } })).status, 401);
    assertQuiet(page, /422/);
  });

  it("books a form that is sent twice once, and keeps what was typed for what is decided", async () => {
    const max = await enrol(world, "Max Twice");
    const id = await propose(world, max, "TWICE", 200_000);
    const account = await until(async () => (await proposalOf(world, max, id)).account, "an account");
    page = await world.visitor();
    const seat = await signIn(page, world, "researchers", max.email, `/accounts/${account}`);
    const sent = await page.evaluate(async () => {
      const form = document.querySelector("form[action$=withdraw]");
      form.amount.value = "10";
      form.reason.value = "Twice";
      const body = new URLSearchParams(new FormData(form));
      const statuses = await Promise.all([1, 2, 3].map(() => fetch(form.action, { method: "POST", body }).then(({ status }) => status)));
      body.set("amount", "11");
      return [...statuses, (await fetch(form.action, { method: "POST", body })).status];
    });
    assert.deepEqual(sent, [200, 200, 200, 409]);
    await page.goto(`${seat}/accounts/${account}`);
    assert.equal(await balance(page), "199,990.00");

    // Two officers decide; the slower one keeps what they wrote.
    const slow = await propose(world, max, "SLOW", 1);
    await until(async () => (await proposalOf(world, max, slow)).state === "waiting", "it waits");
    const officer = await world.visitor({ javaScriptEnabled: false });
    await signIn(officer, world, "agency", "olga@agency.example", `/proposals/${slow}`);
    const token = await tokenOf(world, "agency", "olga@agency.example");
    await ask(world, "agency", `/proposals/${slow}/decline`, { method: "POST", token, body: { reason: "No" } });
    await officer.locator("summary", { hasText: "Decline" }).click();
    await officer.getByLabel("Why?").fill("A long and careful reason");
    await officer.getByRole("button", { name: "Decline the proposal" }).click();
    await officer.locator("#problem", { hasText: "rejected by now" }).waitFor();
    assert.equal(await officer.locator("#kept").innerText(), "A long and careful reason");
    assertQuiet(page, /409/);
  });

  it("turns the pages of a ledger and of all transactions, and filters them", async () => {
    const pam = await enrol(world, "Pam Pages");
    const id = await propose(world, pam, "PAGES", 200_000);
    const account = await until(async () => (await proposalOf(world, pam, id)).account, "an account");
    for (let number = 1; number <= 30; number += 1) {
      const body = { amount_cents: number, reason: `Part ${number}` };
      await ask(world, "researchers", `/accounts/${account}/withdrawals`, { method: "POST", token: pam.token, body });
    }
    page = await world.visitor({ javaScriptEnabled: false });
    await signIn(page, world, "researchers", pam.email, `/accounts/${account}`);
    const rows = page.locator("tbody tr");
    await counts(rows, 25);
    await page.getByRole("link", { name: "Next page" }).click();
    await rows.last().getByText("Grant for PAGES").waitFor();
    await counts(rows, 6);
    await page.getByRole("link", { name: "First page" }).click();
    await rows.first().getByText("Part 30").waitFor();

    const seat = await signIn(page, world, "university", "uwe@uni.example", "/transactions");
    await page.getByLabel("Acronym, reason or person").fill("pages part");
    await page.getByLabel("Kind").selectOption("withdrawal");
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("link", { name: "Next page" }).click();
    await counts(rows, 5);
    await page.goto(`${seat}/transactions?query=PAGES&kind=opening`);
    await counts(rows, 1);

    // The administrator sees what an agency's officers see, and decides nothing.
    const waiting = await propose(world, pam, "PAGES-2", BELOW);
    await until(async () => (await proposalOf(world, pam, waiting)).state === "waiting", "it waits");
    const desk = await signIn(page, world, "agency", "admin@home.example", `/proposals/${waiting}`);
    await page.getByText("An officer of National Research Agency decides.").waitFor();
    assert.equal(await page.locator("main form").count(), 0);
    await page.goto(`${desk}/programmes`);
    assert.equal(await page.locator("main form").count(), 0);
    await page.goto(`${desk}/?query=PAGES-2`);
    await counts(rows, 1);
    assertQuiet(page);
  });

  it("lets the university move end dates, close, acknowledge and export", async () => {
    const tom = await enrol(world, "=Tom, +1");
    const id = await propose(world, tom, "=EXPORT", 200_000, { title: '"Quoted", <b>bold</b>' });
    const account = await until(async () => (await proposalOf(world, tom, id)).account, "an account");
    page = await world.visitor();
    const seat = await signIn(page, world, "university", "uwe@uni.example", "/notifications");
    const item = page.locator(".notifications li", { hasText: "Account opened for =EXPORT" });
    const open = Number(await page.locator("#unread .count").evaluate((count) => count.firstChild.textContent));
    await item.getByRole("button", { name: "Acknowledge" }).click();
    await notice(page, "acknowledged");
    await item.getByText("acknowledged by Uwe University").waitFor();
    assert.equal(await page.locator("#unread .count").evaluateAll((counts) => counts.map((count) => Number(count.firstChild.textContent))[0] ?? 0), open - 1);

    await page.goto(`${seat}/accounts/${account}`);
    await page.getByLabel("Last day").fill("2001-01-01");
    await page.getByRole("button", { name: "Move it" }).click();
    await page.locator("#end_date-problem").waitFor();
    await page.getByLabel("Last day").fill("2098-02-28");
    await page.getByRole("button", { name: "Move it" }).click();
    await notice(page, "end date is moved");
    await page.locator("#balance", { hasText: "2098-02-28" }).waitFor();
    await page.locator("summary", { hasText: "Close early" }).click();
    await page.locator(".confirm-box", { hasText: "200,000.00 USD" }).waitFor();
    await page.getByRole("button", { name: "Close it" }).click();
    await notice(page, "closed");
    assert.equal(await badge(page), "Closed");

    await page.goto(`${seat}/?query=EXPORT&state=closed`);
    await counts(page.locator("#accounts tbody tr"), 1);
    assert.match(await page.locator(".chart-bar").getAttribute("aria-label"), /National Research Agency: .* returned/);
    const file = async (path, name) => {
      await page.goto(`${seat}${path}`);
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Export as CSV" }).click()]);
      assert.equal(download.suggestedFilename(), name);
      return (await readFile(await download.path(), "utf8")).trimEnd().split("\r\n");
    };
    const accounts = await file("/?query=EXPORT", "accounts.csv");
    assert.equal(accounts.length, 2);
    assert.ok(accounts[1].startsWith(`${account},"'=EXPORT","""Quoted"", <b>bold</b>","'=Tom, +1",`), accounts[1]);
    assert.match(accounts[1], /,200000\.00,0\.00,USD,2098-02-28,closed,/);
    const entries = await file("/transactions?query=EXPORT", "transactions.csv");
    assert.equal(entries.length, 4);
    assert.match(entries[1], /,return,Uwe University,-200000\.00,0\.00,USD,/);
    const people = await file("/people", "people.csv");
    assert.ok(people.some((line) => line.includes("\"'=Tom, +1\",.tom.1@lab.example,researcher,,no,\"'=EXPORT\"")), people.join("\n"));
    assertQuiet(page, /422/);
  });

  it("lets the administrator add people and agencies, lock them out and set passwords", async () => {
    page = await world.visitor();
    const seat = await signIn(page, world, "university", "admin@home.example", "/people");
    const add = async (name, email, password, role, agency) => {
      await fill(page, { "Full name": name, Email: email });
      await page.getByLabel("Password", { exact: true }).fill(password);
      await page.getByLabel("Role").selectOption({ label: role });
      if (agency) await page.getByLabel("Agency, for its officers").selectOption({ label: agency });
      await page.getByRole("button", { name: "Add them" }).click();
    };
    await page.getByLabel("Name of another one").fill("National Research Agency");
    await page.getByRole("button", { name: "Add the agency" }).click();
    await page.locator("#agency-name-problem").waitFor();
    await page.getByLabel("Name of another one").fill("Second Agency");
    await page.getByRole("button", { name: "Add the agency" }).click();
    await notice(page, "agency is added");
    await add("Nina New", "nina@second.example", PASSWORD, "Agency officer", null);
    await page.locator("#of-agency-problem").waitFor();
    assert.equal(await page.getByLabel("Full name").inputValue(), "Nina New");
    await add("Nina New", "nina@second.example", PASSWORD, "Agency officer", "Second Agency");
    await notice(page, "can sign in now");

    const nina = await world.visitor();
    await signIn(nina, world, "agency", "nina@second.example", "/programmes");
    const form = nina.getByRole("region", { name: "Add a programme" });
    for (const [label, text] of [["Name", "Small things"], ["Budget", "1000"], ["Minimum", "20"], ["Maximum", "10"]]) {
      await form.getByLabel(label, { exact: true }).fill(text);
    }
    await form.getByRole("button", { name: "Add it" }).click();
    await nina.locator("#minimum-0-problem").waitFor();
    assert.equal(await form.getByLabel("Budget").inputValue(), "1000");
    await form.getByLabel("Maximum").fill("500");
    await form.getByRole("button", { name: "Add it" }).click();
    await notice(nina, "open for proposals");
    await nina.locator(".fold summary").click();
    await nina.locator(".programme").getByLabel("Budget", { exact: true }).fill("2000");
    await nina.locator(".programme").getByRole("button", { name: "Save" }).click();
    await notice(nina, "changed");
    assert.match(await nina.locator(".programme .big").innerText(), /2,000\.00/);

    const row = page.locator("tr", { hasText: "nina@second.example" });
    await row.locator("summary").click();
    await row.getByLabel("New password").fill("short");
    await row.getByRole("button", { name: "Set it" }).click();
    await row.locator(".field-problem").waitFor();
    await row.getByRole("button", { name: "Lock out" }).click();
    await notice(page, "locked out");
    // Her open page goes at that moment.
    await nina.waitForURL(/\/sign-in/);
    await row.locator("summary").click();
    await row.getByRole("button", { name: "Let in again" }).click();
    await notice(page, "sign in again");
    await signIn(nina, world, "agency", "nina@second.example");
    assert.equal(await page.locator("tr", { hasText: "admin@home.example" }).locator(".manage").count(), 0);
    // Who isn't the administrator can't do it either.
    const uwe = await world.visitor();
    await signIn(uwe, world, "university", "uwe@uni.example", "/people");
    assert.equal(await uwe.locator(".admin, .manage").count(), 0);
    await page.goto(`${seat}/`);
    assertQuiet(page, /422/);
    assertQuiet(nina, /422|no valid credentials/);
  });

  it("shows HTML in every text as text", async () => {
    const hostile = "<img src=x onerror=alert(1)>";
    page = await world.visitor();
    let ran = null;
    page.on("dialog", (dialog) => { ran = dialog.message(); return dialog.dismiss(); });
    const email = "hostile@lab.example";
    const person = await ask(world, "researchers", "/people", { method: "POST", body: { name: hostile, email, password: PASSWORD } });
    const author = { ...person, token: await tokenOf(world, "researchers", email) };
    const more = { title: hostile, description: `${hostile}</textarea><script>alert(2)</script>` };
    const open = await draft(world, author, "<i>D", 5, more);
    const id = await propose(world, author, "<i>A", 200_000, more);
    const waiting = await propose(world, author, "<i>W", 5, more);
    const account = await until(async () => (await proposalOf(world, author, id)).account, "an account");
    await ask(world, "researchers", `/accounts/${account}/withdrawals`, { method: "POST", token: author.token, body: { amount_cents: 5, reason: hostile } });
    const look = async (service, who, paths) => {
      const seat = await signIn(page, world, service, who);
      for (const path of paths) {
        await page.goto(`${seat}${path}`);
        assert.ok((await page.locator("body").innerText()).includes(hostile) || (await page.getByLabel("Title").inputValue()) === hostile, path);
        assert.equal(await page.locator('img[src="x"], main script, h1 i').count(), 0, path);
      }
    };
    await look("researchers", email, ["/", `/proposals/${open}`, `/proposals/${id}`, `/accounts/${account}`]);
    await look("agency", "olga@agency.example", ["/", `/proposals/${waiting}`]);
    await look("university", "uwe@uni.example", ["/", `/accounts/${account}`, "/people?query=hostile", "/transactions"]);
    assert.equal(ran, null);
    assertQuiet(page);
  });
});

describe("research funding's first run", () => {
  it("makes the first administrator, once", async () => {
    const world = await World.grants();
    try {
      const page = await world.visitor();
      await page.goto(world.urls.agency);
      await page.getByRole("link", { name: "Set up the administrator" }).click();
      await fill(page, { "Full name": "First", Email: "no email", Password: PASSWORD });
      await page.getByRole("button", { name: "Create the administrator" }).click();
      await page.locator("#email-problem").waitFor();
      await fill(page, { Email: "first@home.example", Password: PASSWORD });
      await page.getByRole("button", { name: "Create the administrator" }).click();
      await notice(page, "You are the administrator");
      assert.equal(await page.locator(".me-role").innerText(), "Administrator");
      await page.goto(`${world.urls.university}/setup`);
      await page.waitForURL(/\/sign-in/);
      assert.equal(await page.locator(".first-run").count(), 0);
      await signIn(page, world, "university", "first@home.example", "/people");
      await page.getByRole("region", { name: "Add somebody" }).waitFor();
      assertQuiet(page, /422/);
    } finally {
      await world.close();
    }
  });
});

describe("research funding under another site", () => {
  it("keeps to its own addresses, live and by seats", async () => {
    const world = await World.mountedGrants();
    try {
      const page = await world.visitor();
      await page.goto("/grants");
      await page.getByRole("link", { name: "Funding agency" }).click();
      await page.getByRole("link", { name: "Set up the administrator" }).click();
      await fill(page, { "Full name": "First", Email: "first@home.example", Password: PASSWORD });
      await page.getByRole("button", { name: "Create the administrator" }).click();
      await notice(page, "You are the administrator");

      const author = await page.context().newPage();
      await author.goto("/grants");
      await author.getByRole("link", { name: "Researchers" }).click();
      await author.getByRole("link", { name: "Create an account" }).click();
      await fill(author, { "Full name": "Rosa", Email: "rosa@lab.example", Password: PASSWORD });
      await author.getByRole("button", { name: "Create the account" }).click();
      await author.getByRole("link", { name: "Write a proposal" }).click();
      await fill(author, { Acronym: "BASE", "Amount in USD": WITHIN, Title: "Based", Description: "Here." });
      await author.getByRole("button", { name: "Send to the agency" }).click();
      await author.getByRole("link", { name: "Go to the research account" }).click();
      assert.equal(await balance(author), "200,000.00");
      assert.match(author.url(), /\/grants\/researchers\/s\/[0-9a-f]{8}\/accounts\/1$/);
      await page.getByRole("link", { name: "Accepted 1" }).click();
      await page.getByRole("link", { name: "Based" }).click();
      await page.locator("#head", { hasText: "Granted" }).waitFor();
      // Back to the seat that was taken last.
      await author.goto("/grants/researchers");
      await author.locator(".me-name", { hasText: "Rosa" }).waitFor();
      assert.equal((await author.goto(`${world.urls.researchers}/nothing`)).status(), 404);
      await author.getByRole("link", { name: "Go to the start" }).click();
      await author.locator(".me-name", { hasText: "Rosa" }).waitFor();
      assertQuiet(page);
    } finally {
      await world.close();
    }
  });
});
