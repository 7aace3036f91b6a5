import { language } from "./words.js";

const steps = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86400, "hour", 3600],
  [86400 * 14, "day", 86400],
];
const locale = language === "zh" ? "zh-Hans" : "en";
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "narrow" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });
const short = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });

/** A space between a number and a Han character, as everywhere on the site. */
const spaced = (text) => text.replace(/(\d)(?=\p{Script=Han})/gu, "$1 ");

export function ago(at, now = Date.now()) {
  const seconds = Math.round((at - now) / 1000);
  const size = Math.abs(seconds);
  for (const [limit, unit, length] of steps) {
    if (size < limit) return spaced(relative.format(unit === "second" && size < 10 ? 0 : Math.round(seconds / length), unit));
  }
  return spaced(short.format(at));
}

/** Fills every <time data-ago> below `root`: relative, with the full date in the viewer's zone on hover. */
export function fillTimes(root = document) {
  for (const node of root.querySelectorAll("time[data-ago]")) {
    const at = new Date(node.dateTime);
    node.textContent = ago(at);
    node.title = spaced(full.format(at));
  }
}

export function keepTimes() {
  fillTimes();
  setInterval(() => document.hidden || fillTimes(), 15000);
}

export const clockTime = (at) => at.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
