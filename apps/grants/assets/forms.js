// On every page: a form is sent once, a list follows what is typed, and the
// menu closes when one looks elsewhere.

// Ours runs after those of the page's own scripts, and leaves to them what
// they keep back.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent !== undefined) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
});

// Back from the next page, the form may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

const menu = document.querySelector("details.me");
document.addEventListener("click", ({ target }) => {
  if (menu?.open && !menu.contains(target)) menu.open = false;
});
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !menu?.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

/** Shows what is found for the words typed so far, in the element that the form names. */
function follow(form) {
  let waiting;
  let under;
  async function look() {
    under?.abort();
    under = new AbortController();
    const fields = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...fields]) if (!value.trim()) fields.delete(name);
    const query = fields.toString();
    const address = query ? `${form.action}?${query}` : form.action;
    const old = document.getElementById(form.dataset.search);
    old.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { signal: under.signal, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.getElementById(form.dataset.search);
      // A problem is shown as the page that it is.
      if (!answer.ok || answer.redirected || !found) throw new Error("no list");
      document.getElementById(form.dataset.search).replaceWith(document.adoptNode(found));
      document.documentElement.dataset.page = page.documentElement.dataset.page;
      history.replaceState(history.state, "", address);
      found.dispatchEvent(new Event("larder:load", { bubbles: true }));
    } catch (error) {
      if (error.name !== "AbortError") form.submit();
    }
  }
  const soon = (wait) => {
    clearTimeout(waiting);
    waiting = setTimeout(look, wait);
  };
  form.addEventListener("input", () => soon(220));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    soon(0);
  });
}
for (const form of document.querySelectorAll("form[data-search]")) follow(form);
