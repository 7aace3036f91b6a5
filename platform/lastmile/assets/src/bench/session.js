// One run on a page: its events go to the ladder, the log, the time line, the editor and the verdict.
import { announce, asReader, el, icon, oneDecimal, signInLink, state, stateIcon } from "../lib/dom.js";
import { follow } from "../lib/follow.js";
import { say, t } from "../lib/words.js";
import { drawMeasures } from "../lib/measures.js";
import { byPlace, drawRefusals } from "../lib/refusals.js";
import { drawTimeline } from "../lib/timeline.js";

export class Session {
  /** @param parts {ladder, log, editor?, verdict?, state?, timeline, timelineEmpty, measures?, onMeasure?, problems?, firstLine?, limit?, onEnd?} */
  constructor(parts) {
    Object.assign(this, parts);
    this.reset();
  }

  reset() {
    this.diagnostics = [];
    this.entries = [];
    this.measured = [];
    this.last = null;
    this.ladder.reset();
    this.log.clear();
    this.editor?.show([]);
    if (this.verdict) this.verdict.hidden = true;
    this.drawProblems([]);
    drawTimeline(this.timeline, [], this.timelineEmpty);
    if (this.measures) drawMeasures(this.measures, []);
  }

  /** @param pressedAt performance.now() of the key press, or 0 for a run that was there before */
  follow(run, pressedAt = 0) {
    this.stop?.();
    clearInterval(this.ticking);
    this.reset();
    this.run = run;
    this.pressedAt = pressedAt;
    this.pressed = pressedAt > 0;
    this.quiet = run.state === "done";
    if (this.quiet) this.tell("running", t("loading"));
    if (this.firstLine) this.firstLine.textContent = "";
    const handlers = Object.fromEntries(
      ["queue", "attempt", "state", "step", "diagnostic", "check", "log", "timeline", "traffic", "cost", "verdict", "end"].map((type) => [type, (event) => this[`on_${type}`](event)]),
    );
    this.stop = follow(run.events_url, {
      ...handlers,
      offline: () => {
        clearInterval(this.ticking);
        this.tell("running", t(this.quiet ? "offlineShort" : "offline"));
      },
      gone: (status) => this.gone(status),
      online: () => this.tell("running", this.quiet ? t("loading") : (this.doing ?? t("running"))),
    });
  }

  tell(status, text) {
    this.state?.replaceChildren(...(text ? [state(status, text)] : []));
  }

  /** What is on the page stays; the run goes on without it. */
  gone(status) {
    clearInterval(this.ticking);
    const text = t(status === 401 ? "signedOut" : "notYours");
    this.tell("failed", text);
    this.state?.append(" ", signInLink());
    announce(text);
  }

  on_queue({ position, published = true, again = false, served = true }) {
    const sent = !served ? "queueUnserved" : position ? "queueAhead" : "queueNext";
    const word = published ? sent : again ? "queueAgain" : "queueWaits";
    this.tell("queued", t(word, { n: position }));
  }

  on_attempt({ attempt, reason }) {
    const again = reason !== "first" && attempt > 1;
    if (this.entries.length || this.log.lines.length) this.reset();
    if (again) this.tell("internal", t("again", { n: attempt }));
  }

  on_state({ state: now }) {
    if (now === "done" || this.quiet) return;
    this.doing = t(now);
    this.tell(now, this.doing);
    clearInterval(this.ticking);
    if (now === "grading" && this.limit && this.pressed) this.count_up();
  }

  /** How long the checks have run, and how long they may. Only for a run that this page saw begin. */
  count_up() {
    const begun = performance.now();
    const limit = Math.round(this.limit);
    this.ticking = setInterval(() => {
      const n = Math.round((performance.now() - begun) / 1000);
      this.tell("grading", t("elapsed", { doing: this.doing, n, limit }));
    }, 1000);
  }

  seen() {
    if (!this.pressedAt || !this.firstLine) return;
    this.firstLine.textContent = t("firstLine", { n: ((performance.now() - this.pressedAt) / 1000).toFixed(2) });
    this.pressedAt = 0;
  }

  on_step(event) {
    const took = event.seconds == null ? "" : ` (${t("seconds", { n: oneDecimal(event.seconds) })})`;
    this.log.line(event.at, event.source, say(event.text) + took + (event.command ? `\n$ ${event.command}` : ""), event.kernel);
    this.seen();
  }

  on_log(event) {
    this.log.line(event.at, event.stream, event.text, event.kernel);
    this.seen();
  }

  on_diagnostic(event) {
    this.diagnostics.push(event);
    const place = event.line ? `${event.file}:${event.line}:${event.column}: ` : event.file ? `${event.file}: ` : "";
    if (event.tool !== "build") this.log.line(event.at, event.tool, `${place}${say(event.message)}`, event.kernel);
    const found = byPlace(this.diagnostics);
    this.editor?.show(found.map((item) => ({ ...item, message: [say(item.text), say(item.why), say(item.message)].filter(Boolean).join("\n\n") })));
    this.drawProblems(found);
  }

  on_check(event) {
    this.ladder.set(event);
    this.seen();
    if (event.status === "running") return;
    const check = this.ladder.checks.find((each) => each.id === event.check);
    if (check && event.status !== "skipped") this.log.line(event.at, "grader", t("checkSays", { word: t(event.status), title: check.title }));
    const passed = this.ladder.count("passed");
    if (!this.quiet) this.count?.(passed, this.ladder.checks.length);
  }

  on_timeline({ entries }) {
    this.entries.push(...entries);
    drawTimeline(this.timeline, this.entries, this.timelineEmpty);
  }

  on_traffic(event) {
    this.measured.push(event);
    if (this.measures) drawMeasures(this.measures, this.measured);
    this.onMeasure?.();
  }

  on_cost(event) {
    this.on_traffic(event);
  }

  on_verdict(event) {
    clearInterval(this.ticking);
    this.last = event;
    if (event.total) this.count?.(event.passed, event.total);
    if (this.verdict) this.drawVerdict(event);
    const words = [t(event.verdict), event.total ? t("checksOf", event) : "", say(event.reason)].filter(Boolean).join(" · ");
    if (!this.quiet) announce(words);
    this.tell(event.verdict, t(event.verdict));
  }

  on_end(event) {
    if (this.last?.verdict !== event.verdict && event.verdict) {
      this.on_verdict({ verdict: event.verdict, passed: 0, total: 0, points: 0, of: 0, seconds: 0, reason: null });
    }
    this.onEnd?.(event, this.quiet);
  }

  drawVerdict(event) {
    this.verdict.hidden = false;
    this.verdict.dataset.status = event.verdict;
    const reason = say(event.reason) || (event.verdict === "internal" ? t("internalReason") : "");
    const ran = event.verdict === "pass" || event.verdict === "fail";
    const figures = [
      ran && event.total ? t("checksOf", event) : "",
      ran && event.of ? t("points", event) : "",
      event.seconds ? t("seconds", { n: oneDecimal(event.seconds) }) : "",
    ].filter(Boolean);
    this.verdict.replaceChildren(
      el("p", { class: "word" }, icon(stateIcon(event.verdict)), t(event.verdict)),
      ...(figures.length ? [el("p", { class: "figures-line figures" }, figures.join(" · "))] : []),
      ...(reason ? [el("p", { class: "reason" }, reason)] : []),
      ...(event.verdict === "internal" ? [el("p", { class: "reason" }, t("internalText"))] : []),
      el("p", { class: "actions" }, this.wayToFailed(), el("a", { class: "small", href: this.run.url }, t("openRun"))),
    );
  }

  /** A button that leads to the first check that failed, which may be far below. */
  wayToFailed() {
    if (!this.ladder.firstFailed()) return null;
    const go = () => {
      const failed = this.ladder.firstFailed();
      failed.scrollIntoView({ block: "start" });
      failed.querySelector("summary")?.focus({ preventScroll: true });
    };
    return el("button", { class: "button button-small", type: "button", onclick: go }, t("toFailed"));
  }

  drawProblems(problems) {
    if (!this.problems) return;
    this.problems.hidden = !problems.length;
    if (!problems.length) return this.problems.replaceChildren();
    this.problems.replaceChildren(
      el("p", { class: "callout-title" }, t("problems")),
      ...problems.map((item) =>
        el(
          "div",
          { class: "problem", "data-tool": item.tool },
          item.file
            ? this.editor
              ? el("button", { type: "button", onclick: () => this.goto?.(item) }, `${item.file}${item.line ? `:${item.line}` : ""}`)
              : el("span", { class: "mono" }, `${item.file}${item.line ? `:${item.line}` : ""}`)
            : null,
          " ",
          item.text && item.message ? el("strong", {}, say(item.text)) : say(item.message ?? item.text),
          ...drawRefusals(item),
        ),
      ),
    );
  }
}

/** Opens a hint on the server, which records it. Throws an Error with words for the learner. */
export const hintFrom = (urls) => async (check, level) => {
  let answer;
  try {
    answer = await fetch(`${urls.hint.replace("CHECK", check.id)}?level=${level}`, { method: "POST", headers: asReader() });
  } catch {
    throw new Error(t("network"));
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.text ?? t("status", { n: answer.status }));
  return said;
};

