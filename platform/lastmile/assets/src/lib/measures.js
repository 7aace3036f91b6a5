// What a tracer counted of the traffic that was planned, and what it took.
import { el, icon } from "./dom.js";
import { kernelTag } from "./kernels.js";
import { say, t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 1000;
const HIGH = 28;
// how a connection ends, by the height of its tick and the colour of its group: what is orderly, what breaks, what stays
const KINDS = {
  client_close: ["orderly", 1],
  server_close: ["orderly", 0.7],
  self_connect: ["orderly", 0.5],
  client_reset: ["broken", 1],
  server_reset: ["broken", 0.7],
  client_unread: ["broken", 0.85],
  refused: ["unanswered", 0.5],
  timeout: ["unanswered", 0.7],
  give_up: ["unanswered", 0.35],
  half_open: ["open", 0.5],
  queued: ["open", 0.35],
};

export function drawMeasures(root, events) {
  root.replaceChildren(...events.map((event) => (event.type === "cost" ? drawCost(event) : drawTraffic(event))));
}

function drawTraffic(event) {
  const off = event.counts.filter((row) => row.planned !== row.seen);
  const right = event.counts.filter((row) => row.planned === row.seen);
  const rest = right.length + event.left_out;
  return el(
    "section",
    { class: "measure", "data-status": off.length ? "failed" : "passed" },
    el("h3", {}, kernelTag(event.kernel), " ", say(event.tried)),
    el("p", { class: "measure-lane" }, t("planned", { n: event.connections.length })),
    drawPlan(event.connections),
    el("p", { class: "measure-lane" }, t("counted")),
    el(
      "p",
      { class: "state", "data-status": off.length ? "failed" : "passed" },
      icon(off.length ? "failed" : "passed"),
      el("span", {}, off.length ? t("countsOff", { n: off.length, of: event.counts.length + event.left_out }) : t("countsRight", { n: rest })),
    ),
    off.length ? drawCounts(off) : null,
    right.length ? el("details", {}, el("summary", {}, t("countsAsPlanned", { n: rest })), drawCounts(right)) : null,
  );
}

/** One tick a connection, in the order of the plan; below it how many ended in which way. */
function drawPlan(connections) {
  const tally = new Map();
  const paths = new Map();
  const step = WIDE / Math.max(connections.length, 1);
  connections.forEach((outcome, at) => {
    tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
    const [group, share] = KINDS[outcome] ?? ["orderly", 0.5];
    const x = ((at + 0.5) * step).toFixed(2);
    paths.set(group, `${paths.get(group) ?? ""}M${x} ${HIGH}V${(HIGH * (1 - share)).toFixed(1)}`);
  });
  const strip = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", class: "plan-strip", "aria-hidden": "true" })) strip.setAttribute(key, value);
  for (const [group, d] of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    path.setAttribute("data-group", group);
    path.setAttribute("stroke-width", Math.max(1.5, Math.min(step * 0.6, 6)).toFixed(1));
    strip.append(path);
  }
  const legend = [...tally].map(([outcome, n]) => el("li", { "data-group": (KINDS[outcome] ?? ["orderly"])[0] }, `${outcomeWord(outcome)} ${n}`));
  return el("div", { class: "plan" }, strip, el("ul", { class: "plan-legend" }, legend));
}

const outcomeWord = (outcome) => (KINDS[outcome] ? t(`end_${outcome}`) : outcome);

function drawCounts(rows) {
  const most = Math.max(1, ...rows.flatMap((row) => [row.planned, row.seen]));
  return el(
    "div",
    { class: "measure-scroll", tabindex: 0, role: "region", "aria-label": t("counted") },
    el(
      "table",
      { class: "measure-table" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("series")), el("th", { scope: "col", class: "figure" }, t("plannedShort")), el("th", { scope: "col", class: "figure" }, t("seenShort")))),
      el(
        "tbody",
        {},
        rows.map((row) => {
          const off = row.planned !== row.seen;
          return el(
            "tr",
            { "data-status": off ? "failed" : "passed" },
            el("th", { scope: "row" }, el("span", { class: "mono" }, row.series), bars(row, most)),
            el("td", { class: "figure" }, String(row.planned)),
            el("td", { class: "figure" }, off ? [icon("failed"), el("span", { class: "visually-hidden" }, `${t("failed")} `)] : null, String(row.seen)),
          );
        }),
      ),
    ),
  );
}

/** The truth above, what the tracer saw below. */
function bars(row, most) {
  const box = el("span", { class: "bars", "aria-hidden": "true" });
  for (const [kind, value] of [["planned", row.planned], ["seen", row.seen]]) {
    const bar = el("i", { "data-bar": kind });
    bar.style.width = `${(100 * Math.max(0, value)) / most}%`;
    box.append(bar);
  }
  return box;
}

const total = (side) => side.user + side.bpf;
const micro = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} µs`;

function drawCost(event) {
  const { yours, reference, most } = event;
  const times = reference && total(reference) > 0 ? total(yours) / total(reference) : null;
  const over = times != null && most > 0 && times > most;
  const rows = [["costYours", yours], ["costReference", reference]].filter(([, side]) => side);
  const longest = Math.max(...rows.map(([, side]) => total(side)), 0.001);
  return el(
    "section",
    { class: "measure", "data-status": over ? "failed" : "passed" },
    el("h3", {}, kernelTag(event.kernel), " ", t("cost", { n: event.connections })),
    times == null
      ? null
      : el("p", { class: "state", "data-status": over ? "failed" : "passed" }, icon(over ? "failed" : "passed"), el("span", {}, t(most ? "costTimes" : "costTimesFree", { n: times.toFixed(2), most }))),
    el(
      "div",
      { class: "measure-scroll", tabindex: 0, role: "region", "aria-label": t("cost", { n: event.connections }) },
      el(
        "table",
        { class: "measure-table" },
        el("thead", {}, el("tr", {}, ["costWho", "costBpf", "costUser", "costRun"].map((key, at) => el("th", { scope: "col", class: at ? "figure" : null }, t(key))))),
        el(
          "tbody",
          {},
          rows.map(([key, side]) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, t(key), costBar(side, longest)),
              el("td", { class: "figure" }, micro(side.bpf)),
              el("td", { class: "figure" }, micro(side.user)),
              el("td", { class: "figure" }, side.run ? `${side.run} ns` : "–"),
            ),
          ),
        ),
      ),
    ),
  );
}

function costBar(side, longest) {
  const box = el("span", { class: "bars bars-cost", "aria-hidden": "true" });
  for (const kind of ["bpf", "user"]) {
    const bar = el("i", { "data-bar": kind });
    bar.style.width = `${(100 * side[kind]) / longest}%`;
    box.append(bar);
  }
  return box;
}
