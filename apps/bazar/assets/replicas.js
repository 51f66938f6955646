// The figures each second, each in its place; who knew a book, asked again and
// again.

import { bytes, count, nanoseconds, percent } from "./base/format.js";

const base = document.documentElement.dataset.base;
const state = document.getElementById("state");

function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** Rows by name and address. */
const key = (name, address) => `${name} ${address}`;

function showReplica(row, replica) {
  const field = (name) => row.querySelector(`[data-field="${name}"]`);
  for (const name of ["in_flight", "served", "failed"]) put(field(name), count(replica[name]));
  for (const name of ["p50_us", "p99_us"]) put(field(name), nanoseconds(replica[name] * 1000));
}

function showMemory(cache) {
  const figure = (name) => document.querySelector(`[data-figure="${name}"]`);
  const note = (name) => document.querySelector(`[data-note="${name}"]`);
  put(figure("hit_ratio"), percent(cache.requests ? cache.hits / cache.requests : null));
  put(figure("requests"), count(cache.requests));
  put(figure("items"), count(cache.items));
  put(note("items"), cache.max_items ? `of ${count(cache.max_items)} at most` : "");
  put(figure("size"), bytes(cache.size_bytes));
  put(note("size"), `of ${bytes(cache.capacity_bytes)}`);
  put(figure("evictions"), count(cache.evictions));
}

/** The table as the server draws it now: somebody came, went or fell silent. */
async function redraw() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("#replicas tbody");
  const old = document.querySelector("#replicas tbody");
  const focused = document.activeElement?.closest?.("tr")?.dataset.replica;
  old.replaceWith(document.adoptNode(fresh));
  if (focused) document.querySelector(`tr[data-replica="${CSS.escape(focused)}"] button`)?.focus();
}

async function look() {
  const answer = await fetch(`${base}/replicas/status`);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const { replicas, stopped, cache } = await answer.json();
  showMemory(cache);
  const rows = new Map();
  for (const row of document.querySelectorAll("tr[data-replica]")) {
    rows.set(key(row.dataset.replica, row.dataset.address), row);
  }
  let isSame = true;
  const there = replicas.filter(({ name }) => !stopped.includes(name));
  for (const replica of there) {
    const row = rows.get(key(replica.name, replica.address));
    if (row?.dataset.state === (replica.is_up ? "up" : "down")) showReplica(row, replica);
    else isSame = false;
  }
  for (const name of stopped) {
    if (rows.get(key(name, ""))?.dataset.state !== "stopped") isSame = false;
  }
  if (!isSame || rows.size !== there.length + stopped.length) await redraw();
}

async function watch() {
  for (;;) {
    if (!document.hidden) {
      try {
        await look();
        state.dataset.state = "live";
        put(state.querySelector(".live-text"), "live");
      } catch {
        state.dataset.state = "away";
        put(state.querySelector(".live-text"), "no answer");
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
watch();

const form = document.getElementById("ask");
const answers = document.getElementById("answers");

function line(kind, badge, title, rest) {
  const item = document.createElement("li");
  const mark = Object.assign(document.createElement("span"), { className: `badge ${kind}`, textContent: badge });
  const name = Object.assign(document.createElement("bdi"), { textContent: title });
  const who = Object.assign(document.createElement("span"), { className: "soft", textContent: rest });
  item.append(mark, " ", name, " ", who);
  answers.prepend(item);
  while (answers.children.length > 6) answers.lastElementChild.remove();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const began = performance.now();
  try {
    const answer = await fetch(`${base}/info/${encodeURIComponent(form.ask.value.trim())}`);
    const took = nanoseconds((performance.now() - began) * 1e6);
    const told = await answer.json();
    if (!answer.ok) {
      line("", String(answer.status), told.detail, `in ${took}`);
      return;
    }
    const cache = answer.headers.get("x-cache") ?? "–";
    const by = answer.headers.get("x-served-by") ?? "";
    line(cache === "miss" ? "store" : "memory", cache, told.title, `from ${by} in ${took}, seen from here`);
  } catch {
    line("", "–", "The front end doesn’t answer.", "");
  }
});
