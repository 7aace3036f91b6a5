import { $, el, icon, oneDecimal, stateIcon } from "./dom.js";
import { drawKernels } from "./kernels.js";
import { say, t } from "./words.js";

const nodeIcon = { passed: "passed", failed: "failed", running: "running", skipped: "skipped" };
const wordKey = { passed: "passed", failed: "failed", running: "checkRunning", skipped: "skipped", waiting: "waiting" };

/** The line of checks: stations that fill in as they run. */
export class Ladder {
  /**
   * @param options.hint async (check, level) => {level, of, html}; @param options.progress element with one bar a check;
   * @param options.kernels those of the lab, none for most
   */
  constructor(root, checks, options = {}) {
    this.root = root;
    this.checks = checks;
    this.options = options;
    this.events = new Map();
    this.opened = new Map(checks.map((check) => [check.id, [...(check.opened ?? [])]]));
    this.unfolded = new Set();
    this.reset();
  }

  reset() {
    this.events.clear();
    const old = [...this.root.children];
    old.forEach((item) => this.remember(item));
    const focused = old.findIndex((item) => item.contains(document.activeElement));
    this.root.replaceChildren(...this.checks.map((check) => this.item(check)));
    if (this.root.children[focused]) focusOn(this.root.children[focused]);
    this.options.progress?.replaceChildren(...this.checks.map(() => el("i")));
  }

  set(event) {
    const at = this.checks.findIndex((check) => check.id === event.check);
    if (at < 0) return;
    this.events.set(event.check, event);
    const old = this.root.children[at];
    this.remember(old);
    const item = this.item(this.checks[at]);
    const focused = old.contains(document.activeElement);
    old.replaceWith(item);
    if (focused) focusOn(item);
    if (this.options.progress) this.options.progress.children[at].dataset.status = event.status;
  }

  /** A hint that is being read stays open when its check is drawn again. */
  remember(item) {
    const details = $("details", item);
    if (!details) return;
    if (details.open && $(".hint-text", details)) this.unfolded.add(item.dataset.check);
    else this.unfolded.delete(item.dataset.check);
  }

  count(status) {
    return [...this.events.values()].filter((event) => event.status === status).length;
  }

  firstFailed() {
    return this.root.querySelector(':scope > [data-status="failed"]');
  }

  item(check) {
    const event = this.events.get(check.id);
    const status = event?.status ?? "waiting";
    const mark = nodeIcon[status];
    const row = [
      el("span", { class: "node" }, mark ? icon(mark) : null),
      el("span", { class: "check-title" }, check.title),
      el(
        "span",
        { class: "check-meta" },
        el("span", { class: "word" }, status === "waiting" ? "" : t(wordKey[status])),
        event?.seconds != null && status !== "running" && status !== "skipped" ? el("span", {}, t("seconds", { n: oneDecimal(event.seconds) })) : null,
      ),
      drawKernels(this.options.kernels, event),
    ].filter(Boolean);
    const body = this.body(check, event, status);
    const props = { "data-check": check.id, "data-status": status };
    if (!body) return el("li", props, row[0], el("div", { class: "check-row" }, row.slice(1)));
    return el("li", props, el("details", { open: status === "failed" || this.unfolded.has(check.id) }, el("summary", { class: "check-row" }, row), body));
  }

  body(check, event, status) {
    if (status === "passed" || status === "running") return null;
    const failure = event?.failure;
    const link = check.url ? el("p", {}, el("a", { href: check.url }, t("chapter"))) : null;
    const hints = this.hints(check);
    if (!failure && !link && !hints) return null;
    return el(
      "div",
      { class: "failure" },
      failure
        ? el(
            "dl",
            {},
            row(t("tried"), say(failure.tried)),
            row(t("saw"), say(failure.saw), say(failure.saw).includes("\n") ? "saw saw-output" : "saw"),
            row(t("expected"), say(failure.expected)),
            failure.command ? el("div", {}, el("dt", {}, t("command")), el("dd", {}, el("code", { class: "command", tabindex: 0 }, failure.command))) : null,
            say(failure.hint) ? el("div", { class: "hint" }, el("dt", {}, t("hint")), el("dd", {}, say(failure.hint))) : null,
          )
        : status === "skipped"
          ? el("p", {}, t("skippedWhy"))
          : null,
      link,
      hints,
    );
  }

  hints(check) {
    if (!check.hints || !this.options.hint) return null;
    const box = el("div", { class: "hints" });
    const known = this.opened.get(check.id);
    const draw = () => {
      const next = known.length + 1;
      box.replaceChildren(
        ...known.map((hint) => {
          const text = el("div", { class: "hint-text prose" }, el("p", { class: "hint-level" }, t("hintLevel", { n: hint.level })));
          text.insertAdjacentHTML("beforeend", hint.html); // rendered and escaped by the server
          return text;
        }),
        ...(next <= check.hints
          ? [el("button", { class: "button button-small", type: "button", onclick: open }, t("hintOpen", { n: next, of: check.hints }))]
          : []),
      );
    };
    const open = async (event) => {
      event.target.disabled = true;
      try {
        known.push(await this.options.hint(check, known.length + 1));
        draw();
        focus([...box.querySelectorAll(".hint-text")].at(-1));
      } catch (error) {
        event.target.disabled = false;
        event.target.after(el("span", { class: "field-error" }, error.message));
      }
    };
    draw();
    return box;
  }
}

const row = (name, text, kind = "") => (text ? el("div", {}, el("dt", {}, name), el("dd", { class: kind }, text)) : null);

/** What takes no focus by itself, and a page that stays where it is. */
function focus(node) {
  if (node.tagName !== "SUMMARY") node.tabIndex = -1;
  node.focus({ preventScroll: true });
}

const focusOn = (item) => focus($("summary", item) ?? item);

export const verdictIcon = stateIcon;
