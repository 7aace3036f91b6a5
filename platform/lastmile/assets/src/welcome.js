// Plays a run that was really graded, at the speed at which it happened.
import { $, el, readJson, state } from "./lib/dom.js";
import { Ladder } from "./lib/ladder.js";
import { say, t } from "./lib/words.js";

const root = $("[data-replay]");
const recorded = readJson("recorded");
const ladder = new Ladder($("[data-ladder]", root), recorded.checks);
const clock = $("[data-clock]", root);
const verdict = $("[data-verdict]", root);
const again = $("[data-again]", root);
const pause = $("[data-pause]", root);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const events = recorded.events.filter((event) => ["check", "verdict", "state"].includes(event.type));

function apply(event) {
  if (event.type === "check") {
    ladder.set(event);
    const now = ladder.root.querySelector(`[data-check="${event.check}"]`);
    if (event.status !== "skipped") ladder.root.scrollTop = now.offsetTop - ladder.root.clientHeight / 3;
  }
  if (event.type === "state" && event.state !== "done") verdict.replaceChildren(state(event.state, t(event.state)));
  if (event.type !== "verdict") return;
  verdict.replaceChildren(
    el("p", { class: "actions" }, state(event.verdict, t(event.verdict)), el("span", { class: "soft small" }, t("checksOf", event))),
    ...(say(event.reason) ? [el("p", { class: "small" }, say(event.reason))] : []),
  );
  again.hidden = false;
  const failed = ladder.firstFailed();
  if (failed) ladder.root.scrollTop = failed.offsetTop - 8;
}

const length = events.at(-1).at;
let next = 0; // event
let seconds = 0; // of the recording, that have been played
let frame = 0; // 0 while it stands still

function goOn() {
  const begun = performance.now() - seconds * 1000;
  const tick = () => {
    seconds = (performance.now() - begun) / 1000;
    while (next < events.length && (still || events[next].at <= seconds)) apply(events[next++]);
    clock.textContent = t("seconds", { n: (next < events.length ? seconds : length).toFixed(1) });
    if (next < events.length) frame = requestAnimationFrame(tick);
    else end();
  };
  pause.hidden = false;
  pause.textContent = t("pause");
  tick();
}

function end() {
  frame = 0;
  const focused = document.activeElement === pause;
  pause.hidden = true;
  if (focused) again.focus();
}

function stop() {
  cancelAnimationFrame(frame);
  frame = 0;
  pause.textContent = t("goOn");
}

function play() {
  const focused = document.activeElement === again;
  next = seconds = 0;
  again.hidden = true;
  verdict.replaceChildren();
  ladder.reset();
  goOn();
  if (focused) (pause.hidden ? again : pause).focus();
}

pause.addEventListener("click", () => (frame ? stop() : goOn()));
again.addEventListener("click", play);
play();
