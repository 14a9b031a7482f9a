// docs/widget.md
(async () => {
const { token, dispatch, theme } = document.currentScript.dataset;
const { cards } = await (await fetch(`${dispatch}/in-app/${token}`)).json();
const { texts, question, lowest, highest, review, ...card } = cards[0];
const before = document.activeElement, began = Date.now();
let group, put, sent = Promise.resolve();
const send = (url, said) => fetch(url, { method: "POST", keepalive: true, body: JSON.stringify({ ...said, t: Date.now() - began }) }).catch(() => {});
const save = async (said) => {
  const ok = (await send(card.answer_url, said))?.ok;
  if (ok) put ||= send(card.dismiss_url);
  if (ok) fault.remove();
  else if (done.isConnected) box.append(fault);
  return ok;
};
const el = (name, props, ...kids) => {
  const made = Object.assign(document.createElement(name), props);
  made.append(...kids);
  return made;
};
const close = () => {
  if (!group) send(card.dismiss_url);
  if (root.activeElement) before.focus();
  host.remove();
};
const tell = (title, ...more) => box.replaceChildren(top, el("b", { tabIndex: -1 }, title), ...more);
const choose = ({ target }) => {
  const score = +target.textContent;
  group = card.groups[card.scores.indexOf(score)];
  sent = sent.then(() => save({ score }));
  for (const button of scores.children) button.ariaPressed = button == target;
  ask.textContent = card.follow_ups[group];
  done.onclick = async () => {
    const comment = area.value.trim() || undefined;
    if ((comment || !await sent) && !await save({ score, comment })) return;
    const { title, text } = card.thanks[group];
    const offer = review && group == "promoter" && el("a", { href: review.url, target: "_blank" }, review.label);
    tell(title, text, offer || "");
    top.nextSibling.focus();
  };
  box.append(more, done);
  area.focus();
};

const sheet = new CSSStyleSheet();
sheet.replaceSync(`:host{all:initial!important}
*{box-sizing:border-box}
section{--a:light-dark(#0b5cad,#6cb2ff);display:grid;gap:10px;position:fixed;z-index:2147483647;bottom:16px;inset-inline-end:16px;width:min(384px,100vw - 32px);max-height:90vh;overflow:auto;padding:16px;border-radius:10px;color:CanvasText;font:16px/1.4 system-ui;overflow-wrap:anywhere}
div{display:grid;gap:4px}
p{display:flex;align-items:center;justify-content:space-between;gap:16px;margin:0;font-size:14px}
section,button,textarea{border:1px solid GrayText;background:Canvas}
button,textarea{min-height:44px;border-radius:6px;color:inherit;font:inherit}
[aria-pressed=true],.b{background:var(--a);color:light-dark(#fff,#06182b)}
.x{min-width:44px;margin:-8px;border:0}
textarea{width:100%;margin-top:6px}
a{color:var(--a)}
:focus-visible{outline:3px solid var(--a)}`);
const status = el("span", { role: "status" }), top = el("p", {}, status, el("button", { className: "x", ariaLabel: texts.close, onclick: close }, "×"));
const box = el("section", { role: "dialog", ariaLabel: texts.label, lang: card.locale, dir: card.direction });
const scores = el("div", { role: "group", ariaLabel: `${question} ${lowest} – ${highest}` });
const ask = el("b"), area = el("textarea", { rows: 3, maxLength: 1e4 });
const more = el("label", {}, ask, el("p", {}, texts.hint), area);
const fault = el("b", { role: "alert" }, texts.not_saved || "!");
const done = el("button", { className: "b" }, texts.send);
if (question) {
  for (const score of card.scores) scores.append(el("button", { onclick: choose }, score));
  scores.style.gridTemplateColumns = `repeat(${card.scores.length % 11 || 6},1fr)`;
  box.append(top, el("p", {}, card.about), el("b", {}, question), scores, el("p", { ariaHidden: true }, el("span", {}, lowest), el("span", {}, highest)));
} else tell(card.subject, card.text);
box.style.colorScheme = theme || "light dark";
box.onkeydown = (event) => {
  event.stopPropagation();
  if (event.key == "Escape") close();
};
const host = el("heardback-card"), root = host.attachShadow({ mode: "open" });
root.adoptedStyleSheets = [sheet];
root.append(box);
document.documentElement.append(host);
setTimeout(() => status.append(texts.label), 500);
})().catch(() => {});
