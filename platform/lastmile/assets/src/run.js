import { $, announce, readJson } from "./lib/dom.js";
import { Ladder } from "./lib/ladder.js";
import { LogView, streamNames } from "./lib/log.js";
import { drawMeasures } from "./lib/measures.js";
import { byPlace, drawRefusals } from "./lib/refusals.js";
import { drawTimeline } from "./lib/timeline.js";
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
  const session = new Session({
    ladder: new Ladder($("[data-ladder]", root), data.checks, { kernels: data.kernels }),
    log,
    timeline,
    timelineEmpty,
    measures,
    onMeasure: () => (evidence.hidden = false),
    state: $("[data-verdict-word]", root),
    problems: $("[data-problems]", root),
    firstLine: $("[data-first-line]", root),
    onEnd: () => location.reload(),
  });
  session.follow(data.run);
  $("[data-withdraw]", root)?.addEventListener("click", async () => {
    try {
      await withdraw(data.urls, data.run);
      location.reload();
    } catch (error) {
      if (!error.text) throw error;
      announce(error.text);
      session.tell("failed", error.text);
    }
  });
}
