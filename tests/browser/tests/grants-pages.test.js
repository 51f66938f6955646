// Research funding's every page: clean, readable and no wider than the screen,
// in light and dark, on a wide screen and on a phone.

import { after, before, describe, it } from "node:test";
import { BELOW, FAR_ABOVE, addOfficers, ask, draft, enrol, fill, notice, proposalOf, propose, signIn, tokenOf } from "../grants.js";
import { LOOKS, assertFits } from "../looks.js";
import { World, assertQuiet, until } from "../world.js";

const DESCRIPTION = "We cool atoms with light until they hardly move, and watch what is left of their motion.\n\nThe money pays a laser, two years of a doctoral position and the travel to the facility. What we learn is published with all data.";
const LONG = `A-very-long-title-without-any-blank-${"and-more-".repeat(12)}end`;

describe("research funding's every page", () => {
  let world;
  const ids = {};
  before(async () => {
    world = await World.grants();
    const { admin } = await addOfficers(world);
    await ask(world, "university", "/agencies", { method: "POST", token: admin, body: { name: "Council for Careful Experiments" } });
    const agencies = await ask(world, "university", "/agencies", { token: admin });
    const council = agencies.find(({ name }) => name.startsWith("Council"));
    const email = "carl@council.example";
    const body = { name: "Carl Council", email, password: "correct horse battery", role: "agency", agency: council.id };
    await ask(world, "university", "/people", { method: "POST", token: admin, body });
    const carl = await tokenOf(world, "agency", email);
    const programme = { name: "Small instruments", budget_cents: 80_000_000, minimum_cents: 1_000_000, maximum_cents: 40_000_000 };
    const second = await ask(world, "agency", "/programmes", { method: "POST", token: carl, body: programme });

    const marie = await enrol(world, "Marie Skłodowska");
    const lise = await enrol(world, "Lise Meitner");
    await enrol(world, "Lise Anders-Lindström");
    const more = { description: DESCRIPTION };
    ids.accepted = await propose(world, marie, "COLD-LIGHT", 320_000, { ...more, title: "Cold light: trapping atoms between two mirrors" });
    ids.rejected = await propose(world, marie, "MOON", FAR_ABOVE, { ...more, title: "A telescope on the far side of the moon" });
    ids.waiting = await propose(world, marie, "SALT", BELOW, { ...more, title: "Salt marshes as a memory of storms" });
    ids.asked = await propose(world, marie, "BEES", 90_000, { ...more, title: "How bees agree where to go" });
    ids.draft = await draft(world, marie, "DRAFT", 250_000, { ...more, title: "Quiet oceans, loud ships" });
    ids.long = await propose(world, lise, "L".repeat(40), 1, { ...more, title: LONG });
    const small = await propose(world, lise, "PRISM", 240_000, { ...more, programme: second.id, title: "A prism for the infrared" });
    const accountOf = (author, id) => until(async () => (await proposalOf(world, author, id)).account, "an account");
    [ids.account, ids.small] = [await accountOf(marie, ids.accepted), await accountOf(lise, small)];
    for (const id of [ids.waiting, ids.asked, ids.long]) {
      const author = id === ids.long ? lise : marie;
      await until(async () => (await proposalOf(world, author, id)).state === "waiting", "it waits");
    }
    const olga = await tokenOf(world, "agency", "olga@agency.example");
    const question = "How many hives do you need, and who looks after them in winter?";
    await ask(world, "agency", `/proposals/${ids.asked}/ask`, { method: "POST", token: olga, body: { reason: question } });
    await ask(world, "researchers", `/accounts/${ids.account}/members`, { method: "POST", token: marie.token, body: { person: lise.id } });
    const spend = (who, account, amount, reason) =>
      ask(world, "researchers", `/accounts/${account}/withdrawals`, { method: "POST", token: who.token, body: { amount_cents: amount * 100, reason } });
    for (const [who, amount, reason] of [[marie, 84_200, "Diode laser, 780 nm"], [lise, 1_249, "Train to the facility, twice"], [marie, 36_000, "Doctoral position, first half of the year"], [lise, 312, "Mirror mounts"]]) {
      await spend(who, ids.account, amount, reason);
    }
    await spend(lise, ids.small, 60_000, "Glass");
    const uwe = await tokenOf(world, "university", "uwe@uni.example");
    await ask(world, "university", `/accounts/${ids.small}/close`, { method: "POST", token: uwe });
    await ask(world, "university", "/notifications/1/acknowledge", { method: "POST", token: uwe });
  });
  after(() => world?.close());

  /** Name, address behind the seat's, what to do first, and which errors are expected. */
  const pages = {
    "marie.sk.odowska@lab.example": ["researchers", [
      ["home", "/"],
      ["home-drafts", "/?tab=drafts"],
      ["new", "/proposals/new"],
      ["wrong", "/proposals/new", async (page) => {
        await fill(page, { Acronym: "SALT", "Amount in USD": "12,000.50", Title: "Again", Description: "Once more." });
        await page.getByLabel("Open call").check();
        await page.getByRole("button", { name: "Send to the agency" }).click();
        await page.locator("#acronym-problem").waitFor();
      }, /422/],
      ["draft", () => `/proposals/${ids.draft}`, (page) => page.locator("summary", { hasText: "Delete" }).click()],
      ["asked", () => `/proposals/${ids.asked}`],
      ["accepted", () => `/proposals/${ids.accepted}`],
      ["rejected", () => `/proposals/${ids.rejected}`],
      ["account", () => `/accounts/${ids.account}?find=lise`],
      ["over", () => `/accounts/${ids.account}`, async (page) => {
        await fill(page, { "Amount in USD": "900000", Reason: "Everything" });
        await page.getByRole("button", { name: "Withdraw" }).click();
        await page.locator("#amount-problem").waitFor();
      }, /422/],
      ["password", "/password"],
      ["error", "/nothing/here", null, /404/],
    ]],
    "olga@agency.example": ["agency", [
      ["agency", "/"],
      ["agency-all", "/?tab=all"],
      ["decide", () => `/proposals/${ids.waiting}`, (page) => page.locator("summary", { hasText: "Decline" }).click()],
      ["long", () => `/proposals/${ids.long}`],
      ["programmes", "/programmes", (page) => page.locator(".fold summary").first().click()],
    ]],
    "uwe@uni.example": ["university", [
      ["accounts", "/"],
      ["numbers", "/?state=open", (page) => page.locator(".numbers summary").click()],
      ["care", () => `/accounts/${ids.account}`, (page) => page.locator("summary", { hasText: "Close early" }).click()],
      ["people", "/people"],
      ["transactions", "/transactions"],
      ["notifications", "/notifications"],
    ]],
    "admin@home.example": ["university", [
      ["administrator", "/people", async (page) => {
        await page.locator(".manage summary").first().click();
        await page.getByRole("button", { name: "Add them" }).click();
        await page.locator("#name-problem").waitFor();
        await page.locator(".me summary").click();
      }, /422/],
    ]],
  };

  for (const look of LOOKS) {
    it(`is clean, readable and fits in ${look.name} (${look.viewport.width} px)`, async () => {
      // Animations off: a colour on its way is no finding.
      const page = await world.visitor({ ...look, reducedMotion: "reduce" });
      const outside = [["sign-in", "sign-in", "researchers"], ["join", "join", "researchers"]];
      for (const [name, path, service] of outside) {
        await page.goto(`${world.urls[service]}/${path}`);
        await assertFits(page, look, `grants-${name}`);
      }
      for (const [email, [service, shown]] of Object.entries(pages)) {
        const seat = await signIn(page, world, service, email);
        if (service === "agency") await notice(page, "signed in");
        for (const [name, path, prepare, expected] of shown) {
          page.problems.length = 0;
          await page.goto(`${seat}${typeof path === "string" ? path : path()}`, { waitUntil: "load" });
          await prepare?.(page);
          if (!expected) await page.locator("#live[data-state=live]").waitFor();
          await assertFits(page, look, `grants-${name}`);
          assertQuiet(page, expected);
        }
      }
      await page.context().close();
    });
  }
});

describe("research funding's empty pages", () => {
  let world;
  before(async () => {
    world = await World.grants();
  });
  after(() => world?.close());

  for (const look of LOOKS) {
    it(`are clean, readable and fit in ${look.name}`, async () => {
      const page = await world.visitor({ ...look, reducedMotion: "reduce" });
      if (look === LOOKS[0]) {
        await page.goto(`${world.urls.agency}/sign-in`);
        await assertFits(page, look, "grants-first-run");
        await page.goto(`${world.urls.agency}/setup`);
        await assertFits(page, look, "grants-setup");
        await addOfficers(world);
        await enrol(world, "Nobody Yet");
      }
      for (const [service, email, paths] of [
        ["researchers", "nobody.yet@lab.example", ["/"]],
        ["agency", "olga@agency.example", ["/"]],
        ["university", "uwe@uni.example", ["/", "/transactions", "/notifications"]],
      ]) {
        const seat = await signIn(page, world, service, email);
        for (const path of paths) {
          await page.goto(`${seat}${path}`);
          await page.locator("#live[data-state=live]").waitFor();
          await assertFits(page, look, `grants-empty-${service}${path.replace("/", "-").replace(/-$/, "")}`);
        }
      }
      assertQuiet(page);
      await page.context().close();
    });
  }
});
