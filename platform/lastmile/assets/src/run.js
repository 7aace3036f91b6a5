import { $, announce, readJson } from "./lib/dom.js";
import { Ladder } from "./lib/ladder.js";
import { LogView, streamNames } from "./lib/log.js";
import { drawMeasures } from "./lib/measures.js";
import { byPlace, drawRefusals } from "./lib/refusals.js";
import { drawTimeline } from "./lib/timeline.js";
import { t } from "./lib/words.js";
import { Session } from "./bench/session.js";
import { withdraw } from "./bench/submit.js";

const root = $("[data-run]");
const data = readJson("lab-data");
const log = new LogView(root, streamNames(data));
const measures = $("[data-measures]", root);
const evidence = $("[data-evidence]", root);
const timeline = $("[data-timeline]", root);
const timelineEmpty = $("[data-timeline-empty]", root);

if (data.run.state === "done") {
  for (const line of readJson("run-log")) {
    log.line(line.at, line.stream, line.command ? `${line.text}\n$ ${line.command}` : line.text, line.kernel);
  }
  log.follow.checked = false;
  log.box.scrollTop = 0;
  log.draw(false);
  drawTimeline(timeline, readJson("run-timeline-data"), timelineEmpty);
  drawMeasures(measures, readJson("run-measures"));
  // the server has listed the same in the same order, without the verifier's own log
  byPlace(readJson("run-diagnostics")).forEach((item, at) => {
    if (item.tool === "verifier") $(`.diagnostics > li:nth-child(${at + 1}) [data-said]`, root).replaceWith(...drawRefusals(item));
  });
} else {
  const title = $("[data-verdict-word]", root);
  const withdrawButton = $("[data-withdraw]", root);
  const whole = $("[data-whole]", root);
  const session = new Session({
    ladder: new Ladder($("[data-ladder]", root), data.checks, { kernels: data.kernels }),
    log,
    timeline,
    timelineEmpty,
    measures,
    onMeasure: () => (evidence.hidden = false),
    state: title,
    problems: $("[data-problems]", root),
    firstLine: $("[data-first-line]", root),
    onEnd: ({ verdict }) => {
      // no reload: it would cut off the verdict that a screen reader is saying
      const focused = document.activeElement === withdrawButton;
      root.dataset.status = verdict;
      title.classList.add("run-verdict");
      withdrawButton?.remove();
      whole.hidden = false;
      if (focused) $("a", whole).focus();
    },
  });
  session.follow(data.run);
  withdrawButton?.addEventListener("click", async () => {
    try {
      const run = await withdraw(data.urls, data.run);
      if (!session.last) session.follow(run); // unless the run's own stream was quicker
      announce(t(run.verdict));
    } catch (error) {
      if (!error.text) throw error;
      announce(error.text);
      session.tell("failed", error.text);
    }
  });
}
