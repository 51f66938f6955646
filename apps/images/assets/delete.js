// Links to the page that asks before deleting an image ask here instead:
// `<a href="/keys/delete?key=…" data-delete="key" data-token="…">`.

const dialog = document.createElement("dialog");
dialog.setAttribute("aria-labelledby", "delete-title");
dialog.innerHTML = `
  <form method="post" action="/keys/delete">
    <h2 id="delete-title">Delete this image?</h2>
    <p class="key"><bdi></bdi></p>
    <p>It goes from memory and from disk. This can’t be undone.</p>
    <p class="actions">
      <button class="danger solid" type="submit">Delete</button>
      <button type="button" data-cancel>Cancel</button>
    </p>
  </form>`;
document.body.append(dialog);
const form = dialog.querySelector("form");
dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

function hidden(name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  return field;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-delete]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  for (const field of form.querySelectorAll("input")) field.remove();
  form.append(hidden("form_token", link.dataset.token), hidden("key", link.dataset.delete));
  if (location.pathname === "/keys") {
    // Back to the same part of the list.
    for (const [name, value] of new URLSearchParams(location.search)) {
      if (["q", "sort", "dir", "limit", "cursor"].includes(name)) form.append(hidden(name, value));
    }
  }
  dialog.querySelector("bdi").textContent = link.dataset.delete;
  dialog.showModal();
});
