// What the kernel's verifier said when it refused a program: one sentence, what helps, and the whole log on demand.
import { el, icon } from "./dom.js";
import { kernelTag } from "./kernels.js";
import { say, t } from "./words.js";

/** Diagnostics, those of one place and one sentence as one; `logs` has the verifier's log of each kernel. */
export function byPlace(diagnostics) {
  const found = new Map();
  for (const item of diagnostics) {
    const key = JSON.stringify([item.tool, item.file, item.line, item.column, item.tool === "verifier" && item.text ? item.text.en : item.message]);
    const known = found.get(key) ?? { ...item, logs: [] };
    if (item.log) known.logs.push({ ...item.log, kernel: item.kernel });
    found.set(key, known);
  }
  return [...found.values()];
}

/** What goes below the place and the sentence of a verifier's diagnostic; [] for any other. */
export function drawRefusals(item) {
  if (item.tool !== "verifier") return [];
  return [
    item.why ? el("p", { class: "soft" }, say(item.why)) : null,
    el("p", { class: "mono verifier-said" }, say(item.message)),
    ...(item.logs ?? []).filter((log) => log.lines.length).map(drawLog),
  ].filter(Boolean);
}

function drawLog(log) {
  const box = el("details", { class: "verifier-log" }, el("summary", {}, t("verifierLog", { n: log.lines.length }), " ", kernelTag(log.kernel)));
  box.addEventListener("toggle", () => box.open && box.childElementCount === 1 && fill(box, log));
  return box;
}

/** The lines are made when they are wanted: there may be two thousand. */
function fill(box, log) {
  const name = t("verifierLogOf", { kernel: log.kernel ? `Linux ${log.kernel}` : "" }).trim();
  const lines = log.lines.map((text, at) => drawLine(text, at, log));
  const pre = el("pre", { tabindex: 0, role: "region", "aria-label": name }, lines);
  const search = el("input", { type: "search", placeholder: t("verifierSearch"), "aria-label": `${t("verifierSearch")} (${name})` });
  const found = el("span", { class: "number", role: "status" });
  const go = el("button", { class: "button button-small", type: "button", onclick: () => reveal(pre, lines[log.refused]) }, t("verifierGo"));
  box.append(
    el("div", { class: "log-tools" }, search, found, log.refused >= 0 ? go : null),
    ...(log.left_out > 0 ? [el("p", { class: "faint small" }, t("verifierCut", { n: log.left_out }))] : []),
    pre,
  );
  searching(search, found, pre, lines, log);
  reveal(pre, lines[log.refused] ?? lines[log.said]);
}

function drawLine(text, at, log) {
  const role = at === log.refused ? "refused" : at === log.said ? "said" : text.startsWith(";") ? "source" : null;
  const mark = role === "refused" ? el("span", { class: "refused-mark" }, icon("failed"), t("verifierRefused")) : null;
  return el("span", { class: "verifier-line", "data-role": role }, mark, el("span", { class: "verifier-text" }, text || " "), "\n");
}

function reveal(pre, line) {
  if (line) pre.scrollTop = line.offsetTop - pre.clientHeight / 3; // the pre is what offsets count from
}

/** Marks what matches; Enter and Shift-Enter go through the lines. */
function searching(search, found, pre, lines, log) {
  let hits = [];
  let here = -1;
  const step = (by) => {
    lines[hits[here]]?.removeAttribute("data-found");
    here = hits.length ? (here + by + hits.length) % hits.length : -1;
    lines[hits[here]]?.setAttribute("data-found", "here");
    reveal(pre, lines[hits[here]]);
    found.textContent = !search.value ? "" : hits.length ? t("found", { at: here + 1, n: hits.length }) : t("foundNone");
  };
  search.addEventListener("input", () => {
    lines[hits[here]]?.removeAttribute("data-found");
    const wanted = search.value.toLowerCase();
    hits = [];
    here = -1;
    lines.forEach((line, at) => {
      const text = log.lines[at];
      const hit = wanted && text.toLowerCase().includes(wanted);
      if (hit) hits.push(at);
      line.querySelector(".verifier-text").replaceChildren(...(hit ? marked(text, wanted) : [text || " "]));
    });
    step(1);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    step(event.shiftKey ? -1 : 1);
  });
}

function marked(text, wanted) {
  const parts = [];
  let rest = 0;
  for (let at = text.toLowerCase().indexOf(wanted); at >= 0; at = text.toLowerCase().indexOf(wanted, rest)) {
    parts.push(text.slice(rest, at), el("mark", {}, text.slice(at, at + wanted.length)));
    rest = at + wanted.length;
  }
  return [...parts, text.slice(rest)];
}
