// What the tests of research funding do with its APIs, and read from its pages.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Everybody's. */
export const PASSWORD = "correct horse battery";

/** The smallest file that passes for a PDF. */
export const PDF = Buffer.from("%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n", "latin1");

/** The limits of the first programme, whose name is “Open call”. */
export const [WITHIN, BELOW, FAR_ABOVE] = ["200000", "150000.50", "1000000.01"];

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.LARDER_BIN ?? resolve(here, "../../target/debug/larder");

/** Asks a service's API; what it answers. */
export async function ask(world, service, path, { method = "GET", token = null, body = undefined } = {}) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(`${world.urls[service]}/api${path}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export async function tokenOf(world, service, email) {
  return (await ask(world, service, "/session", { method: "POST", body: { email, password: PASSWORD } })).token;
}

/** Adds the administrator as an operator does. */
export async function addAdministrator(world) {
  const args = ["grants", "user", "add", "--data", join(world.folder, "data"), "--role", "administrator"];
  const child = spawn(binary, [...args, "--name", "Ada Admin", "--email", "admin@home.example"], { stdio: ["pipe", "ignore", "inherit"] });
  child.stdin.end(`${PASSWORD}\n`);
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
}

/** The administrator, an officer of the first agency and one of the university. */
export async function addOfficers(world) {
  await addAdministrator(world);
  const token = await tokenOf(world, "university", "admin@home.example");
  const [agency] = await ask(world, "university", "/agencies", { token });
  const add = (name, email, role, more) =>
    ask(world, "university", "/people", { method: "POST", token, body: { name, email, password: PASSWORD, role, ...more } });
  await add("Olga Officer", "olga@agency.example", "agency", { agency: agency.id });
  await add("Uwe University", "uwe@uni.example", "university");
  // Enough for all tests.
  const officer = await tokenOf(world, "agency", "olga@agency.example");
  const body = { name: "Open call", budget_cents: 1_000_000_000, minimum_cents: 20_000_000, maximum_cents: 50_000_000 };
  await ask(world, "agency", "/programmes/1", { method: "PUT", token: officer, body });
  return { admin: token, agency };
}

/** A researcher's account; who, with a token. */
export async function enrol(world, name) {
  const email = `${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, ".")}@lab.example`;
  const person = await ask(world, "researchers", "/people", { method: "POST", body: { name, email, password: PASSWORD } });
  return { ...person, token: await tokenOf(world, "researchers", email) };
}

/** Writes a proposal; its number. */
export async function draft(world, author, acronym, amount, more = {}) {
  const body = { programme: 1, acronym, title: `About ${acronym}`, description: "Lines\nof text.", amount_cents: Math.round(amount * 100), ...more };
  return (await ask(world, "researchers", "/proposals", { method: "POST", token: author.token, body })).id;
}

/** Writes a proposal and sends it; its number. */
export async function propose(world, author, acronym, amount, more = {}) {
  const id = await draft(world, author, acronym, amount, more);
  await ask(world, "researchers", `/proposals/${id}/submit`, { method: "POST", token: author.token });
  return id;
}

export const proposalOf = (world, author, id) => ask(world, "researchers", `/proposals/${id}`, { token: author.token });

/** Signs in on a page, which shows `path` of the seat then; the seat's base. */
export async function signIn(page, world, service, email, path = "/") {
  await page.goto(`${world.urls[service]}/sign-in?next=${encodeURIComponent(path)}`);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(/\/s\/[0-9a-f]{8}\//);
  return /^.*\/s\/[0-9a-f]{8}/.exec(page.url())[0];
}

/** The page hears of changes from now on, and is the same one as long as this holds. */
export async function follow(page) {
  await page.locator("#live[data-state=live]").waitFor();
  await page.evaluate(() => { globalThis.isSamePage = true; });
}

export const isSame = (page) => page.evaluate(() => globalThis.isSamePage === true);
export const notice = (page, text) => page.locator("#notice", { hasText: text }).waitFor();
export const badge = (page) => page.locator("#head .state").innerText();
export const balance = async (page) => (await page.locator("[data-balance]").innerText()).replace(/\s.*$/s, "");

/** Fills fields by their labels. */
export async function fill(page, fields) {
  for (const [label, text] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(text);
}
