import htmx from "htmx.org";
import { $, $$, announce, el, readJson, state } from "./lib/dom.js";
import { fillTimes } from "./lib/ago.js";
import { asked } from "./lib/dialog.js";
import { matches } from "./lib/globs.js";
import { Ladder } from "./lib/ladder.js";
import { LogView, streamNames } from "./lib/log.js";
import { tabs } from "./lib/tabs.js";
import { t } from "./lib/words.js";
import { Drafts, signInAgain } from "./bench/drafts.js";
import { Environment } from "./bench/environment.js";
import { Editor, loadLanguages } from "./bench/editor.js";
import { panes } from "./bench/panes.js";
import { hintFrom, Session } from "./bench/session.js";
import { send, withdraw } from "./bench/submit.js";


const data = readJson("lab-data");
const show = panes($("[data-panes]"));
const left = tabs($("#pane-left [data-tabs]"));
tabs($("#pane-right [data-tabs]"));
const button = $("[data-submit]");
const withdrawButton = $("[data-withdraw]");
const stateBox = $("[data-state]");
const count = $("[data-count]");

if (/Mac|iPhone|iPad/.test(navigator.platform)) $("[data-keys]").textContent = "⌘ ↵";

await loadLanguages(data.files);
const editor = new Editor($("[data-editor]"), $("[data-files]"), data.files, {
  change: () => drafts?.changed(),
  submit: () => submit(),
});
const deleteButton = $("[data-delete]");
editor.on.open = () => queueMicrotask(() => (deleteButton.hidden = !editor.ownFile()));
const environment = new Environment(data.urls.environment, $("[data-environment]"), data.kernels);
const drafts = new Drafts(editor, data, $("[data-saved]"));
drafts.resume();

const wanted = new URLSearchParams(location.search).get("file");
if (wanted) {
  editor.open(wanted);
  show("middle");
}

const session = new Session({
  ladder: new Ladder($("[data-ladder]"), data.checks, { hint: hintFrom(data.urls), progress: $("[data-progress]"), kernels: data.kernels }),
  log: new LogView($("#panel-log"), streamNames(data)),
  editor,
  verdict: $("[data-verdict]"),
  state: stateBox,
  timeline: $("[data-timeline]"),
  timelineEmpty: $("[data-timeline-empty]"),
  measures: $("[data-measures]"),
  onMeasure: () => ($("#tab-timeline").hidden = false),
  problems: $("[data-problems]"),
  firstLine: $("[data-first-line]"),
  limit: data.limit,
  count: (passed, total) => (count.textContent = `${passed}/${total}`),
  goto: (item) => {
    show("middle");
    editor.open(item.file, item.line);
  },
  onEnd: (event, quiet) => {
    if (sending) return; // it is an older run that ended
    busy(false);
    if (quiet) return;
    if (event.verdict === "pass" && !$("#tab-debrief")) $("[data-verdict] .actions")?.prepend(debriefLink());
    refreshHistory();
    session.ladder.firstFailed()?.scrollIntoView({ block: "nearest" });
  },
});

function debriefLink() {
  const open = () => setTimeout(() => location.reload());
  return el("a", { class: "button button-small", href: "#debrief", onclick: open }, t("debrief"));
}

let sending = false;

function busy(on) {
  button.setAttribute("aria-disabled", on);
  if (on) environment.pause();
  else environment.go();
  $("[data-submit-word]").textContent = on ? t("running") : t("submit");
  if (!on) withdrawButton.hidden = true;
}

async function refreshHistory() {
  await htmx.ajax("GET", location.pathname, { target: "#panel-history", select: "#panel-history > *", swap: "innerHTML" });
  fillTimes($("#panel-history"));
  const tab = $("#tab-history");
  $(".number", tab)?.remove();
  tab.append(" ", el("span", { class: "faint number" }, String($$("#panel-history .history li").length)));
}

async function submit(archive = null) {
  if (button.getAttribute("aria-disabled") === "true") return;
  const pressedAt = performance.now();
  sending = true;
  busy(true);
  stateBox.replaceChildren(state("running", t("sending")));
  left("tab-checks");
  show("left");
  const form = archive ? new FormData() : null;
  form?.append("archive", archive);
  try {
    const run = await send(archive ? data.urls.upload : data.urls.submit, form ?? { files: editor.texts() });
    $("[data-checks-intro]").hidden = true;
    stateBox.replaceChildren(state("queued", t("received")));
    announce(t("received"));
    session.follow(run, pressedAt);
    withdrawButton.hidden = false;
  } catch (error) {
    if (!error.text) throw error;
    refused(error);
  } finally {
    sending = false;
  }
}

function refused(error) {
  busy(false);
  const text = t("submitFailed", { why: error.text.replace(/[.。]$/, "") });
  stateBox.replaceChildren(state("failed", error.text), ...signInAgain(error));
  announce(text);
  if (error.code === "run_going_on") join({ id: error.run, state: "queued", url: error.url });
  session.drawProblems(error.problems.length ? error.problems : [{ text }]);
}

/** Goes on with a run that was begun elsewhere: in another window, or from a terminal. */
function join(run) {
  busy(true);
  session.follow({ ...run, events_url: data.urls.events.replace("RUN", run.id) });
  withdrawButton.hidden = false;
}

button.addEventListener("click", () => submit());
withdrawButton.addEventListener("click", async () => {
  const meant = session.run;
  button.focus();
  withdrawButton.hidden = true;
  try {
    const run = await withdraw(data.urls, meant);
    if (session.run !== meant) return; // it was over, and another one has begun
    if (!session.last) session.follow(run); // unless the run's own stream was quicker
    announce(t(run.verdict));
    refreshHistory();
  } catch (error) {
    if (!error.text) throw error;
    withdrawButton.hidden = button.getAttribute("aria-disabled") !== "true";
    stateBox.replaceChildren(state("failed", error.text), ...signInAgain(error));
    announce(error.text);
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && !event.defaultPrevented) {
    event.preventDefault();
    submit();
  }
});

const upload = $("[data-upload]");
upload.addEventListener("change", () => {
  if (upload.files[0]) submit(upload.files[0]);
  upload.value = "";
});
const pane = $("#pane-middle");
pane.addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  pane.classList.add("drop-target");
});
pane.addEventListener("dragleave", () => pane.classList.remove("drop-target"));
pane.addEventListener("drop", (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  pane.classList.remove("drop-target");
  submit(event.dataTransfer.files[0]);
});

$("[data-reset]").addEventListener("click", async () => {
  const answer = await asked($("#reset-dialog"));
  const chosen = { file: [editor.current], all: editor.files.map((file) => file.path) }[answer] ?? [];
  for (const file of editor.files.filter((each) => each.editable && chosen.includes(each.path))) {
    if (file.starter) editor.replace({ [file.path]: file.starter });
    else editor.remove(file.path);
  }
});

const addDialog = $("#add-dialog");
const name = $("#add-name");
const newPath = () => name.value.trim().replace(/^\.?\//, "");

/** Says below the name why the lab does not take the file; "" takes it back. */
function refuseName(why) {
  const said = $("#add-error");
  said.textContent = why;
  said.hidden = !why;
  name.setAttribute("aria-invalid", Boolean(why));
}

$("[data-add]").addEventListener("click", async () => {
  name.value = "";
  refuseName("");
  const answer = await asked(addDialog);
  const path = newPath();
  if (answer !== "yes" || !path) return;
  if (editor.has(path)) editor.open(path);
  else editor.add(path);
});
$("form", addDialog).addEventListener("submit", (event) => {
  const path = newPath();
  if (event.submitter.value !== "yes" || !path || editor.has(path)) return;
  if (data.editable.some((pattern) => matches(path, pattern))) return;
  event.preventDefault();
  refuseName(t("notTaken", { patterns: data.editable.join(", ") }));
  name.focus();
});
name.addEventListener("input", () => refuseName(""));
name.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault(); // or the form takes its first button, which cancels
  $("form", addDialog).requestSubmit($("button[value=yes]", addDialog));
});
deleteButton.addEventListener("click", async () => {
  $("[data-delete-name]").textContent = editor.current;
  if ((await asked($("#delete-dialog"))) === "yes") editor.remove(editor.current);
});

if (data.run) {
  $("[data-checks-intro]").hidden = true;
  if (data.run.state !== "done") {
    busy(true);
    left("tab-checks");
  }
  session.follow(data.run);
  withdrawButton.hidden = data.run.state === "done";
}
if (location.hash === "#debrief" && $("#tab-debrief")) left("tab-debrief");
