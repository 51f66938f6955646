// Buying without leaving the page: the server's own page that asks, and what it
// answers, in a dialog. The form and its key are the server's, so sending it
// again buys nothing twice.

const root = document.documentElement;
const dialog = document.createElement("dialog");
dialog.setAttribute("aria-labelledby", "panel-title");
document.body.append(dialog);
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest?.("[data-close]")) {
    event.preventDefault();
    dialog.close();
  }
});
dialog.addEventListener("close", () => dialog.replaceChildren());

/** Asks the server; puts the notice and the panel of its page into the dialog. */
async function load(address, options) {
  const answer = await fetch(address, { ...options, headers: { Accept: "text/html" } });
  const text = await answer.text();
  const answered = new DOMParser().parseFromString(text, "text/html");
  const panel = answered.getElementById("panel");
  if (!panel) throw new Error("a page without a panel");
  const notice = answered.getElementById("notice");
  dialog.replaceChildren(...(notice ? [notice, panel] : [panel]));
  panel.dispatchEvent(new Event("larder:load", { bubbles: true }));
  panel.querySelector("[autofocus], input:not([type=hidden]), a.primary")?.focus();
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-buy]");
  if (!link) return;
  if (!link.hasAttribute("href") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (root.dataset.loading !== undefined) return;
  root.dataset.loading = "";
  try {
    await load(link.href);
    if (!dialog.open) dialog.showModal();
  } catch {
    location.href = link.href;
  } finally {
    delete root.dataset.loading;
  }
});

/** The total follows the number of copies. */
document.addEventListener("input", ({ target }) => {
  const form = target.closest?.("form[data-buying]");
  if (!form || target.name !== "quantity") return;
  const copies = Number(target.value);
  const cents = Number(form.dataset.price) * (Number.isInteger(copies) && copies > 0 ? copies : 0);
  const dollars = (cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  form.querySelector("[data-total]").textContent = `$${dollars}`;
});

dialog.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.dataset.sent !== undefined) return;
  form.dataset.sent = "";
  const button = form.querySelector("[type=submit]");
  button.textContent = "Buying…";
  try {
    await load(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  } catch {
    // It isn't known whether it was bought: the same form asks again.
    delete form.dataset.sent;
    button.textContent = "Try again";
    let problem = form.querySelector(".field-problem");
    if (!problem) {
      problem = document.createElement("p");
      problem.className = "field-problem";
      problem.setAttribute("role", "alert");
      form.prepend(problem);
    }
    problem.textContent = "The shop didn’t answer. Try again: it is bought once at most.";
  }
});
