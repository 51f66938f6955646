// Buttons that copy a link: `<button data-copy="/images/…">`.

const toasts = document.getElementById("toasts");

export function toast(text) {
  const note = document.createElement("p");
  note.className = "toast";
  note.textContent = text;
  toasts.replaceChildren(note);
  setTimeout(() => note.remove(), 4000);
}

// A link that is shown to be copied says where it is for everybody.
for (const field of document.querySelectorAll("input.link")) {
  field.value = new URL(field.value, location.href).href;
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers hide the clipboard from plain HTTP on other hosts.
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "sr";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("the browser refuses");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const link = new URL(button.dataset.copy, location.href).href;
  try {
    await copy(link);
    toast("Link copied");
    button.classList.add("did");
    setTimeout(() => button.classList.remove("did"), 1600);
  } catch {
    toast(`Can’t reach the clipboard. The link is ${link}`);
  }
});
