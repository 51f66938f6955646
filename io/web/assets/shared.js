// On every page: times in the visitor's own zone, pictures that have no
// smaller variant, and addresses without the code of a notice already shown.

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    time.title = time.textContent;
    time.textContent = format.format(moment);
    time.dataset.local = "";
  }
}

localise(document);
for (const put of ["htmx:load", "larder:load"]) {
  document.addEventListener(put, (event) => localise(event.target));
}

// A picture whose variant can't be made is shown as it is.
document.addEventListener(
  "error",
  ({ target }) => {
    if (!(target instanceof HTMLImageElement) || !target.dataset.original) return;
    const original = target.dataset.original;
    delete target.dataset.original;
    target.src = original;
  },
  true,
);

const here = new URL(location.href);
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(history.state, "", here);
}
