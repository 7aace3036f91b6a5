import { $, $$, announce, el, icon } from "../lib/dom.js";
import { t } from "../lib/words.js";

/** "Check yourself": marks the chosen answers, shows their remarks, then opens the explanation. */
export function start() {
  for (const form of $$("[data-question] form")) {
    form.addEventListener("submit", answer);
    form.dataset.live = "yes"; // until then it is a plain form
  }
}

function answer(event) {
  event.preventDefault();
  const question = event.target.closest("[data-question]");
  const choices = $$(".choice", event.target);
  if (!choices.some((choice) => $("input", choice).checked)) return $("input", event.target).focus();
  let right = true;
  for (const choice of choices) {
    const chosen = $("input", choice).checked;
    const wanted = choice.dataset.right === "yes";
    right &&= chosen === wanted;
    $(".mark", choice)?.remove();
    delete choice.dataset.shown;
    const remark = $(".remark", choice);
    if (remark) remark.hidden = !chosen;
    if (!chosen) continue;
    choice.dataset.shown = wanted ? "right" : "wrong";
    const mark = el("span", { class: "state mark", "data-status": wanted ? "passed" : "failed" }, icon(wanted ? "passed" : "failed"), t(wanted ? "right" : "wrong"));
    $("label > span", choice).append(" ", mark);
  }
  question.dataset.answered = right ? "right" : "wrong";
  if (right) $("details", question).open = true;
  announce(t(right ? "allRight" : "notRight"));
}
