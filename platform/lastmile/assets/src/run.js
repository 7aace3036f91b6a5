import { $, readJson } from "./lib/dom.js";
import { Ladder } from "./lib/ladder.js";
import { LogView } from "./lib/log.js";
import { drawTimeline } from "./lib/timeline.js";
import { Session } from "./bench/session.js";

const root = $("[data-run]");
const data = readJson("lab-data");
const log = new LogView(root);
const timeline = $("[data-timeline]", root);
const timelineEmpty = $("[data-timeline-empty]", root);

if (data.run.state === "done") {
  for (const line of readJson("run-log")) {
    log.line(line.at, line.stream, line.command ? `${line.text}\n$ ${line.command}` : line.text);
  }
  log.follow.checked = false;
  log.box.scrollTop = 0;
  log.draw(false);
  drawTimeline(timeline, readJson("run-timeline-data"), timelineEmpty);
} else {
  const session = new Session({
    ladder: new Ladder($("[data-ladder]", root), data.checks),
    log,
    timeline,
    timelineEmpty,
    state: $("[data-verdict-word]", root),
    problems: $("[data-problems]", root),
    firstLine: $("[data-first-line]", root),
    onEnd: () => location.reload(),
  });
  session.follow(data.run);
}
