// The console's one script: live patches, forms without reload, a panel, ticking clocks, theme.
// What markup it understands is written in the docstring of heardback.console.

const body = document.body;
const byId = (id) => document.getElementById(id);
const main = byId("main");
const dialog = byId("dialog");
let clockOffset = Number(body.dataset.now) - Date.now();
let position = body.dataset.position;

// Patching: change what differs and nothing else, so that focus and half-typed text stay.

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (Number(fresh.dataset.rev) < Number(old.dataset.rev)) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const wanted = new Set([...fresh.children].map((child) => child.id));
  for (const child of [...old.children]) if (child.id && !wanted.has(child.id)) child.remove();
  const kept = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = child.id ? kept.get(child.id) : at?.nodeName === child.nodeName && !at.id && at;
    if (!match || match.nodeName !== child.nodeName) {
      old.insertBefore(child, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    morph(match, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function keepingFocus(change) {
  const { id } = document.activeElement ?? {};
  change();
  if (id && document.activeElement?.id !== id) byId(id)?.focus({ preventScroll: true });
  tick();
}

function place(fresh) {
  const [old, into, panel] = [byId(fresh.id), byId(fresh.dataset.into), byId("panel")];
  const revision = Number(fresh.dataset.rev);
  if (panel?.dataset.watch === fresh.id && Number(panel.dataset.rev) < revision) refetch();
  if (old && revision < Number(old.dataset.rev)) return;
  const gone = "gone" in fresh.dataset;
  if (into && "partial" in into.dataset) {
    refetch();
    if (gone || !old) return;
  }
  if (gone) old?.remove();
  else if (old) morph(old, fresh);
  if (into && !gone) seat(old ?? fresh, into);
}

function seat(row, into) {
  const after = (other) => other !== row && other.dataset.order > row.dataset.order;
  const next = [...into.children].find(after) ?? null;
  if (row.parentNode !== into || row.nextElementSibling !== next) into.insertBefore(row, next);
}

function apply(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const named = (parent) => [...parent.children].flatMap((child) => (child.id ? child : named(child)));
  keepingFocus(() => named(holder.content).forEach(place));
}

async function load(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

let fetching = false;
let again = false;

async function refetch() {
  again = fetching;
  if (fetching) return;
  fetching = true;
  const [before, url] = [position, location.href];
  try {
    const page = await load(url);
    if (url === location.href) keepingFocus(() => morph(main, page.getElementById("main")));
    if (dialog.open) await showPanel(dialog.dataset.href);
    again ||= position !== before || url !== location.href;
  } catch {
    again = true;
  }
  setTimeout(() => {
    fetching = false;
    if (again) refetch();
  }, 1000);
}

// Live: one tab listens, the others hear it from there; browsers allow few connections a host.

let heardAt = Date.now();

function show(state, text) {
  const live = byId("live");
  live.hidden = false;
  live.dataset.state = state;
  if (live.textContent !== text) live.textContent = text;
}

function receive({ type, id, data }) {
  heardAt = Date.now();
  show("live", "Live");
  if (type === "beat") clockOffset = Number(data) - Date.now();
  const follows = type === "patch" ? position.replace(/\d+$/, (n) => Number(n) + 1) : position;
  position = id;
  if (type === "reset" || id !== follows) refetch();
  else if (type === "patch") apply(data);
}

function listen(url) {
  const channel = new BroadcastChannel(`live ${url}`);
  channel.onmessage = ({ data }) => receive(data);
  const connect = () => {
    const source = new EventSource(`${url}?after=${position}`);
    for (const type of ["patch", "reset", "beat"]) {
      source.addEventListener(type, ({ lastEventId, data }) => {
        const message = { type, id: lastEventId, data };
        channel.postMessage(message);
        receive(message);
      });
    }
    source.onerror = () => {
      show("waiting", "Reconnecting…");
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    };
  };
  const lead = () => new Promise(connect); // never settles: the lock is held while the tab lives
  show("waiting", "Connecting…");
  if (navigator.locks) navigator.locks.request(`live ${url}`, lead);
  else lead();
}

// Forms and the panel.

function say(text) {
  const place = (dialog.open && byId("panel-notice")) || byId("notice");
  place.textContent = text;
}

async function send(form, submitter) {
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form, submitter)),
      headers: { "X-Patch": "1" },
    });
    const html = answer.headers.get("content-type")?.startsWith("text/html");
    if (answer.ok && !("keep" in form.dataset)) form.reset();
    if (html) apply(await answer.text());
    else say((await answer.json()).title);
  } catch {
    say("It was not sent. Check the connection, then try again.");
  } finally {
    form.ariaBusy = null;
  }
}

async function showPanel(href) {
  const [old, panel] = [byId("panel"), (await load(href)).getElementById("panel")];
  if (old?.dataset.watch === panel.dataset.watch) keepingFocus(() => morph(old, panel));
  else dialog.replaceChildren(panel);
  dialog.dataset.href = href;
  if (!dialog.open) dialog.showModal();
  tick();
}

dialog.addEventListener("close", () => dialog.replaceChildren());

document.addEventListener("submit", (event) => {
  const page = "page" in (event.submitter?.dataset ?? {});
  if (page || !event.target.matches("form[data-live]")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-panel]");
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (link && plain) {
    event.preventDefault();
    showPanel(link.href).catch(() => location.assign(link.href));
  }
  if (dialog.open && (event.target === dialog || event.target.closest("[data-close]"))) {
    event.preventDefault();
    dialog.close();
  }
});

let filtering;
document.addEventListener("input", ({ target }) => {
  const form = target.closest("form[data-filter]");
  if (!form) return;
  clearTimeout(filtering);
  filtering = setTimeout(() => {
    const filled = [...new FormData(form)].filter(([, value]) => value);
    history.replaceState(null, "", `${form.action.split("?")[0]}?${new URLSearchParams(filled)}`);
    refetch();
  }, 250);
});

// Clocks tick by the server's time; the words are those of countdown.py.

function duration(seconds) {
  const part = (unit, wrap) => Math.floor((wrap ? seconds % wrap : seconds) / unit);
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 3600) return `${part(60)}:${two(seconds % 60)}`;
  if (seconds < 86400) return `${part(3600)} h ${two(part(60, 3600))} m`;
  return `${part(86400)} d ${two(part(3600, 86400))} h`;
}

function tick() {
  const now = Date.now() + clockOffset;
  for (const clock of document.querySelectorAll("[data-due]")) {
    const left = (Number(clock.dataset.due) - now) / 1000;
    const late = left <= 0;
    const text = duration(Math.floor(Math.abs(left))) + (late ? " late" : "");
    if (clock.textContent !== text) clock.textContent = text;
    const level = late ? "late" : left < 1800 ? "soon" : "ok";
    if (clock.dataset.level !== level) clock.dataset.level = level;
  }
  if (body.dataset.live && Date.now() - heardAt > 40000) show("waiting", "Reconnecting…");
}

const theme = byId("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const set = document.documentElement.dataset;
  const dark = (set.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  set.theme = dark ? "light" : "dark";
  document.cookie = `theme=${set.theme}; path=/; max-age=31536000; samesite=lax`;
});

if (body.dataset.live) listen(body.dataset.live);
tick();
setInterval(tick, 1000);
