// Runs in the frame: draws what the page asks for and sends the picture back as text.
import mermaid from "mermaid";

const palette = {
  light: { paper: "#ffffff", box: "#f3f4ee", ink: "#1a1f1c", soft: "#454d48", line: "#858d86", accent: "#176a54", accentSoft: "#e6f1ec", note: "#faf0dc" },
  dark: { paper: "#191d1a", box: "#232925", ink: "#e6e9e4", soft: "#b5bdb6", line: "#717a73", accent: "#68c7a9", accentSoft: "#16281f", note: "#2a2114" },
};

function configure(dark) {
  const c = palette[dark ? "dark" : "light"];
  const font = getComputedStyle(document.body).fontFamily;
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: "strict",
    theme: "base",
    fontFamily: font,
    flowchart: { useMaxWidth: true, curve: "basis", padding: 12 },
    sequence: { useMaxWidth: true },
    themeVariables: {
      fontFamily: font,
      fontSize: "14px",
      darkMode: dark,
      background: c.paper,
      primaryColor: c.box,
      primaryTextColor: c.ink,
      primaryBorderColor: c.line,
      secondaryColor: c.accentSoft,
      secondaryTextColor: c.ink,
      secondaryBorderColor: c.accent,
      tertiaryColor: c.paper,
      tertiaryTextColor: c.ink,
      tertiaryBorderColor: c.line,
      lineColor: c.line,
      textColor: c.ink,
      mainBkg: c.box,
      nodeBorder: c.line,
      clusterBkg: c.paper,
      clusterBorder: c.line,
      edgeLabelBackground: c.paper,
      titleColor: c.ink,
      actorBkg: c.box,
      actorBorder: c.line,
      actorTextColor: c.ink,
      actorLineColor: c.line,
      signalColor: c.soft,
      signalTextColor: c.ink,
      labelBoxBkgColor: c.box,
      labelBoxBorderColor: c.line,
      labelTextColor: c.ink,
      loopTextColor: c.ink,
      noteBkgColor: c.note,
      noteBorderColor: c.line,
      noteTextColor: c.ink,
      activationBkgColor: c.accentSoft,
      activationBorderColor: c.accent,
    },
  });
}

/** The page may not parse inline styles: sheets go beside the picture, style attributes become data-style. */
function withoutStyles(text) {
  const svg = new DOMParser().parseFromString(text, "text/html").querySelector("svg");
  const sheets = [...svg.querySelectorAll("style")].map((style) => {
    style.remove();
    return style.textContent;
  });
  for (const node of [svg, ...svg.querySelectorAll("[style]")]) {
    const style = node.getAttribute("style");
    node.removeAttribute("style");
    if (style) node.dataset.style = style;
  }
  return { svg: svg.outerHTML, sheets };
}

let count = 0;
let last = Promise.resolve();

addEventListener("message", (event) => {
  if (event.source !== parent || event.origin !== location.origin) return;
  const { id, source, dark } = event.data;
  last = last.then(async () => {
    try {
      configure(dark);
      const { svg } = await mermaid.render(`diagram-${++count}`, source);
      parent.postMessage({ id, ...withoutStyles(svg) }, location.origin);
    } catch (error) {
      parent.postMessage({ id, error: String(error) }, location.origin);
    }
  });
});

await document.fonts.ready;
parent.postMessage({ ready: true }, location.origin);
