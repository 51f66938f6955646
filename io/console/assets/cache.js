// The what-if's curves: a slider, or the pointer, looks at another capacity;
// a policy of the ranking brings out its curve. All figures are in the table.

let box;
let slider;

/** The table's cells of a row, without its head. */
const cells = (selector) => [...document.querySelectorAll(`.all-figures ${selector} > *`)].slice(1);

function show(rung) {
  const head = cells("thead tr")[rung];
  const capacity = head.querySelector(".capacity").textContent;
  document.getElementById("capacity-shown").textContent = capacity;
  const lines = [];
  for (const item of box.querySelectorAll(".ranking li")) {
    const row = item.dataset.hue === undefined ? "tr.limit" : `tr[data-hue="${item.dataset.hue}"]`;
    const cell = cells(row)[rung];
    item.querySelector(".hits").textContent = cell.querySelector(".cell-hits").textContent;
    item.querySelector(".error").textContent = cell.querySelector(".cell-error")?.textContent ?? "";
    lines.push(`${item.querySelector(".who").firstChild.textContent.trim()} ${item.querySelector(".hits").textContent}`);
  }
  slider.setAttribute("aria-valuetext", `${capacity}: ${lines.join(", ")}`);
  for (const drawing of box.querySelectorAll(".drawing")) {
    const cursor = drawing.querySelector(".cursor");
    const at = drawing.dataset.places.split(" ")[rung];
    cursor.setAttribute("d", cursor.getAttribute("d").replace(/^M\S+/, `M${at}`));
    cursor.setAttribute("visibility", rung === Number(box.dataset.here) ? "hidden" : "visible");
  }
}

/** The capacity that is nearest to a place on the screen. */
function nearest(drawing, clientX) {
  const { left, width } = drawing.getBoundingClientRect();
  const x = ((clientX - left) / width) * drawing.viewBox.baseVal.width;
  const away = drawing.dataset.places.split(" ").map((place) => Math.abs(Number(place) - x));
  return away.indexOf(Math.min(...away));
}

function begin() {
  box = document.querySelector(".curves");
  slider = document.getElementById("capacity-seen");
  if (!slider) return;
  // A browser may keep the slider where it was when the page is loaded again.
  slider.value = box.dataset.here;
  show(Number(slider.value));
  slider.addEventListener("input", () => show(Number(slider.value)));
  for (const drawing of box.querySelectorAll(".drawing")) {
    drawing.addEventListener("pointermove", (event) => show(nearest(drawing, event.clientX)));
    drawing.addEventListener("pointerleave", () => show(Number(slider.value)));
    drawing.addEventListener("click", (event) => {
      slider.value = nearest(drawing, event.clientX);
      show(Number(slider.value));
    });
  }
  for (const item of box.querySelectorAll(".ranking li")) {
    const light = (on) => {
      box.classList.toggle("lit", on);
      const kind = item.dataset.hue === undefined ? ".bound" : `.curve[data-hue="${item.dataset.hue}"]`;
      for (const line of box.querySelectorAll(`.drawing ${kind}`)) line.classList.toggle("lit", on);
    };
    item.addEventListener("pointerenter", () => light(true));
    item.addEventListener("pointerleave", () => light(false));
  }
}

begin();
// Where the curves are drawn anew.
document.addEventListener("larder:load", begin);
