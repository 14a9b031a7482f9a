// Live patches, forms without reload, a panel; the docstring of heardback.console lists the markup.

const body = document.body;
const byId = (id) => document.getElementById(id);
const main = byId("main");
const dialog = byId("dialog");
let position = body.dataset.position;
let asked = 0; // panels so far

// Patching: change what differs and nothing else, so that focus and half-typed text stay.
function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (Number(fresh.dataset.rev) < Number(old.dataset.rev)) return;
  if (old.id.endsWith("notice") && !fresh.textContent) return;
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
  for (const child of [...old.children]) if (child.id && !wanted.has(child.id)) leave(child);
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
    if (!halfTyped(at)) at.remove();
    at = next;
  }
}

// A form may not fit any more when the task moved on; what was typed in it is its author's.
function halfTyped(node) {
  return [...(node.querySelectorAll?.("textarea") ?? [])].some((text) => text.value !== text.defaultValue);
}

function leave(node) {
  if (halfTyped(node)) return;
  const focused = node.contains(document.activeElement);
  const next = node.nextElementSibling ?? node.previousElementSibling;
  node.remove();
  if (focused) next?.querySelector("a, button")?.focus({ preventScroll: true });
}

function keepingFocus(change) {
  const { id } = document.activeElement ?? {};
  change();
  if (id && document.activeElement?.id !== id) (byId(id) ?? byId("panel-title"))?.focus({ preventScroll: true });
  document.dispatchEvent(new Event("patched"));
}

function place(fresh) {
  const [old, into, panel] = [byId(fresh.id), byId(fresh.dataset.into), byId("panel")];
  const revision = Number(fresh.dataset.rev);
  if (panel?.dataset.watch === fresh.id && Number(panel.dataset.rev) < revision) {
    if (dialog.contains(panel)) showPanel(dialog.dataset.href).catch(stale);
    else stale();
  }
  if (old && revision < Number(old.dataset.rev)) return;
  if (old && old.dataset.anew !== fresh.dataset.anew) stale();
  if (into && !wanted(fresh, into)) {
    if (old) leave(old), stale();
    return;
  }
  const gone = "gone" in fresh.dataset;
  const moves = gone || old?.dataset.order !== fresh.dataset.order;
  const beyond = !old && (gone || into?.lastElementChild?.dataset.order < fresh.dataset.order);
  if (into?.dataset.partial === "end" ? moves && !beyond : into && "partial" in into.dataset) {
    stale();
    if (gone || !old) return;
  }
  if (into?.dataset.partial === "end" && beyond) return;
  if (gone) {
    if (old) leave(old);
  } else if (old) morph(old, fresh);
  if (into && !gone) seat(old ?? fresh, into);
}

function wanted(row, into) {
  const says = (name) => row.dataset[name.slice("only".length).toLowerCase()];
  return Object.entries(into.dataset).every(([name, value]) => !/^only/.test(name) || says(name) === value);
}

function seat(row, into) {
  const after = (other) => other !== row && other.dataset.order > row.dataset.order;
  const next = [...into.children].find(after) ?? null;
  if (row.parentNode !== into || row.nextElementSibling !== next) into.insertBefore(row, next);
  if (into.childElementCount > Number(into.dataset.most)) stale();
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

// What others change may wait: as long as fetching it is dear, and until somebody looks.

let [loading, again, resting] = [false, false];

function stale() {
  again = true;
  if (!loading && !resting && !document.hidden) refetch();
}

async function refetch() {
  again = loading;
  if (loading) return;
  loading = true;
  clearTimeout(resting);
  const [began, before, url] = [Date.now(), position, location.href];
  try {
    const page = await load(url);
    if (url === location.href) keepingFocus(() => morph(main, page.getElementById("main")));
    if (dialog.open) await showPanel(dialog.dataset.href);
    again ||= position !== before;
  } catch {
    again = true;
  }
  loading = false;
  const rest = () => ((resting = undefined), again && stale());
  resting = setTimeout(rest, Math.min(1000 + 10 * (Date.now() - began), 10000));
  if (url !== location.href) refetch();
}

document.addEventListener("visibilitychange", () => again && stale());

// Live: one tab listens, the others hear it from there; browsers allow few connections a host.

let heardAt = Date.now();
const isSilent = () => Date.now() - heardAt > 40000;

function show(state, text) {
  const live = byId("live");
  live.hidden = false;
  live.dataset.state = state;
  if (live.textContent !== text) live.textContent = text;
}

function receive({ type, id, data }) {
  heardAt = Date.now();
  show("live", "Live");
  if (type === "beat") document.dispatchEvent(new CustomEvent("beat", { detail: Number(data) }));
  const follows = type === "patch" ? position.replace(/\d+$/, (n) => Number(n) + 1) : position;
  position = id;
  if (type === "reset" || id !== follows) stale();
  else if (type === "patch") apply(data);
}

function listen(url) {
  const channel = new BroadcastChannel(`live ${url}`);
  channel.onmessage = ({ data }) => receive(data);
  let source;
  const connect = () => {
    source?.close();
    source = new EventSource(`${url}?after=${position}`);
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
  const lead = () => {
    connect();
    setInterval(() => isSilent() && connect(), 20000); // a dead connection may look alive for hours
    return new Promise(() => {}); // never settles: the lock is held while the tab lives
  };
  show("waiting", "Connecting…");
  setInterval(() => isSilent() && show("waiting", "Reconnecting…"), 1000);
  if (navigator.locks) navigator.locks.request(`live ${url}`, lead);
  else lead();
}

// Forms and the panel.

function say(text) {
  const place = (dialog.open && byId("panel-notice")) || byId("notice");
  place.textContent = text;
  delete place.dataset.level;
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
    if (answer.ok && !("keep" in form.dataset)) finish(form);
    if (html) apply(await answer.text());
    else say((await answer.json()).title);
  } catch {
    say("It was not sent. Check the connection, then try again.");
  } finally {
    form.ariaBusy = null;
  }
}

function finish(form) {
  form.reset();
  const folded = form.closest("details");
  folded?.querySelector("summary").focus({ preventScroll: true });
  folded?.removeAttribute("open");
  if (dialog.contains(form)) dialog.dataset.href = dialog.dataset.href.split(/[?#]/)[0];
  for (const notice of document.querySelectorAll(".notice[id]")) notice.textContent = "";
}

async function showPanel(href, reveal) {
  const turn = reveal ? ++asked : 0;
  const panel = (await load(href)).getElementById("panel");
  const old = byId("panel");
  if (!panel) throw new Error(`no panel at ${href}`);
  if (reveal ? turn !== asked : !dialog.open || dialog.dataset.href !== href) return; // overtaken
  if (old?.dataset.watch === panel.dataset.watch) keepingFocus(() => morph(old, panel));
  else dialog.replaceChildren(panel);
  dialog.dataset.href = href;
  if (!dialog.open) dialog.showModal();
  document.dispatchEvent(new Event("patched"));
  if (reveal) document.dispatchEvent(new CustomEvent("panel", { detail: new URL(href).hash.slice(1) }));
}

dialog.addEventListener("close", () => (asked++, dialog.replaceChildren()));

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
    openPanel(link);
  }
  if (dialog.open && (event.target === dialog || event.target.closest("[data-close]"))) {
    event.preventDefault();
    dialog.close();
  }
});

async function openPanel(link) {
  link.ariaBusy = "true";
  try {
    await showPanel(link.href, true);
  } catch (error) {
    if (!(error instanceof TypeError)) location.assign(link.href); // its page says why
    else say("It could not be fetched. Check the connection, then try again.");
  }
  link.ariaBusy = null;
}

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

if (body.dataset.live) listen(body.dataset.live);
