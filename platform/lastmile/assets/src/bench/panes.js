import { $, $$ } from "../lib/dom.js";
import { tabs } from "../lib/tabs.js";

const KEY = "lab-panes";
const STEP = 2;

/** Three panes that can be resized and folded; on a narrow screen, one at a time. Returns show(view). */
export function panes(root) {
  const kept = read();
  for (const side of ["left", "right"]) if (kept[side]) root.style.setProperty(`--${side}`, `${kept[side]}%`);
  fold(root, kept.folded ?? []);
  for (const splitter of $$("[data-splitter]", root)) resize(root, splitter);
  for (const button of $$("[data-fold], [data-unfold]")) {
    button.addEventListener("click", () => toggle(root, button.dataset.fold ?? button.dataset.unfold));
  }
  const select = tabs($("[data-views]"), (tab) => (root.dataset.view = tab.dataset.view));
  return (view) => {
    if (folded(root).includes(view)) toggle(root, view);
    select(`view-${view}`);
  };
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

const keep = (change) => localStorage.setItem(KEY, JSON.stringify({ ...read(), ...change }));
const folded = (root) => (root.dataset.folded ?? "").split(" ").filter(Boolean);

function fold(root, sides) {
  root.dataset.folded = sides.join(" ");
  for (const splitter of $$("[data-splitter]", root)) {
    const side = splitter.dataset.splitter;
    splitter.setAttribute("aria-valuenow", sides.includes(side) ? 0 : width(root, side));
  }
  for (const button of $$("[data-fold]")) button.setAttribute("aria-expanded", !sides.includes(button.dataset.fold));
  for (const button of $$("[data-unfold]")) button.hidden = !sides.includes(button.dataset.unfold);
}

function toggle(root, side) {
  const sides = folded(root);
  const next = sides.includes(side) ? sides.filter((each) => each !== side) : [...sides, side];
  const pressed = document.activeElement?.matches(`[data-fold="${side}"], [data-unfold="${side}"]`);
  fold(root, next);
  keep({ folded: next });
  if (pressed) $(next.includes(side) ? `[data-unfold="${side}"]` : `[data-fold="${side}"]`, root).focus();
}

const width = (root, side) => parseFloat(root.style.getPropertyValue(`--${side}`)) || 30;

function resize(root, splitter) {
  const side = splitter.dataset.splitter;
  const set = (percent) => {
    if (folded(root).includes(side)) fold(root, folded(root).filter((each) => each !== side));
    const value = Math.round(Math.min(60, Math.max(15, percent)) * 10) / 10;
    root.style.setProperty(`--${side}`, `${value}%`);
    splitter.setAttribute("aria-valuenow", Math.round(value));
    keep({ [side]: value, folded: folded(root) });
  };
  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    splitter.dataset.dragging = "";
  });
  splitter.addEventListener("pointermove", (event) => {
    if (!splitter.hasPointerCapture(event.pointerId)) return;
    const box = root.getBoundingClientRect();
    const part = ((event.clientX - box.left) / box.width) * 100;
    set(side === "left" ? part : 100 - part);
  });
  const end = () => delete splitter.dataset.dragging;
  splitter.addEventListener("pointerup", end);
  splitter.addEventListener("pointercancel", end);
  splitter.addEventListener("dblclick", () => toggle(root, side));
  splitter.addEventListener("keydown", (event) => {
    const grow = { ArrowRight: STEP, ArrowLeft: -STEP }[event.key];
    if (grow) set(width(root, side) + (side === "left" ? grow : -grow));
    else if (event.key === "Enter") toggle(root, side);
    else return;
    event.preventDefault();
  });
}
