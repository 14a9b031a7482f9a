// Rows by keyboard, many at once, and drafts that survive. For pages with `tbody[data-rows]`, whose
// rows have a link `a[data-panel]` and a checkbox; keys press what has `data-key`, in the open panel
// or in the row where the focus is or was. `[data-opens]` opens a dialog, `[data-reveal]` unfolds.

const byId = (id) => document.getElementById(id);
const drawer = byId("dialog");
const help = byId("keys");
const list = () => document.querySelector("tbody[data-rows]");
const rows = () => [...(list()?.children ?? [])];
let currentId;
let currentAt = 0;
let pending;

function findCurrent() {
  const at = rows().findIndex((row) => row.id === currentId);
  if (at >= 0) currentAt = at;
  return at;
}

document.addEventListener("focusin", ({ target }) => {
  currentId = target.closest("tbody[data-rows] > tr")?.id ?? currentId;
  findCurrent();
});

// The row on which one worked has left, and with it the place to which the focus would return.
drawer.addEventListener("close", () => {
  const next = rows()[currentAt] ?? rows().at(-1);
  if (currentId && findCurrent() < 0) next?.querySelector("a[data-panel]").focus();
});

function step(by) {
  const all = rows();
  const at = findCurrent();
  const row = all[at >= 0 ? at + by : by > 0 ? currentAt : (currentId ? currentAt : all.length) - 1];
  if (!row || (drawer.open && unsent(drawer))) return;
  currentId = row.id;
  const link = row.querySelector("a[data-panel]");
  if (drawer.open) link.click();
  else link.focus();
}

const unsent = (part) => [...part.querySelectorAll("textarea")].some((text) => text.value !== text.defaultValue);

function press(key, scope) {
  const found = scope?.querySelector(`[data-key="${key}"]`);
  if (found?.matches("summary")) unfold(found.parentElement);
  else if (found?.matches("input")) found.select();
  else found?.click();
  return Boolean(found);
}

function unfold(part) {
  if (!part) return;
  const folded = part.closest("details");
  if (folded) folded.open = true;
  part.scrollIntoView({ block: "nearest" });
  const fields = [...part.querySelectorAll("input:not([type=hidden]), select, textarea, .button")];
  const empty = fields.find((field) => field.required && !field.value);
  (empty ?? fields.find((field) => field.matches("textarea")) ?? fields[0] ?? part).focus();
}

function act(key) {
  if (key === "?") return help?.showModal();
  if (pending && document.querySelector("a[data-panel][aria-busy]")) return; // typed too early
  pending = undefined;
  if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
  if (key === "/") return drawer.open || press(key, document);
  const panel = drawer.open ? drawer : document.querySelector("main > #panel");
  if (panel) return press(key, panel);
  const row = currentId && byId(currentId);
  if (!row) return;
  if (key === "x") return row.querySelector("input[type=checkbox]").click();
  if (press(key, row)) return;
  pending = key;
  row.querySelector("a[data-panel]").click();
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = target.matches("input:not([type=checkbox]), textarea, select");
  if (key === "Escape" && typing && !drawer.open) target.blur();
  const keyed = document.querySelector(`[data-key="${CSS.escape(key)}"]`) || "jkx?acwr".includes(key);
  if (typing || key.length > 1 || !keyed || help?.open || localStorage.keys === "off") return;
  event.preventDefault();
  act(key);
});

document.addEventListener("panel", ({ detail }) => {
  restore();
  if (pending) press(pending, drawer);
  else unfold(byId(detail));
  pending = undefined;
});

document.addEventListener("click", (event) => {
  const { target } = event;
  if (event.isTrusted) pending = undefined;
  const opens = target.closest("[data-opens]");
  if (opens) byId(opens.dataset.opens).showModal();
  if (target.closest("[data-shut]") || target.matches("dialog.sheet")) target.closest("dialog").close();
  const reveal = target.closest("a[data-reveal]");
  if (reveal) {
    event.preventDefault();
    unfold(byId(reveal.hash.slice(1)));
  }
});

// The selection.

const boxes = () => [...document.querySelectorAll("tbody[data-rows] input[type=checkbox]")];
let last;

function count() {
  const [all, bar] = [byId("pick-all"), byId("bulk-count")];
  if (!all || !bar) return;
  const picked = boxes().filter((box) => box.checked).length;
  const text = `${picked} selected`;
  if (bar.textContent !== text) bar.textContent = text;
  all.hidden = false;
  all.checked = picked > 0 && picked === boxes().length;
  all.indeterminate = picked > 0 && !all.checked;
}

document.addEventListener("click", ({ target, shiftKey }) => {
  const all = boxes();
  const [from, to] = [all.indexOf(last), all.indexOf(target)].sort((a, b) => a - b);
  if (target.id === "pick-all") for (const box of all) box.checked = target.checked;
  else if (!all.includes(target)) return;
  else if (shiftKey && from >= 0) for (const box of all.slice(from, to)) box.checked = target.checked;
  last = target;
  count();
});

// Drafts: what was typed in a panel comes back when it is opened again, in this tab.

const draft = (field) => `draft ${field.form?.action} ${field.id}`;

document.addEventListener("input", ({ target }) => {
  if (target.matches(".panel textarea")) sessionStorage.setItem(draft(target), target.value);
});

document.addEventListener("reset", ({ target }) => {
  for (const field of target.elements) sessionStorage.removeItem(draft(field));
  setTimeout(count);
});

function restore() {
  for (const field of document.querySelectorAll(".panel textarea")) {
    const text = sessionStorage.getItem(draft(field));
    if (text === null || text === field.value) continue;
    field.value = text;
    field.closest("details").open = true;
  }
}

// Instants in the reader's own time zone.

const format = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

function localTimes() {
  for (const time of document.querySelectorAll("time.at")) {
    if (time.textContent.endsWith("UTC")) time.title = time.textContent;
    const text = format.format(new Date(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

document.addEventListener("patched", () => (count(), localTimes()));
document.addEventListener("panel", localTimes);
const on = byId("keys-on");
if (on) {
  byId("help").hidden = false;
  on.checked = localStorage.keys !== "off";
  on.addEventListener("change", () => (localStorage.keys = on.checked ? "on" : "off"));
}
count();
restore();
localTimes();
