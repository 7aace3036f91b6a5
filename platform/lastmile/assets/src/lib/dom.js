import icons from "../icons.json";
import { t } from "./words.js";

/** el("p", {class: "x", hidden: true, onclick: f}, "text", node) */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === false || value == null) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

const svg = "http://www.w3.org/2000/svg";

/** An icon from icons.json. Icons are ours, so their markup may be parsed. */
export function icon(name) {
  const parsed = new DOMParser().parseFromString(`<svg xmlns="${svg}">${icons[name]}</svg>`, "image/svg+xml");
  const node = document.importNode(parsed.documentElement, true);
  node.setAttribute("class", `icon icon-${name}`);
  node.setAttribute("viewBox", "0 0 24 24");
  node.setAttribute("aria-hidden", "true");
  return node;
}

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

export function readJson(id) {
  const node = document.getElementById(id);
  return node ? JSON.parse(node.textContent) : null;
}

/** The cookie's, not the page's: signing in again, in whatever window, makes another. */
export const csrf = () => /(?:^|; )lastmile_csrf=([^;]+)/.exec(document.cookie)?.[1] ?? $("input[name=csrfmiddlewaretoken]")?.value ?? "";

/** Headers of a request that changes something. It says whose page this is: another may have signed in since. */
export const asReader = (more = {}) => ({
  "X-CSRFToken": csrf(),
  "X-Reader": document.documentElement.dataset.reader ?? "",
  Accept: "application/json",
  ...more,
});

/** The way back in, in a window of its own: what is on this page is still there afterwards. */
export const signInLink = () =>
  el("a", { href: document.documentElement.dataset.signIn, target: "_blank", rel: "noopener" }, t("signIn"));

let saying = 0;

/** Says it once to a screen reader. */
export function announce(text) {
  const live = document.getElementById("live");
  if (!live) return;
  live.textContent = "";
  clearTimeout(saying);
  saying = setTimeout(() => (live.textContent = text), 60);
}

export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const stateIcon = (status) =>
  ({
    pass: "passed",
    passed: "passed",
    fail: "failed",
    failed: "failed",
    error: "error",
    internal: "ours",
    withdrawn: "skipped",
    skipped: "skipped",
    waiting: "waiting",
    queued: "waiting",
  })[status] ?? "running";

export function state(status, word) {
  return el("span", { class: "state", "data-status": status }, icon(stateIcon(status)), el("span", {}, word));
}

/** Seconds with one decimal, in the page's words. */
export const oneDecimal = (seconds) => seconds.toFixed(1);
