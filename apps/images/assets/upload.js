// The upload page: files dropped, pasted or chosen wait in a list, each with
// its key to edit, and are sent one request each with their progress.

import { bytes } from "./base/format.js";

const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const chooser = document.getElementById("file");
const typed = document.getElementById("key");
const queue = document.getElementById("queue");
const send = document.getElementById("send");
const clear = document.getElementById("clear-done");
const status = document.getElementById("upload-status");
const limit = Number(form.dataset.limit);

/** How many files are sent at one time. */
const AT_ONCE = 2;

const items = [];
let sending = 0;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** The address of an image in the API; see `ImageKey::url`. */
function url(key) {
  // Browsers take `.` and `..` for folders, even encoded.
  if (key === "." || key === "..") return `/image?key=${key}`;
  return `/images/${encodeURIComponent(key)}`;
}

function keyProblem(key) {
  const length = new TextEncoder().encode(key).length;
  if (length === 0) return "Give the image a key.";
  if (length > 512) return `The key is ${length} bytes long; at most 512 are allowed.`;
  if (/\p{Cc}/u.test(key)) return "The key has a control character.";
  return null;
}

class Item {
  constructor(file, key) {
    const id = `item-${items.length}`;
    this.file = file;
    this.state = "ready";
    this.field = element("input", {
      id, type: "text", value: key, autocomplete: "off", spellcheck: false,
    });
    this.field.setAttribute("aria-describedby", `${id}-says`);
    this.field.addEventListener("input", () => {
      this.field.removeAttribute("aria-invalid");
      if (this.state === "failed") this.be("ready", "");
      tidy();
    });
    this.progress = element("progress", { max: 1, value: 0, hidden: true });
    this.progress.setAttribute("aria-label", `Progress of ${file.name}`);
    this.says = element("p", { id: `${id}-says`, className: "says" });
    this.buttons = element("div", { className: "item-buttons" });
    const preview = element("img", { alt: "", src: URL.createObjectURL(file) });
    preview.addEventListener("error", () => preview.classList.add("broken"));
    this.picture = element("span", { className: "thumb big" }, preview);
    this.row = element(
      "li", { className: "item card" },
      this.picture,
      element(
        "div", { className: "item-body" },
        element("label", { htmlFor: id, className: "item-label", textContent: "Key" }),
        this.field,
        element("p", { className: "fine item-meta", textContent: `${file.name} · ${bytes(file.size)}` }),
        this.progress, this.says,
      ),
      this.buttons,
    );
    this.be("ready", "");
    if (file.size > limit) this.be("refused", `The file is larger than ${form.dataset.limitText}.`);
  }

  be(state, text, buttons = []) {
    this.state = state;
    this.row.dataset.state = state;
    this.says.textContent = text;
    this.field.readOnly = state === "sending" || state === "stored";
    this.progress.hidden = state !== "sending";
    const remove = element("button", { type: "button", className: "quiet", textContent: "Remove" });
    remove.setAttribute("aria-label", `Remove ${this.file.name}`);
    remove.addEventListener("click", () => this.remove());
    const canGo = state === "ready" || state === "failed" || state === "refused";
    this.buttons.replaceChildren(...buttons, ...(canGo ? [remove] : []));
  }

  remove() {
    items.splice(items.indexOf(this), 1);
    URL.revokeObjectURL(this.picture.firstChild.src);
    this.row.remove();
    tidy();
    chooser.focus();
  }

  fail(text) {
    const again = element("button", { type: "button", textContent: "Try again" });
    again.addEventListener("click", () => {
      this.be("waiting", "Waiting");
      pump();
    });
    this.be("failed", text, [again]);
  }

  send() {
    const key = this.field.value;
    const problem = keyProblem(key);
    if (problem) {
      this.field.setAttribute("aria-invalid", "true");
      this.be("failed", problem);
      return Promise.resolve();
    }
    this.progress.value = 0;
    const cancel = element("button", { type: "button", className: "quiet", textContent: "Cancel" });
    this.be("sending", "Sending", [cancel]);
    return new Promise((done) => {
      const request = new XMLHttpRequest();
      cancel.addEventListener("click", () => request.abort());
      request.upload.addEventListener("progress", ({ loaded, total }) => {
        this.progress.value = total ? loaded / total : 0;
        const percent = total ? Math.floor((loaded / total) * 100) : 0;
        this.says.textContent = loaded < total ? `Sending, ${percent}%` : "Storing";
      });
      request.addEventListener("load", () => this.answered(request, key));
      request.addEventListener("error", () => this.fail("The connection broke off; nothing was changed."));
      request.addEventListener("abort", () => this.fail("Cancelled; nothing was changed."));
      request.addEventListener("loadend", done);
      request.open("PUT", url(key));
      request.setRequestHeader("Accept", "application/json");
      request.send(this.file);
    });
  }

  answered(request, key) {
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      // Something between us and the server answered; its status must do.
    }
    if (request.status !== 200 && request.status !== 201) {
      this.fail(answer.detail ?? `The server answered with status ${request.status}.`);
      return;
    }
    const link = answer.url ?? url(key);
    const copy = element("button", { type: "button", textContent: "Copy link" });
    copy.dataset.copy = link;
    copy.setAttribute("aria-label", `Copy link to ${key}`);
    const details = element("a", {
      className: "button", href: `/search?key=${encodeURIComponent(key)}`, textContent: "Details",
    });
    details.setAttribute("aria-label", `Details of ${key}`);
    const replaced = answer.replaced_version;
    const text = replaced ? `Replaced version ${replaced}, is version ${answer.version} now` : "Stored";
    this.be("stored", text, [copy, details]);
    const open = element("a", { className: "thumb big", href: link });
    open.setAttribute("aria-label", `Open ${key}`);
    open.append(...this.picture.childNodes);
    this.picture.replaceWith(open);
    this.picture = open;
  }
}

/** Says what there is to do, and marks keys that are used twice. */
function tidy() {
  const ready = items.filter((item) => item.state === "ready" || item.state === "failed");
  const keys = new Map();
  for (const item of ready) keys.set(item.field.value, (keys.get(item.field.value) ?? 0) + 1);
  for (const item of ready.filter((item) => item.state === "ready")) {
    const twice = keys.get(item.field.value) > 1;
    item.says.textContent = twice ? "Several files have this key; the last one sent will stay." : "";
  }
  send.hidden = ready.length === 0;
  send.textContent = ready.length > 1 ? `Upload ${ready.length} images` : "Upload";
  queue.hidden = items.length === 0;
  clear.hidden = !items.some((item) => item.state === "stored");
  drop.classList.toggle("compact", items.length > 0);
}

async function pump() {
  tidy();
  while (sending < AT_ONCE) {
    const next = items.find((item) => item.state === "waiting");
    if (!next) break;
    sending += 1;
    next.send().then(() => {
      sending -= 1;
      pump();
    });
  }
  const of = (state) => items.filter((item) => item.state === state).length;
  if (sending === 0 && of("stored") + of("failed") > 0) {
    const failed = of("failed") ? `, ${of("failed")} failed` : "";
    status.textContent = `${of("stored")} of ${items.length} uploaded${failed}.`;
  }
  tidy();
}

function add(files) {
  document.getElementById("file-problem")?.remove();
  chooser.removeAttribute("aria-invalid");
  for (const file of files) {
    const isOnly = files.length === 1 && items.length === 0;
    const key = (isOnly && typed.value) || file.name;
    const item = new Item(file, key.toWellFormed?.() ?? key);
    items.push(item);
    queue.append(item.row);
  }
  if (files.length > 0) {
    status.textContent = `${files.length} ${files.length === 1 ? "file" : "files"} added.`;
    typed.closest(".field").hidden = true;
  }
  tidy();
}

chooser.addEventListener("change", () => {
  add([...chooser.files]);
  chooser.value = "";
});

let depth = 0;
const isFiles = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragenter", (event) => {
  if (!isFiles(event)) return;
  depth += 1;
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!isFiles(event)) return;
  depth = Math.max(0, depth - 1);
  if (depth === 0) drop.classList.remove("over");
});
// Files that miss the zone would replace the page.
document.addEventListener("dragover", (event) => isFiles(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  if (!isFiles(event)) return;
  event.preventDefault();
  depth = 0;
  drop.classList.remove("over");
  add([...event.dataTransfer.files]);
});

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  if (files.length === 0) return;
  event.preventDefault();
  // The clipboard calls everything `image.png`.
  const now = new Date().toISOString().slice(0, 19).replaceAll(":", "-").replace("T", "-");
  add(files.map((file, number) => {
    const [, end = "png"] = /\.(\w+)$/.exec(file.name) ?? [];
    const name = /^image\.\w+$/.test(file.name) || !file.name
      ? `pasted-${now}${number ? `-${number}` : ""}.${end}`
      : file.name;
    return new File([file], name, { type: file.type });
  }));
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (items.length === 0) {
    chooser.click();
    return;
  }
  for (const item of items) {
    if (item.state === "ready" || item.state === "failed") item.be("waiting", "Waiting");
  }
  pump();
});

tidy();
clear.addEventListener("click", () => {
  for (const item of items.filter((item) => item.state === "stored")) item.remove();
});
