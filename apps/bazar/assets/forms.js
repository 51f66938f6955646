// On every page: a form is sent once, and a cover that can't be had makes room
// for the one that is drawn.

// Ours runs after those of the form's own script, and leaves to them what they
// send themselves.
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

function broken(picture) {
  picture.classList.add("broken");
}

document.addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLImageElement && target.closest(".cover")) broken(target);
  },
  true,
);
for (const picture of document.querySelectorAll(".cover img")) {
  if (picture.complete && picture.naturalWidth === 0) broken(picture);
}
