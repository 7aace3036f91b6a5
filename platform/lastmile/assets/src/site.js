import { $, $$, el } from "./lib/dom.js";
import { keepTimes } from "./lib/ago.js";
import { t } from "./lib/words.js";

document.documentElement.classList.remove("no-js");

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

const changed = () => document.dispatchEvent(new CustomEvent("themechange"));

const themeSwitch = $("[data-theme-switch]");
if (themeSwitch) {
  themeSwitch.hidden = false;
  const show = () => themeSwitch.setAttribute("aria-pressed", isDark());
  show();
  themeSwitch.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    document.cookie = `theme=${chosen}; path=/; max-age=31536000; samesite=lax`;
    changed();
  });
  document.addEventListener("themechange", show);
}

// until somebody chooses, the page looks as the system does
dark.addEventListener("change", () => document.documentElement.dataset.theme || changed());

const menu = $("[data-menu]");
if (menu) {
  document.addEventListener("click", (event) => menu.contains(event.target) || (menu.open = false));
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      menu.open = false;
      $("summary", menu).focus();
    }
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = $("pre", button.closest("figure")).textContent;
  await navigator.clipboard.writeText(text);
  const word = button.textContent;
  button.textContent = t("copied");
  setTimeout(() => (button.textContent = word), 1500);
});

keepTimes();

if ($("[data-question]")) import("./reading/questions.js").then((module) => module.start());
if ($("[data-chapter]")) import("./reading/chapter.js").then((module) => module.start());
if ($("[data-diagram]")) import("./reading/diagrams.js").then((module) => module.start(isDark));
