// The class's table keeps itself fresh: an event says that something changed, htmx fetches the table.
import htmx from "htmx.org";
import { $, $$, signInLink } from "./lib/dom.js";
import { fillTimes } from "./lib/ago.js";
import { stream } from "./lib/stream.js";
import { t } from "./lib/words.js";


const root = $("[data-class]");
const mark = $("[data-live-mark]");
const word = $("[data-live-word]");
const table = $("[data-class-table]");

function live(on) {
  mark.dataset.live = on ? "yes" : "no";
  word.textContent = t(on ? "live" : "offlineShort");
}

const BETWEEN = 3000; // a busy class has news all the time, and the table of a large one takes the site a second
let busy = false;
let again = false;
let connected = false; // the stream
let status = 0; // of the last answer

async function refresh() {
  if (busy) return void (again = true);
  busy = true;
  try {
    await redraw();
    live(connected);
  } catch {
    again = true; // no answer, or none of use: what is shown is older than "live" says
    live(false);
  } finally {
    setTimeout(next, BETWEEN);
  }
}

function next() {
  busy = false;
  if (!again) return;
  again = false;
  refresh();
}

async function redraw() {
  const focused = placeOf(document.activeElement);
  const scroll = $(".table-scroll", table)?.scrollLeft ?? 0;
  await htmx.ajax("GET", location.href, { target: table, swap: "innerHTML" });
  if (status >= 500) throw new Error(`the server answered ${status}`);
  fillTimes(table);
  if (focused) linkAt(focused)?.focus({ preventScroll: true });
  if ($(".table-scroll", table)) $(".table-scroll", table).scrollLeft = scroll;
}

const sectionOf = (link) => link.closest("section")?.getAttribute("aria-labelledby") ?? "";

/** Which link of the table it is: one run may have a link in several sections. */
function placeOf(node) {
  const link = node?.closest("[data-class-table] a");
  return link ? { href: link.getAttribute("href"), section: sectionOf(link) } : null;
}

function linkAt({ href, section }) {
  const links = $$("a", table).filter((link) => link.getAttribute("href") === href);
  return links.find((link) => sectionOf(link) === section) ?? links[0];
}

table.addEventListener("htmx:beforeSwap", ({ detail }) => {
  status = detail.xhr.status;
  const elsewhere = new URL(detail.xhr.responseURL).pathname !== location.pathname;
  if (status >= 500 || (status < 400 && !elsewhere)) return;
  detail.shouldSwap = false; // the page to sign in, or none: as a whole page it says what there is to do
  location.reload();
});

function online() {
  connected = true;
  live(true);
  refresh();
}

function offline() {
  connected = false;
  live(false);
}

function gone(why) {
  mark.dataset.live = "no";
  word.replaceChildren(t(why === 401 ? "signedOut" : "notYours"), " ", signInLink());
}

stream(root.dataset.eventsUrl, ["hello", "run"], {
  on: (event) => (event.type === "hello" ? online() : refresh()),
  offline,
  online,
  gone,
});
