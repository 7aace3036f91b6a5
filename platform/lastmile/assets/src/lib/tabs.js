import { $$ } from "./dom.js";

/** Makes a role=tablist work: arrows move, panels show. Returns select(id). */
export function tabs(list, onChange = () => {}) {
  const all = () => $$("[role=tab]:not([hidden])", list);
  function select(tab, focus = false) {
    for (const each of all()) {
      const on = each === tab;
      each.setAttribute("aria-selected", on);
      each.tabIndex = on ? 0 : -1;
      const panel = document.getElementById(each.getAttribute("aria-controls"));
      if (panel && !each.dataset.view) panel.hidden = !on;
    }
    if (focus) tab.focus();
    onChange(tab);
  }
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) select(tab);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    const list_ = all();
    const at = list_.indexOf(document.activeElement);
    const next = Math.abs(step) === Infinity ? (step < 0 ? 0 : list_.length - 1) : (at + step + list_.length) % list_.length;
    event.preventDefault();
    select(list_[next], true);
  });
  return (tabOrId) => select(typeof tabOrId === "string" ? document.getElementById(tabOrId) : tabOrId);
}
