// Research funding's open pages: they show what changes to who may see it, go
// on after a restart, and at another server when their own is gone.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { BELOW, addOfficers, ask, badge, balance, enrol, fill, follow, isSame, proposalOf, propose, signIn, tokenOf } from "../grants.js";
import { World, assertQuiet, until } from "../world.js";

/** What the sockets of a page are told, as it comes. */
function heard(page) {
  const rooms = [];
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => rooms.push(String(payload))));
  return rooms;
}

/** What a socket that asks for these rooms hears, until `done` is over. */
async function overhear(page, seat, rooms, done) {
  await page.evaluate(async ([seat, rooms]) => {
    globalThis.overheard = [];
    const socket = new WebSocket(`${seat.replace("http", "ws")}/live?rooms=${rooms}`);
    await new Promise((ready) => socket.addEventListener("message", ({ data }) => {
      globalThis.overheard.push(data);
      ready();
    }));
  }, [seat, rooms]);
  await done();
  return page.evaluate(() => globalThis.overheard);
}

describe("research funding's open pages", () => {
  let world;
  let page;
  before(async () => {
    world = await World.grants();
    await addOfficers(world);
  });
  after(() => world?.close());
  afterEach(() => world?.seeOff());

  /** An account with 200,000; its number. */
  async function grant(lead, acronym) {
    const id = await propose(world, lead, acronym, 200_000);
    return until(async () => (await proposalOf(world, lead, id)).account, "an account");
  }

  const withdraw = (who, account, amount, reason) =>
    ask(world, "researchers", `/accounts/${account}/withdrawals`, { method: "POST", token: who.token, body: { amount_cents: amount, reason } });

  it("show a decision without being loaded again", async () => {
    const amy = await enrol(world, "Amy Waits");
    const id = await propose(world, amy, "LIVE", BELOW);
    await until(async () => (await proposalOf(world, amy, id)).state === "waiting", "it waits");
    page = await world.visitor();
    await signIn(page, world, "researchers", amy.email, `/proposals/${id}`);
    await follow(page);
    const list = await world.visitor();
    await signIn(list, world, "researchers", amy.email);
    await follow(list);
    const officers = await world.visitor();
    const desk = await signIn(officers, world, "agency", "olga@agency.example");
    await follow(officers);
    const uni = await world.visitor();
    await signIn(uni, world, "university", "uwe@uni.example");
    await follow(uni);

    const officer = await world.visitor();
    await signIn(officer, world, "agency", "olga@agency.example", `/proposals/${id}`);
    await officer.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("link", { name: "Go to the research account" }).waitFor();
    assert.equal(await badge(page), "Accepted");
    await page.title().then((title) => assert.match(title, /LIVE/));
    await list.locator("#accounts", { hasText: "LIVE" }).waitFor();
    await list.locator("#proposals .pills", { hasText: "Accepted 1" }).waitFor();
    await until(async () => !(await officers.locator("#proposals").innerText()).includes("About LIVE"), "it is decided");
    await uni.locator("#accounts", { hasText: "About LIVE" }).waitFor();
    await uni.locator("#unread .count").waitFor();
    await uni.locator("#chart .chart-bar").waitFor();
    for (const each of [page, list, officers, uni]) {
      assert.ok(await isSame(each));
      assertQuiet(each);
    }
    assert.ok(desk);
  });

  it("keep what is typed while the rest of the page changes", async () => {
    const ben = await enrol(world, "Ben Types");
    const account = await grant(ben, "TYPED");
    page = await world.visitor();
    await signIn(page, world, "researchers", ben.email, `/accounts/${account}`);
    await follow(page);
    await fill(page, { "Amount in USD": "12.34", Reason: "Half a sen" });
    await page.getByLabel("Reason").focus();
    await withdraw(ben, account, 100_00, "By a program");
    await until(async () => (await balance(page)) === "199,900.00", "the balance changes");
    await page.locator("#ledger tr.fresh", { hasText: "By a program" }).waitFor();
    await page.keyboard.type("tence");
    assert.equal(await page.getByLabel("Reason").inputValue(), "Half a sentence");
    await page.getByRole("button", { name: "Withdraw" }).click();
    await until(async () => (await balance(page)) === "199,887.66", "it is booked");

    // Somebody is found as one types, and the list of members follows.
    const kim = await enrol(world, "Kim Found");
    await follow(page);
    await page.getByLabel("Add somebody").pressSequentially("kim fo");
    await page.getByRole("button", { name: "Add Kim Found" }).waitFor();
    await page.waitForURL(/find=kim/);
    await ask(world, "researchers", `/accounts/${account}/members`, { method: "POST", token: ben.token, body: { person: kim.id } });
    await page.locator("#members", { hasText: "Kim Found" }).waitFor();
    await page.locator("#found", { hasText: "is a member" }).waitFor();
    assert.equal(await page.getByLabel("Add somebody").inputValue(), "kim fo");
    assert.ok(await isSame(page));
    assertQuiet(page);
  });

  it("are gone at once for a member who is removed", async () => {
    const [lead, member] = [await enrol(world, "Lea Lead"), await enrol(world, "Mel Member")];
    const account = await grant(lead, "REMOVED");
    const path = `/accounts/${account}/members`;
    await ask(world, "researchers", path, { method: "POST", token: lead.token, body: { person: member.id } });
    page = await world.visitor();
    await signIn(page, world, "researchers", member.email, `/accounts/${account}`);
    await follow(page);
    const list = await world.visitor();
    await signIn(list, world, "researchers", member.email);
    await follow(list);
    await list.locator("#accounts", { hasText: "REMOVED" }).waitFor();
    await ask(world, "researchers", `${path}/${member.id}`, { method: "DELETE", token: lead.token });
    await page.getByRole("heading", { name: /Unknown account/ }).waitFor();
    await until(async () => !(await list.locator("#accounts").innerText()).includes("REMOVED"), "it is gone from the list");
    assert.ok(await isSame(list));
    assertQuiet(page, /404/);
  });

  it("hear of nothing that is others'", async () => {
    const [nan, oto] = [await enrol(world, "Nan Near"), await enrol(world, "Oto Other")];
    const hers = await grant(nan, "HERS");
    const his = await grant(oto, "HIS");
    page = await world.visitor();
    const rooms = heard(page);
    await signIn(page, world, "researchers", nan.email);
    await follow(page);
    const other = await world.visitor();
    const otherRooms = heard(other);
    const seat = await signIn(other, world, "researchers", oto.email, `/accounts/${his}`);
    await follow(other);

    const asked = `account/${hers},person/${nan.id},proposal/1,agency/1,university,account/${his}`;
    const overheard = await overhear(other, seat, asked, async () => {
      for (let round = 1; round <= 3; round += 1) await withdraw(nan, hers, round, `Hers ${round}`);
      await propose(world, nan, "HERS2", 1);
      await page.locator("#accounts", { hasText: "199,999.94" }).waitFor();
      // What comes last is his own, so what came before it was left out.
      await withdraw(oto, his, 1, "His");
      await until(async () => (await other.evaluate(() => globalThis.overheard)).length > 1, "he hears of his own");
    });
    assert.deepEqual([...new Set(overheard)].sort(), [`account/${his}`, "ready"]);
    assert.deepEqual([...new Set(rooms)].sort(), [`person/${nan.id}`, "ready"]);
    const allowed = new Set(["ready", `account/${his}`, `person/${oto.id}`]);
    assert.deepEqual(otherRooms.filter((room) => !allowed.has(room)), []);

    // Nobody listens at somebody else's seat.
    const stranger = await world.visitor();
    await stranger.goto(`${world.urls.researchers}/sign-in`);
    const opened = await stranger.evaluate((address) => new Promise((done) => {
      const socket = new WebSocket(address);
      socket.addEventListener("open", () => done(true));
      socket.addEventListener("close", () => done(false));
    }), `${seat.replace("http", "ws")}/live?rooms=person/${oto.id}`);
    assert.equal(opened, false);
    assertQuiet(page);
    assertQuiet(other);
  });

  it("catch up after a restart without being loaded again, with what was typed", async () => {
    const pat = await enrol(world, "Pat Patient");
    const account = await grant(pat, "RESTART");
    page = await world.visitor();
    await signIn(page, world, "researchers", pat.email, `/accounts/${account}`);
    await follow(page);
    await fill(page, { "Amount in USD": "77", Reason: "Typed before" });
    await world.stop();
    await page.locator("#live", { hasText: "Reconnecting" }).waitFor();
    // Sent before the page knows more than that it was left: asked for first.
    await page.getByRole("button", { name: "Withdraw" }).click();
    await page.locator("#away", { hasText: /wasn’t sent|can’t be reached/ }).waitFor();
    await page.locator("#away", { hasText: "can’t be reached" }).waitFor();
    await page.getByRole("button", { name: "Withdraw" }).click();
    await page.locator("#away", { hasText: "wasn’t sent" }).waitFor();
    assert.equal(await page.getByLabel("Reason").inputValue(), "Typed before");

    // The page's own port is free for this one, which isn't seen by the page.
    await world.start();
    const token = await tokenOf(world, "researchers", pat.email);
    await withdraw({ token }, account, 500, "Meanwhile");
    await page.locator("#ledger", { hasText: "Meanwhile" }).waitFor();
    await page.locator("#live[data-state=live]").waitFor();
    assert.equal(await balance(page), "199,995.00");
    assert.ok(await isSame(page));
    assert.ok(await page.locator("#away").isHidden());
    assert.equal(await page.getByLabel("Amount in USD").inputValue(), "77");
    await page.getByRole("button", { name: "Withdraw" }).click();
    await until(async () => (await balance(page)) === "199,918.00", "it is booked");
    assertQuiet(page, /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|WebSocket connection/);
  });

  it("go on at another server with what was typed when their own is gone", async () => {
    const backup = await World.grants("--database", `sqlite:${join(world.folder, "data", "grants.db")}`);
    try {
      const quinn = await enrol(world, "Quinn Quick");
      const account = await grant(quinn, "FAILOVER");
      page = await world.visitor();
      const seat = await signIn(page, world, "researchers", quinn.email, `/accounts/${account}`);
      await until(async () => {
        await page.goto(`${seat}/accounts/${account}`);
        return (await page.locator("body").getAttribute("data-peers")) === backup.urls.researchers;
      }, "the page knows the backup");
      await follow(page);
      await fill(page, { "Amount in USD": "55", Reason: "Typed at the first one, “ü&#%”" });
      const key = await page.locator("[name=key]").inputValue();
      await world.stop();
      await page.waitForURL((url) => url.origin === backup.urls.researchers && !url.hash);
      assert.equal(new URL(page.url()).pathname, `${new URL(seat).pathname}/accounts/${account}`);
      await page.locator("#live[data-state=live]").waitFor();
      assert.equal(await page.getByLabel("Amount in USD").inputValue(), "55");
      assert.equal(await page.getByLabel("Reason").inputValue(), "Typed at the first one, “ü&#%”");
      assert.equal(await page.locator("[name=key]").inputValue(), key);
      await page.locator("#away", { hasText: "took over" }).waitFor();
      await page.getByRole("button", { name: "Withdraw" }).click();
      await page.locator("#ledger", { hasText: "Typed at the first one" }).waitFor();
      assert.equal(await balance(page), "199,945.00");
      assertQuiet(page, /ERR_CONNECTION_REFUSED|WebSocket connection/);
    } finally {
      await backup.close();
      if (world.server.exitCode !== null) await world.start();
    }
  });
});
