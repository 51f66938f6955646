// What the cache does, every two seconds while the page is seen; the what-if
// as often until it has something to tell, then more seldom, and not while
// somebody is at it.

import { bytes, count, percent } from "./base/format.js";

const EVERY = 2000;
/** Looks at the figures for one at the what-if. */
const SELDOM = 5;

const live = document.getElementById("live");
const figures = document.getElementById("figures");
const line = document.querySelector(".use-head p");
const bar = document.querySelector(".use .bar");

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function say(state, text) {
  live.dataset.state = state;
  put(live.lastElementChild, text);
}

/** What the form calls a policy. */
function title(policy) {
  const choice = document.querySelector(`input[name="policy"][value="${CSS.escape(policy)}"]`);
  return choice?.closest("label").querySelector("strong").textContent ?? policy;
}

function show(stats) {
  const figure = (name) => figures.querySelector(`[data-figure="${name}"]`);
  put(figure("hit_rate"), percent(stats.requests ? stats.hits / stats.requests : null));
  for (const name of ["requests", "hits", "misses", "items", "inserts", "evictions", "connections"]) {
    put(figure(name), count(stats[name]));
  }
  const { items, size_bytes: size, capacity_bytes: capacity } = stats;
  const entries = `${count(items)} ${items === 1 ? "entry" : "entries"}`;
  const pilot = stats.autopilot ? " · autopilot" : "";
  put(line.firstElementChild, bytes(size));
  line.lastChild.data = ` of ${bytes(capacity)} · ${entries} · ${title(stats.policy)}${pilot}`;
  bar.value = Math.max(Math.floor((size * 100) / Math.max(capacity, 1)), size > 0 ? 1 : 0);
  put(bar, `${bar.value}%`);
}

/** Whether the visitor is at the what-if, or has left it at another capacity. */
function isInHand(section) {
  const slider = section.querySelector("#capacity-seen");
  const isMoved = slider && slider.value !== section.querySelector(".curves").dataset.here;
  return isMoved || section.matches(":hover, :focus-within") || section.querySelector("details[open]");
}

/** The what-if as it was drawn last, before scripts changed it. */
let drawn;

/** Puts the what-if in place as the server draws it now. */
async function drawAgain() {
  const answer = await fetch(`/${location.search}`, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [old, fresh] = [document, page].map((from) => from.getElementById("what-if"));
  if (isInHand(old) || fresh.outerHTML === drawn) return;
  drawn = fresh.outerHTML;
  old.replaceWith(document.adoptNode(fresh));
  fresh.dispatchEvent(new CustomEvent("larder:load", { bubbles: true }));
}

let looks = 0;

async function look() {
  try {
    const answer = await fetch("/stats");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
    looks += 1;
    const isWaiting = document.querySelector("#what-if .advice.wait") !== null;
    if (isWaiting || looks % SELDOM === 0) await drawAgain();
    say("live", "Live");
  } catch {
    say("away", "The server doesn’t answer");
  }
}

let next;

async function follow() {
  clearTimeout(next);
  if (document.hidden) return;
  await look();
  clearTimeout(next);
  next = setTimeout(follow, EVERY);
}

document.addEventListener("visibilitychange", follow);
follow();
