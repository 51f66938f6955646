// The stock as it changes: badges, and the buttons to buy. The server says the
// latest of each book; when it begins to listen the page asks for all that it shows.

import { count } from "./base/format.js";

const base = document.documentElement.dataset.base;

/** As the server writes it (`pages/view.rs`). */
function words(quantity) {
  if (quantity === 0) return ["Sold out", "out"];
  if (quantity <= 10) return [`Only ${quantity} left`, "few"];
  return [`${count(quantity)} in stock`, "in"];
}

function show(id, quantity) {
  const [text, state] = words(quantity);
  for (const badge of document.querySelectorAll(`[data-stock="${id}"]`)) {
    if (badge.textContent === text) continue;
    badge.textContent = text;
    badge.dataset.state = state;
    badge.classList.remove("changed");
    // The animation begins anew.
    void badge.offsetWidth;
    badge.classList.add("changed");
  }
  for (const button of document.querySelectorAll(`[data-buy="${id}"]`)) {
    if (button instanceof HTMLButtonElement) {
      button.disabled = quantity === 0;
    } else if (quantity === 0) {
      button.removeAttribute("href");
      button.setAttribute("role", "link");
      button.setAttribute("aria-disabled", "true");
    } else {
      button.href = button.dataset.href;
      button.removeAttribute("role");
      button.removeAttribute("aria-disabled");
    }
  }
}

/** What the page would show now. */
async function catchUp() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const badge of page.querySelectorAll("[data-stock]")) {
    const digits = badge.textContent.replaceAll(/\D/g, "");
    show(badge.dataset.stock, digits === "" ? 0 : Number(digits));
  }
}

let events = null;

function listen() {
  events?.close();
  events = new EventSource(`${base}/events`);
  events.addEventListener("stock", ({ data }) => {
    const { id, quantity } = JSON.parse(data);
    show(id, quantity);
  });
  // From here on nothing is missed; what was before is looked up.
  events.addEventListener("open", () => catchUp().catch(() => {}));
  const opened = events;
  opened.addEventListener("error", () => {
    // The browser tries again by itself, unless the answer was no stream.
    if (opened.readyState !== EventSource.CLOSED) return;
    setTimeout(() => {
      if (events === opened && !document.hidden) listen();
    }, 3000);
  });
}

// A page that nobody sees holds no connection: browsers allow a site few.
document.addEventListener("visibilitychange", () => {
  events?.close();
  events = null;
  if (!document.hidden) listen();
});
addEventListener("pagehide", () => events?.close());
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) listen();
});
if (!document.hidden) listen();
