import { el } from "./dom.js";
import { say } from "./words.js";

export function drawTimeline(root, entries, empty) {
  root.replaceChildren(
    ...entries.map((entry) =>
      el(
        "li",
        { "data-source": entry.source },
        el("span", { class: "at" }, entry.at == null ? "" : Number(entry.at).toFixed(2)),
        el("span", { class: "dot" }),
        el("span", { class: "text" }, el("span", { class: "source" }, entry.source), say(entry.text)),
      ),
    ),
  );
  if (empty) empty.hidden = entries.length > 0;
}
