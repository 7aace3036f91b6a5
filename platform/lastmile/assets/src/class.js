// The class's table keeps itself fresh: an event says that something changed, htmx fetches the table.
import htmx from "htmx.org";
import { $ } from "./lib/dom.js";
import { fillTimes } from "./lib/ago.js";
import { stream } from "./lib/stream.js";
import { t } from "./lib/words.js";


const root = $("[data-class]");
const mark = $("[data-live-mark]");
const table = $("[data-class-table]");

function live(on) {
  mark.dataset.live = on ? "yes" : "no";
  $("[data-live-word]").textContent = t(on ? "live" : "offlineShort");
}

const BETWEEN = 3000; // a busy class has news all the time, and the table of a large one takes the site a second
let busy = false;
let again = false;

async function refresh() {
  if (busy) return void (again = true);
  busy = true;
  const focused = document.activeElement?.closest("[data-class-table] a")?.getAttribute("href");
  const scroll = $(".table-scroll", table)?.scrollLeft ?? 0;
  await htmx.ajax("GET", location.href, { target: table, swap: "innerHTML" });
  fillTimes(table);
  if (focused) $(`a[href="${CSS.escape(focused)}"]`, table)?.focus();
  if ($(".table-scroll", table)) $(".table-scroll", table).scrollLeft = scroll;
  setTimeout(() => {
    busy = false;
    if (!again) return;
    again = false;
    refresh();
  }, BETWEEN);
}

function online() {
  live(true);
  refresh();
}

stream(root.dataset.eventsUrl, ["hello", "run"], {
  on: (event) => (event.type === "hello" ? online() : refresh()),
  offline: () => live(false),
  online,
});
