// The mem-cache server's page: figures that follow what happens, settings, the
// what-if that begins with the first look.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { LOOKS, assertFits } from "../looks.js";
import { randomness } from "../pictures.js";
import { World, assertQuiet, counts, until } from "../world.js";

const KEYS = 240;
const REQUESTS = 4000;

describe("mem-cache", () => {
  const socket = join(tmpdir(), `larder-browser-${process.pid}.sock`);
  const flags = ["--cache-capacity", "256KB", "--policy", "fifo", "--socket", socket];
  let world;
  let page;
  before(async () => { world = await World.cache(...flags); });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  const capacity = () => page.getByLabel("Capacity in MB");
  const autopilot = () => page.getByRole("checkbox", { name: /^Let the autopilot choose/ });
  const apply = () => page.getByRole("button", { name: "Apply", exact: true }).click();
  const use = () => page.locator(".use-head").innerText();
  const figure = (name) => page.locator(`[data-figure="${name}"]`).innerText();
  const settings = async () => (await fetch(`${world.url}/config`)).json();

  async function configure(wanted) {
    const answer = await fetch(`${world.url}/config`, { method: "PUT", body: JSON.stringify(wanted) });
    assert.equal(answer.status, 200, await answer.text());
  }

  const put = (key, bytes) => fetch(`${world.url}/cache/tests/${key}`, { method: "PUT", body: Buffer.alloc(bytes) });

  /** Reads small values often and large ones now and then; what is missing is put there. */
  async function read(count) {
    const random = randomness(7);
    for (let number = 0; number < count; number += 20) {
      const some = Array.from({ length: 20 }, () => Math.floor(KEYS * random() ** 2.4));
      await Promise.all(some.map(async (key) => {
        const answer = await fetch(`${world.url}/cache/tests/${key}`);
        await answer.arrayBuffer();
        if (answer.status === 404) await put(key, key % 5 === 4 ? 16_000 : 1_500);
      }));
    }
  }

  it("says that the what-if begins with a look", async () => {
    page = await world.visitor();
    await page.goto("/");
    assert.match(await page.locator("#advice").innerText(), /^Not enough requests yet: 0 of about 1\D?000\.$/);
    await page.getByText("Requests are simulated only while somebody looks").waitFor();
    assert.equal(await page.locator(".drawing").count(), 0);
    assertQuiet(page);
  });

  it("follows what happens while it is seen", async () => {
    page = await world.visitor();
    await page.goto("/");
    await page.locator("#live-text", { hasText: "Live" }).waitFor();
    await put("one", 1000);
    await (await fetch(`${world.url}/cache/tests/one`)).arrayBuffer();
    await fetch(`${world.url}/cache/tests/none`);
    const client = connect(socket);
    client.write("get tests/one\r\n");
    await until(async () => (await figure("requests")) === "3" && (await figure("connections")) === "1", "all requests are counted");
    assert.deepEqual([await figure("hits"), await figure("misses"), await figure("hit_rate")], ["2", "1", "66.7%"]);
    assert.match(await use(), /1\.\d+ KB of 256 KB · 1 entry · FIFO/);
    client.end();
    await until(async () => (await figure("connections")) === "0", "the client is gone");
    await configure({ capacity_bytes: 1 << 20, policy: "sieve", autopilot: true });
    await until(async () => /of 1 MB · 1 entry · SIEVE · autopilot$/.test(await use()), "new settings are seen");
    await configure({ capacity_bytes: 256 << 10, policy: "fifo", autopilot: false });
    const before = await page.locator("#figures").innerText();
    await page.reload();
    assert.equal(await page.locator("#figures").innerText(), before, "the server writes them in the same way");
    assertQuiet(page);
  });

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? "" : " without JavaScript";

    it(`applies what is chosen, and goes back to the defaults${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/");
      await capacity().fill("12.5");
      await page.getByRole("radio", { name: /^Random/ }).check();
      await page.getByRole("radio", { name: /^Byte hits/ }).check();
      await autopilot().check();
      await apply();
      await page.getByText("The settings are in force").waitFor();
      assert.deepEqual(await settings(), { capacity_bytes: 12.5 * 2 ** 20, policy: "random", objective: "bytes", autopilot: true });
      await page.goto("/");
      assert.equal(await capacity().inputValue(), "12.5");
      assert.ok(await page.getByRole("radio", { name: /^Random/ }).isChecked());
      assert.ok(await autopilot().isChecked());
      assert.match(await use(), /12\.5 MB.*Random/s);

      await page.getByRole("button", { name: "Back to defaults" }).click();
      await page.getByText("back to the settings that it was started with").waitFor();
      assert.equal(await capacity().inputValue(), "0.25");
      assert.ok(!(await autopilot().isChecked()));
      assertQuiet(page);
    });

    it(`refuses a capacity that makes no sense beside its field, and changes nothing${how}`, async () => {
      page = await world.visitor({ javaScriptEnabled });
      for (const wrong of ["x", "", "0", "-3", "1e12"]) {
        await page.goto("/");
        await capacity().fill(wrong);
        await page.getByRole("radio", { name: /^CLOCK/ }).check();
        await apply();
        await page.locator("#capacity-problem").waitFor();
        assert.equal(await capacity().inputValue(), wrong);
        assert.equal(await capacity().getAttribute("aria-invalid"), "true");
        assert.ok(await page.getByRole("radio", { name: /^CLOCK/ }).isChecked());
        assert.deepEqual(await settings(), { capacity_bytes: 256 << 10, policy: "fifo", objective: "objects", autopilot: false });
      }
      assertQuiet(page, /422/);
    });

    it(`is emptied by Clear${how}`, async () => {
      await put("gone", 10);
      page = await world.visitor({ javaScriptEnabled });
      await page.goto("/");
      assert.doesNotMatch(await use(), / 0 entries/);
      await page.getByRole("button", { name: "Clear" }).click();
      await page.getByText("The cache is empty now.").waitFor();
      assert.match(await use(), / 0 entries/);
      assert.equal((await fetch(`${world.url}/cache/tests/gone`)).status, 404);
      assertQuiet(page);
    });
  }

  it("draws the what-if by itself once there were enough requests, and applies what is better", async () => {
    await world.stop();
    await world.start(...flags);
    page = await world.visitor();
    await page.goto(world.url);
    await page.locator("#advice", { hasText: "Not enough requests yet" }).waitFor();
    await read(REQUESTS);
    await page.locator("#what-if .advice.change").waitFor();
    await counts(page.locator(".drawing.broad polyline.curve"), 9);
    assert.equal(await page.locator("#what-if-note").count(), 0);
    assert.equal(await page.locator("#capacity-shown").innerText(), "256 KB");
    await page.getByLabel("Capacity to look at").focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.locator("#capacity-shown").innerText(), "512 KB");

    // A report that is made anew between the two looks may say other figures.
    const told = await until(async () => {
      await page.goto(world.url);
      const told = await (await fetch(`${world.url}/what-if`)).json();
      return (await page.locator("#advice").innerText()) === told.advice && told;
    }, "the page and the API say the same");
    await page.getByRole("button", { name: /^Apply ./ }).click();
    await page.getByText("The settings are in force").waitFor();
    assert.equal((await settings()).policy, told.recommendation.policy);
    assertQuiet(page);
  });

  for (const look of LOOKS) {
    it(`is clean, readable and fits in ${look.name} (${look.viewport.width} px)`, async () => {
      page = await world.visitor({ ...look, reducedMotion: "reduce", baseURL: world.url });
      await page.goto("/");
      await page.locator("#live-text", { hasText: "Live" }).waitFor();
      await page.locator(".drawing").first().waitFor({ state: "attached" });
      await assertFits(page, look, "mem-cache");
      await page.goto("/nothing/here");
      await page.getByRole("heading", { name: "Not Found" }).waitFor();
      await assertFits(page, look, "mem-cache-error");
      assertQuiet(page, /404/);
    });
  }

  it("begins with the settings of the command line after a restart", async () => {
    await configure({ capacity_bytes: 1 << 20, policy: "lru" });
    assert.equal(await world.stop(), 0);
    await world.start(...flags);
    page = await world.visitor({ javaScriptEnabled: false, baseURL: world.url });
    await page.goto("/");
    assert.equal(await capacity().inputValue(), "0.25");
    assert.match(await use(), /FIFO/);
    assertQuiet(page);
  });
});

describe("mem-cache with a token", () => {
  const token = join(tmpdir(), `larder-browser-mem-cache-${process.pid}`);
  let world;
  before(async () => {
    await writeFile(token, "correct horse battery staple\n", { mode: 0o600 });
    world = await World.cache("--admin-token-file", token);
  });
  after(async () => {
    await world?.close();
    await rm(token, { force: true });
  });

  it("asks for it before something changes", async () => {
    const page = await world.visitor();
    await page.goto("/");
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByRole("heading", { name: "Unauthorized" }).waitFor();
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByLabel("Token").fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    assert.equal(await page.locator("#token-problem").innerText(), "This is not the token.");
    await page.getByLabel("Token").fill("correct horse battery staple");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("You are signed in.").waitFor();
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByText("The cache is empty now.").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("You are signed out.").waitFor();
    assertQuiet(page, /401|422/);
    await page.context().close();
  });
});
