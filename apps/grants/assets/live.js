// The page as it is now. A socket says where something has changed; the page is
// fetched anew then, and what differs is put in its place. Nothing typed is
// lost: neither when the server restarts, nor when it is gone and another one
// of the same service goes on.

import { putBack, typedIn } from "./drafts.js";

const root = document.documentElement;
const { base, seat, rooms } = root.dataset;
const peers = document.body.dataset.peers.split(" ").filter(Boolean);
const indicator = document.getElementById("live");
const banner = document.getElementById("away");

/** How long after a loss it is tried again, in milliseconds. */
const AGAIN = [200, 500];
/** How often everybody is asked while nobody answers. */
const EVERY = 1000;
/** How long a server may take to say that it is there. */
const PATIENCE = 2000;

const rest = (time) => new Promise((done) => setTimeout(done, time));

function show(state, text) {
  if (indicator.dataset.state !== state) indicator.dataset.state = state;
  const words = document.getElementById("live-text");
  if (words.textContent !== text) words.textContent = text;
}

function say(text) {
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = !text;
}

/** Says that nobody answers, until somebody does. */
function sayAway(text) {
  banner.dataset.away = "";
  say(text);
}

function sayBack() {
  if (banner.dataset.away === undefined) return;
  delete banner.dataset.away;
  say("");
}

// Fetching the page anew.

/** The page's HTML without what scripts and people have made of it. */
function essence(element) {
  const copy = element.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) {
    time.textContent = "";
    time.removeAttribute("title");
    delete time.dataset.local;
  }
  for (const each of [copy, ...copy.querySelectorAll("details, form, .fresh, [aria-busy]")]) {
    each.removeAttribute("open");
    each.removeAttribute("data-sent");
    each.removeAttribute("aria-busy");
    each.classList.remove("fresh");
    if (each.className === "") each.removeAttribute("class");
  }
  return copy.outerHTML;
}

const isSame = (one, other) => essence(one) === essence(other);

/** Rows by what they are of. */
const rowsOf = (region) => new Map([...region.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, row]));

function highlight(old, fresh) {
  const [before, after] = [rowsOf(old), rowsOf(fresh)];
  const changed = [...after].filter(([name, row]) => !before.has(name) || !isSame(before.get(name), row));
  const isGone = [...before.keys()].some((name) => !after.has(name));
  const marked = changed.map(([, row]) => row);
  if (marked.length === 0 || isGone) marked.push(fresh);
  for (const element of marked) element.classList.add("fresh");
}

/** Where the cursor is, so that it can be there again. */
function cursorIn(region) {
  const field = document.activeElement;
  if (!region.contains(field)) return null;
  return { id: field.id, name: field.name, action: field.form?.getAttribute("action"), text: field.textContent };
}

function putCursor(region, cursor) {
  if (!cursor) return;
  const same = [...region.querySelectorAll("a, button, input, select, textarea, summary")].find(
    (field) =>
      (cursor.id && field.id === cursor.id) ||
      (!cursor.id && field.textContent === cursor.text && field.form?.getAttribute("action") === cursor.action),
  );
  same?.focus({ preventScroll: true });
}

function replace(old, fresh) {
  const open = [...old.querySelectorAll("details")].map((fold) => fold.open);
  const [typed, cursor] = [typedIn(old), cursorIn(old)];
  const element = document.adoptNode(fresh);
  const isShown = old.textContent.trim() !== "" || element.textContent.trim() !== "";
  if (isShown) highlight(old, element);
  old.replaceWith(element);
  const folds = [...element.querySelectorAll("details")];
  if (folds.length === open.length) folds.forEach((fold, at) => { fold.open ||= open[at]; });
  putBack(element, typed);
  putCursor(element, cursor);
  element.dispatchEvent(new Event("larder:load", { bubbles: true }));
}

function update(page) {
  let count = 0;
  for (const fresh of page.querySelectorAll("[data-live][id]")) {
    const old = document.getElementById(fresh.id);
    if (!old) continue;
    const hasFields = old.dataset.state !== undefined;
    if (hasFields ? old.dataset.state === fresh.dataset.state : isSame(old, fresh)) continue;
    replace(old, fresh);
    count += 1;
  }
  if (document.title !== page.title) document.title = page.title;
  if (count > 0) document.getElementById("live-said").textContent = "The page shows what has changed.";
}

let isStale = false;
let isUnder = false;

/** Fetches the page; whether it could be had. One fetch at a time, and one more after it. */
async function refresh() {
  isStale = true;
  if (isUnder) return true;
  isUnder = true;
  try {
    while (isStale) {
      isStale = false;
      const { page } = root.dataset;
      const answer = await fetch(page, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) {
        leave(page);
        return true;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const text = await answer.text();
      // What was looked for meanwhile is another page.
      if (page === root.dataset.page) update(new DOMParser().parseFromString(text, "text/html"));
      else isStale = true;
    }
    return true;
  } catch {
    isStale = true;
    return false;
  } finally {
    isUnder = false;
  }
}

/** Shows a page in place of this one. */
function leave(address) {
  isOver = true;
  socket?.close();
  location.replace(address);
}

// The socket, and what to do without it.

let socket = null;
let isOver = false;
let isAway = false;
let isLooking = false;
let wake = () => {};

/** Opens the socket; whether it says that it is ready. */
function listen() {
  return new Promise((done) => {
    const address = new URL(`${seat}/live?rooms=${rooms}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const opened = new WebSocket(address);
    const late = setTimeout(() => opened.close(), PATIENCE);
    opened.addEventListener("message", async ({ data }) => {
      if (opened !== socket) return;
      if (data !== "ready") {
        keepFresh();
        return;
      }
      clearTimeout(late);
      // From here on nothing is missed; what was before is looked up.
      await keepFresh();
      if (opened !== socket) return;
      isAway = false;
      sayBack();
      show("live", "Live");
      done(true);
    });
    opened.addEventListener("close", () => {
      clearTimeout(late);
      done(false);
      if (opened === socket) {
        socket = null;
        if (!isOver) findAgain();
      }
    });
    socket = opened;
  });
}

/** Fetches the page until it can be had, as long as the socket is there. */
async function keepFresh() {
  while (!(await refresh()) && socket && !isOver) await rest(EVERY);
}

async function isThere(address, mode) {
  try {
    const answer = await fetch(`${address}/healthz`, { mode, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    return mode === "no-cors" || answer.ok;
  } catch {
    return false;
  }
}

/** The first of the others that answers; none if none does. */
async function findPeer() {
  try {
    return await Promise.any(
      peers.map(async (peer) => {
        if (!(await isThere(peer, "no-cors"))) throw new Error(peer);
        return peer;
      }),
    );
  } catch {
    return null;
  }
}

/** Goes on at another server, with what was typed. */
function moveTo(peer) {
  const typed = typedIn(document.getElementById("main"));
  // No server sees what stands behind the #.
  const draft = typed.length > 0 ? `#draft=${encodeURIComponent(JSON.stringify(typed))}` : "";
  leave(`${peer}${root.dataset.page.slice(base.length)}${draft}`);
}

/** Listens again: here, or where the service is now. */
async function findAgain() {
  if (isLooking) return;
  isLooking = true;
  show("away", "Reconnecting…");
  for (let tries = 0; !isOver; tries += 1) {
    const nap = new Promise((done) => { wake = done; });
    await Promise.race([rest(AGAIN[tries] ?? EVERY), nap]);
    if (socket || (await listen())) break;
    if (tries + 1 < AGAIN.length) continue;
    if (await isThere(base, "same-origin")) {
      // The server is there: whoever is signed out is told so by the page.
      await refresh();
      continue;
    }
    isAway = true;
    const peer = await findPeer();
    if (peer) {
      moveTo(peer);
      break;
    }
    if (banner.hidden) sayAway("The service can’t be reached just now. What you have typed stays here; the page goes on by itself as soon as it can.");
  }
  isLooking = false;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !socket && !isOver) {
    wake();
    findAgain();
  }
});
addEventListener("pagehide", () => {
  isOver = true;
  socket?.close();
});
addEventListener("pageshow", ({ persisted }) => {
  if (!persisted) return;
  isOver = false;
  isLooking = false;
  findAgain();
});

// A form that nobody would take is kept. While it isn't known whether anybody
// would, that is asked first.
let isSure = false;
document.addEventListener(
  "submit",
  async (event) => {
    if (isSure || (socket && !isAway)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const { target: form, submitter } = event;
    if (await isThere(base, "same-origin")) {
      isSure = true;
      form.requestSubmit(submitter);
      isSure = false;
      return;
    }
    sayAway("The service can’t be reached just now, so this wasn’t sent. It stays here: send it again once the page is live.");
    banner.scrollIntoView({ block: "nearest" });
  },
  true,
);

const draft = /^#draft=(.+)$/.exec(location.hash);
if (draft) {
  history.replaceState(history.state, "", location.pathname + location.search);
  try {
    putBack(document.getElementById("main"), JSON.parse(decodeURIComponent(draft[1])));
    say("This server took over. What you had typed is still here.");
    setTimeout(() => say(""), 8000);
  } catch {
    // Somebody else wrote that address.
  }
}

listen();
