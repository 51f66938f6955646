// The what-if: curves over a traffic that GDSF serves better than FIFO does, a
// recommendation to apply, figures by pointer, by keyboard and as a table.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, it } from "node:test";
import { landscape, randomness } from "../pictures.js";
import { World, assertQuiet, counts, until } from "../world.js";

const { source: axe } = createRequire(import.meta.url)("axe-core");

const KEYS = 90;
const REQUESTS = 4000;

describe("what if", () => {
  let world;
  let page;

  const ask = async () => (await fetch(`${world.url}/cache/what-if`)).json();

  const change = async (settings) => {
    const answer = await fetch(`${world.url}/cache/settings`, { method: "PATCH", body: JSON.stringify(settings) });
    assert.equal(answer.status, 200, await answer.text());
  };

  /** Reads small images often and large ones now and then. */
  async function read(count) {
    const random = randomness(7);
    for (let number = 0; number < count; number += 20) {
      const some = Array.from({ length: 20 }, () => Math.floor(KEYS * random() ** 2.4));
      await Promise.all(some.map((key) => world.get(`picture-${key}`)));
    }
  }

  before(async () => {
    world = await World.open("--capacity", "256KB", "--policy", "fifo");
    const painter = await world.visitor();
    await painter.goto("about:blank");
    for (let seed = 0; seed < KEYS; seed += 1) {
      const width = seed % 5 === 4 ? 640 : 120;
      await world.put(`picture-${seed}`, await landscape(painter, { seed, width, height: width / 2, type: "image/jpeg" }));
    }
    await painter.context().close();
  });
  after(() => world?.close());
  afterEach(() => page?.context().close());

  it("says how many requests are missing", async () => {
    page = await world.visitor();
    await page.goto("/cache");
    assert.match(await page.locator("#advice").innerText(), /^Not enough requests yet: \d+ of about 1\D?000\.$/);
    assert.equal(await page.locator(".drawing").count(), 0);
    assertQuiet(page);
  });

  it("draws a curve for each policy and recommends what is better, and applies it by a click", async () => {
    await read(REQUESTS);
    for (const javaScriptEnabled of [false, true]) {
      await change({ policy: "fifo" });
      page = await world.visitor({ javaScriptEnabled });
      // A report that is made anew between the two looks may say other figures.
      const recommendation = await until(async () => {
        const { recommendation } = await ask();
        if (recommendation?.present_policy !== "fifo") return false;
        await page.goto("/cache");
        return (await page.locator("#advice").innerText()) === recommendation.sentence && recommendation;
      }, "the page recommends what the API does in place of FIFO");
      const drawing = page.locator(".drawing.broad");
      await counts(drawing.locator("polyline.curve"), 9);
      await counts(page.locator(".ranking li"), 10);
      assert.match(await drawing.locator("text.here").last().textContent(), /^You are here: \d/);
      await page.getByRole("button", { name: /^Apply ./ }).click();
      await page.getByText("The settings are in force").waitFor();
      assert.equal((await (await fetch(`${world.url}/cache/settings`)).json()).policy, recommendation.policy);
      assertQuiet(page);
      await page.context().close();
    }
  });

  it("shows other capacities by keyboard, by pointer and in a table", async () => {
    page = await world.visitor();
    await page.goto("/cache");
    const shown = page.locator("#capacity-shown");
    assert.equal(await shown.innerText(), "256 KB");
    const slider = page.getByLabel("Capacity to look at");
    await slider.focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await shown.innerText(), "512 KB");
    assert.match(await slider.getAttribute("aria-valuetext"), /^512 KB: .*LRU \d+\.\d%/);
    const first = page.locator(".ranking li").first();
    const hue = await first.getAttribute("data-hue");
    await page.getByText("All figures as a table").click();
    const cells = page.locator(`.all-figures tr[data-hue="${hue}"] .cell-hits`);
    assert.equal(await first.locator(".hits").innerText(), await cells.nth(5).innerText());

    const box = await page.locator(".drawing.broad").boundingBox();
    await page.mouse.move(box.x + 4, box.y + box.height / 2);
    assert.equal(await shown.innerText(), "16 KB");
    await page.mouse.move(box.x + box.width / 2, box.y - 80);
    assert.equal(await shown.innerText(), "512 KB");
    assertQuiet(page);
  });

  it("shows byte hits on demand, also without JavaScript", async () => {
    page = await world.visitor({ javaScriptEnabled: false });
    await page.goto("/cache");
    await page.getByRole("link", { name: "Byte hits" }).click();
    await page.getByRole("heading", { name: "Byte hit ratio over capacity" }).waitFor();
    await page.getByText("The recommendation goes by the objective, objects.").waitFor();
    assertQuiet(page);
  });

  it("keeps the autopilot on over a reload, and tells what it did", async () => {
    page = await world.visitor();
    await page.goto("/cache");
    await page.getByRole("checkbox", { name: /^Let the autopilot choose/ }).focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    await page.getByText("The settings are in force").waitFor();
    await page.goto("/cache");
    assert.ok(await page.getByRole("checkbox", { name: /^Let the autopilot choose/ }).isChecked());
    await page.getByRole("heading", { name: "Autopilot’s log" }).waitFor();
    assertQuiet(page);
  });

  for (const colorScheme of ["light", "dark"]) {
    it(`is readable by everybody in ${colorScheme}`, async () => {
      page = await world.visitor({ colorScheme, reducedMotion: "reduce" });
      await page.goto("/cache");
      await page.getByText("All figures as a table").click();
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      const found = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
      assert.deepEqual(found.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
      assertQuiet(page);
    });
  }

  it("fits on a phone", async () => {
    page = await world.visitor({ viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true });
    await page.goto("/cache");
    assert.ok(await page.locator(".drawing.slim").isVisible());
    assert.ok(await page.locator(".drawing.broad").isHidden());
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320);
    assertQuiet(page);
  });
});
