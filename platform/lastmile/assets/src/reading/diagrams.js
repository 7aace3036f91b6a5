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
    else if (event.data.svg) show(figures[event.data.id], event.data.svg);
    else failed(figures[event.data.id]);
  });
  document.addEventListener("themechange", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

function show(figure, text) {
  const picture = $(".diagram-picture", figure);
  const root = picture.shadowRoot ?? picture.attachShadow({ mode: "open" });
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const svg = parsed.querySelector("svg");
  const sheets = [...svg.querySelectorAll("style")].map((style) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style.textContent);
    style.remove();
    return sheet;
  });
  const own = new CSSStyleSheet();
  own.replaceSync("svg{max-width:100%;height:auto;display:inline-block}p{margin:0}");
  const styled = [svg, ...svg.querySelectorAll("[style]")].map((node) => [node, node.getAttribute("style") ?? ""]);
  for (const [node] of styled) node.removeAttribute("style");
  root.adoptedStyleSheets = [...sheets, own];
  root.replaceChildren(svg);
  for (const [node, style] of styled) node.style.cssText = style;
  svg.setAttribute("aria-hidden", "true");
  figure.dataset.drawn = "";
}

function failed(figure) {
  $(".diagram-picture", figure).textContent = t("diagramFailed");
  $("details", figure).open = true;
}
