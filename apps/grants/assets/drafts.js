// What somebody has typed: read from fields, put back into those of another
// page. Never passwords, which stay where they were typed, nor files.

const KEPT = "input:not([type=password]):not([type=file]):not([type=submit]):not([type=hidden]), textarea, select";

function isTouched(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field instanceof HTMLSelectElement) {
    return [...field.options].some((option) => option.selected !== option.defaultSelected) && !isFirst(field);
  }
  return field.value !== field.defaultValue;
}

/** A choice without a default begins at its first option, which nobody chose. */
function isFirst(select) {
  return select.selectedIndex === 0 && ![...select.options].some((option) => option.defaultSelected);
}

/** Where a form is sent to, whichever server shows it. */
const formOf = (field) => field.form?.getAttribute("action") ?? "";

/** What was typed within `root`. */
export function typedIn(root) {
  const typed = [];
  const forms = new Set();
  for (const field of root.querySelectorAll(KEPT)) {
    if (!field.name || !isTouched(field)) continue;
    const isChoice = field.type === "checkbox" || field.type === "radio";
    typed.push([formOf(field), field.name, field.value, isChoice ? field.checked : null]);
    if (field.form?.method === "post") forms.add(field.form);
  }
  // The same form sent at two servers is still one withdrawal.
  for (const form of forms) {
    const key = form.elements.namedItem("key");
    if (key) typed.push([formOf(key), "key", key.value, null]);
  }
  return typed;
}

/** Puts it back, where the same field of the same form is still there. */
export function putBack(root, typed) {
  for (const [action, name, value, checked] of typed) {
    const fields = [...root.querySelectorAll(`[name="${CSS.escape(name)}"]`)].filter((field) => formOf(field) === action);
    for (const field of fields) {
      if (checked === null) {
        if (field.value !== value) field.value = value;
      } else if (field.value === value) {
        field.checked = checked;
      }
      const fold = field.closest("details");
      if (fold && field.type !== "hidden") fold.open = true;
    }
  }
}
