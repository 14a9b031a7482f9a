// Clocks tick by the server's time; the words are those of countdown.py. And the theme's button.

let clockOffset = Number(document.body.dataset.now) - Date.now();

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
}

document.addEventListener("beat", ({ detail }) => (clockOffset = detail - Date.now()));
document.addEventListener("patched", tick);
tick();
setInterval(tick, 1000);

const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const set = document.documentElement.dataset;
  const dark = (set.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  set.theme = dark ? "light" : "dark";
  document.cookie = `theme=${set.theme}; path=/; max-age=31536000; samesite=lax`;
});
