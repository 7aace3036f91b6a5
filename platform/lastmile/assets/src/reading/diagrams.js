import { $, $$, el } from "../lib/dom.js";
import { t } from "../lib/words.js";

/**
 * Diagrams are drawn in a hidden frame, whose policy lets mermaid write styles, and shown here in a
 * shadow root whose styles are adopted: the page keeps its strict policy and its fonts.
 */
export function start(isDark) {
  const figures = $$("[data-diagram]");
  const frame = el("iframe", { class: "diagram-maker", src: "/diagrams/", title: "", "aria-hidden": "true", tabindex: -1 });
  document.body.append(frame);
  const draw = () => {
    figures.forEach((figure, id) => {
      const source = $(".diagram-source pre", figure).textContent;
      frame.contentWindow.postMessage({ id, source, dark: isDark() }, location.origin);
    });
  };
  addEventListener("message", (event) => {
    if (event.source !== frame.contentWindow || event.origin !== location.origin) return;
    if (event.data.ready) draw();
    else if (event.data.svg) show(figures[event.data.id], event.data);
    else failed(figures[event.data.id]);
  });
  document.addEventListener("themechange", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

function show(figure, { svg: text, sheets }) {
  const picture = $(".diagram-picture", figure);
  const root = picture.shadowRoot ?? picture.attachShadow({ mode: "open" });
  const svg = new DOMParser().parseFromString(text, "text/html").querySelector("svg");
  root.adoptedStyleSheets = [...sheets, "svg{max-width:100%;height:auto}p{margin:0}.node *,.cluster *,.actor{filter:none!important}.node rect{rx:4px;ry:4px}"].map((css) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    return sheet;
  });
  root.replaceChildren(svg);
  for (const node of [svg, ...svg.querySelectorAll("[data-style]")]) node.style.cssText = node.dataset.style ?? "";
  size(figure, svg);
  svg.setAttribute("aria-hidden", "true");
  figure.dataset.drawn = "";
}

/** Wide diagrams may reach into the margin, and scroll before their words get too small to read. */
function size(figure, svg) {
  const natural = svg.viewBox.baseVal.width;
  svg.style.width = `${natural}px`;
  svg.style.maxWidth = "100%";
  svg.style.minWidth = `min(${natural}px, ${Math.round(natural * 0.8)}px)`;
  const wide = natural + 42 > figure.parentElement.clientWidth;
  figure.toggleAttribute("data-wide", wide);
  figure.style.setProperty("--wide", `${natural + 42}px`);
}

function failed(figure) {
  $(".diagram-picture", figure).textContent = t("diagramFailed");
  $("details", figure).open = true;
}
