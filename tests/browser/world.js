// What every browser test needs: a real Larder on a free port, a real
// Chromium, and visitors whose pages must stay free of errors.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.LARDER_BIN ?? resolve(here, "../../target/debug/larder");

/** How long a condition may take to come true, in milliseconds. */
export const DEADLINE = 15_000;

/** The programs, each on free ports. */
const STORE = ["serve", "--only", "images,cache", "--listen", "127.0.0.1:0", "--cache-listen", "127.0.0.1:0"];
const CACHE = ["cache", "--cache-listen", "127.0.0.1:0", "--memcached-listen", "127.0.0.1:0"];
const SHOP = ["bazar", "--listen", "127.0.0.1:0"];
const GRANTS = ["grants"];
const MOUNTED = ["serve", "--only", "images,grants", "--listen", "127.0.0.1:0"];

export class World {
  /** The pages of those who came and weren't seen off. */
  #visitors = [];

  /** Starts a server with an empty store and a browser. */
  static open(...flags) {
    return World.#of(STORE, flags);
  }

  /** Starts an empty mem-cache server and a browser. */
  static cache(...flags) {
    return World.#of(CACHE, flags);
  }

  /** Starts the bookstore with its first books, all in one process, and a browser. */
  static shop(...flags) {
    return World.#of(SHOP, flags);
  }

  /** Starts the three services of research funding with nobody in them, and a browser. */
  static async grants(...flags) {
    // Below the ports that systems give away, so that a restart finds them free.
    const port = 20_000 + 3 * Math.floor(Math.random() * 4_000);
    const world = await World.#of([...GRANTS, "--listen", `127.0.0.1:${port}`], flags);
    world.urls = Object.fromEntries(
      ["university", "agency", "researchers"].map((service, offset) => [service, `http://127.0.0.1:${port + offset}`]),
    );
    return world;
  }

  /** Starts the image store, which shows the three services under `/grants`, and a browser. */
  static async mountedGrants() {
    const world = await World.#of(MOUNTED, []);
    world.urls = Object.fromEntries(["university", "agency", "researchers"].map((service) => [service, `${world.url}/grants/${service}`]));
    return world;
  }

  static async #of(program, flags) {
    const world = new World();
    world.program = program;
    world.folder = await mkdtemp(join(tmpdir(), "larder-browser-"));
    await world.start(...flags);
    world.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
    });
    return world;
  }

  /** Starts the server on the store that is there. */
  async start(...flags) {
    const data = this.program === CACHE ? [] : ["--data", join(this.folder, "data")];
    this.server = spawn(binary, [...this.program, ...data, ...flags]);
    this.said = "";
    this.server.stderr.on("data", (text) => (this.said += text));
    this.ended = new Promise((done) => this.server.once("exit", done));
    this.url = await new Promise((found, failed) => {
      const late = setTimeout(() => failed(new Error(`no address within ${DEADLINE} ms: ${this.said}`)), DEADLINE);
      this.server.once("error", failed);
      this.server.once("exit", (code) => failed(new Error(`${binary} ended with ${code}: ${this.said}`)));
      createInterface({ input: this.server.stdout }).on("line", (line) => {
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
        if (!address) return;
        clearTimeout(late);
        found(address[0]);
      });
    });
  }

  /** Asks the server to end, as a service manager would; says its exit code. */
  async stop() {
    this.server.kill("SIGTERM");
    return this.ended;
  }

  async close() {
    await this.browser?.close();
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A new visitor, with cookies and storage of their own. */
  async visitor(options = {}) {
    const context = await this.browser.newContext({ baseURL: this.url, locale: "en-GB", ...options });
    context.setDefaultTimeout(DEADLINE);
    const page = await context.newPage();
    const problems = [];
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(`${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    page.problems = problems;
    this.#visitors.push(page);
    return page;
  }

  /** Closes what its visitors have open: after each test, where there are several. */
  async seeOff() {
    for (const page of this.#visitors.splice(0)) await page.context().close();
  }

  /** Stores a picture through the API. */
  async put(key, bytes) {
    const answer = await fetch(`${this.url}/images/${encodeURIComponent(key)}`, { method: "PUT", body: bytes });
    assert.ok(answer.ok, `${key}: ${answer.status} ${await answer.clone().text()}`);
    return answer.json();
  }

  /** Reads an image through the API. */
  async get(key, query = "") {
    const answer = await fetch(`${this.url}/images/${encodeURIComponent(key)}${query}`);
    assert.equal(answer.status, 200, key);
    return Buffer.from(await answer.arrayBuffer());
  }

  /** Deletes every image. */
  async empty() {
    const answer = await fetch(`${this.url}/api/delete_all`, { method: "POST" });
    assert.equal(answer.status, 200);
  }
}

/** Waits until `condition` holds; its last value. A page that is just loading fails it. */
export async function until(condition, what) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const value = await condition().catch(() => false);
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${DEADLINE} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Waits until so many elements are there: a click doesn't wait for the page that it leads to. */
export async function counts(locator, expected) {
  await until(async () => (await locator.count()) === expected, `there are ${expected} of ${locator}`);
}

/** Nothing went wrong on the visitor's pages, but for what is `expected`. */
export function assertQuiet(page, expected = null) {
  const problems = page.problems.filter((problem) => !expected?.test(problem));
  assert.deepEqual(problems, []);
}

/** Drops files on an element, as the desktop would. */
export async function dropFiles(page, selector, files) {
  const transfer = await transferOf(page, files);
  for (const type of ["dragenter", "dragover", "drop"]) {
    await page.dispatchEvent(selector, type, { dataTransfer: transfer });
  }
}

/** Pastes files into the page. */
export async function pasteFiles(page, files) {
  const transfer = await transferOf(page, files);
  await page.evaluate((clipboardData) => {
    const target = document.activeElement ?? document.body;
    target.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, transfer);
}

async function transferOf(page, files) {
  const plain = files.map(({ name, mimeType, buffer }) => ({ name, mimeType, data: buffer.toString("base64") }));
  return page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, mimeType, data } of files) {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type: mimeType }));
    }
    return transfer;
  }, plain);
}
