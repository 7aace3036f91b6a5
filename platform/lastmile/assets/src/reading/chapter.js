import { $, $$, csrf, el } from "../lib/dom.js";
import { t } from "../lib/words.js";

/** Table of contents that follows, links on headings, terms, and the place where the reader stopped. */
export function start() {
  const root = $("[data-chapter]");
  const headings = $$(".prose :is(h2, h3)[id]", root);
  const wide = matchMedia("(min-width: 1000px)");
  const fold = $("[data-toc]", root);
  const unfold = () => (fold.open = wide.matches);
  unfold();
  wide.addEventListener("change", unfold);
  for (const heading of headings) {
    heading.append(el("a", { class: "heading-link", href: `#${heading.id}`, "aria-label": t("link") }, "#"));
  }
  const links = new Map($$(".chapter-toc ol a", root).map((link) => [link.hash.slice(1), link]));
  resume(root, links);
  watch(root, headings, links);
  terms(root);
}

function resume(root, links) {
  const anchor = root.dataset.anchor ?? stored(root)?.anchor;
  const link = links.get(anchor);
  const offer = $("[data-resume]", root);
  if (!link || location.hash || link === [...links.values()][0]) return;
  $("a", offer).href = `#${anchor}`;
  $("[data-resume-name]", offer).textContent = link.textContent;
  offer.hidden = false;
}

const key = (root) => `reading:${root.dataset.chapter}`;

function stored(root) {
  try {
    return JSON.parse(localStorage.getItem(key(root)));
  } catch {
    return null;
  }
}

function watch(root, headings, links) {
  let current = null;
  let timer = 0;
  let moved = false;
  const look = () => {
    const line = innerHeight * 0.3;
    const passed = headings.filter((heading) => heading.getBoundingClientRect().top < line);
    const now = passed.at(-1)?.id ?? "";
    if (now === current) return;
    links.get(current)?.removeAttribute("aria-current");
    current = now;
    const link = links.get(now);
    link?.setAttribute("aria-current", "location");
    const rail = link?.closest(".chapter-toc");
    if (rail && rail.scrollHeight > rail.clientHeight) rail.scrollTop = link.offsetTop - rail.clientHeight / 2;
  };
  const keep = (last = false) => {
    if (!moved) return;
    moved = false;
    const text = $(".prose", root).getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (innerHeight - text.top) / text.height));
    const place = { anchor: current ?? "", part: Math.round(part * 1000) / 1000 };
    localStorage.setItem(key(root), JSON.stringify(place));
    if (!root.dataset.positionUrl) return;
    fetch(root.dataset.positionUrl, {
      method: "PUT",
      keepalive: last,
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
      body: JSON.stringify(place),
    }).catch(() => (moved = true));
  };
  let planned = false;
  addEventListener(
    "scroll",
    () => {
      moved = true;
      clearTimeout(timer);
      timer = setTimeout(keep, 1200);
      if (planned) return;
      planned = true;
      requestAnimationFrame(() => {
        planned = false;
        look();
      });
    },
    { passive: true },
  );
  document.addEventListener("visibilitychange", () => document.hidden && keep(true));
  addEventListener("pagehide", () => keep(true));
  look();
}

function terms(root) {
  let card = null;
  let owner = null;
  let hiding = 0;
  const hide = () => {
    card?.remove();
    owner?.removeAttribute("aria-describedby");
    card = owner = null;
  };
  const later = () => {
    clearTimeout(hiding);
    hiding = setTimeout(hide, 200);
  };
  const show = (link) => {
    clearTimeout(hiding);
    if (owner === link) return;
    hide();
    const entry = document.getElementById(link.hash.slice(1));
    if (!entry) return;
    owner = link;
    card = el("div", { class: "term-card", id: "term-card", role: "tooltip" });
    card.append(...[...entry.childNodes].map((node) => node.cloneNode(true)));
    card.addEventListener("pointerenter", () => clearTimeout(hiding));
    card.addEventListener("pointerleave", later);
    document.body.append(card);
    const place = link.getBoundingClientRect();
    const left = Math.min(Math.max(16, place.left), innerWidth - card.offsetWidth - 16);
    const below = place.bottom + 8 + card.offsetHeight < innerHeight;
    card.style.left = `${left + scrollX}px`;
    card.style.top = `${(below ? place.bottom + 8 : place.top - card.offsetHeight - 8) + scrollY}px`;
    link.setAttribute("aria-describedby", "term-card");
  };
  for (const link of $$("a.term", root)) {
    link.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(link));
    link.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && later());
    link.addEventListener("focus", () => show(link));
    link.addEventListener("blur", later);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      show(link);
    });
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}
