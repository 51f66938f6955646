// The list follows what is typed.

const form = document.getElementById("search");
const field = document.getElementById("query");
let waiting;
let under;

async function search() {
  under?.abort();
  under = new AbortController();
  const fields = new URLSearchParams(new FormData(form));
  if (!fields.get("query").trim()) fields.delete("query");
  const query = fields.toString();
  const address = query ? `${form.action}?${query}` : form.action;
  const shop = document.getElementById("shop");
  document.getElementById("listing").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { signal: under.signal, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("shop");
    // A problem is shown as the page that it is.
    if (!answer.ok || !found) throw new Error("no list");
    shop.replaceWith(document.adoptNode(found));
    history.replaceState(history.state, "", address);
  } catch (error) {
    if (error.name !== "AbortError") form.submit();
  }
}

field.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(search, 220);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(waiting);
  search();
});
