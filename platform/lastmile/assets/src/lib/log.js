import { $, el } from "./dom.js";
import { t } from "./words.js";

const HEIGHT = 20;
const KEEP = 20000;
const LONGEST = 2000;
const ANSI = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007]*(?:\u0007|\u001b\\)|.)/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** What structured loggers print, as a person would: level, message, then key=value. Anything else stays. */
function readable(text) {
  if (!text.startsWith('{"')) return text;
  try {
    const { level = "", ts, time, msg, message, ...rest } = JSON.parse(text);
    if (typeof (msg ?? message) !== "string") return text;
    const pairs = Object.entries(rest).map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
    return [String(level).toUpperCase().padEnd(5), msg ?? message, ...pairs].join("  ").replaceAll("\n", " ⏎ ");
  } catch {
    return text;
  }
}

/** A log of any length: only the lines in view are in the document. */
export class LogView {
  /** @param names what streams are called here: {operator: "program"} */
  constructor(root, names = {}) {
    this.names = names;
    this.box = $("[data-log]", root);
    this.space = $("[data-log-space]", root);
    this.window = $("[data-log-window]", root);
    this.empty = $("[data-log-empty]", root);
    this.follow = $("[data-log-follow]", root);
    this.search = $("[data-log-search]", root);
    this.found = $("[data-log-found]", root);
    this.counter = $("[data-log-lines]", root);
    this.lines = [];
    this.trimmed = 0;
    this.hits = [];
    this.hit = -1;
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.search.addEventListener("input", () => this.find());
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
    });
    this.follow.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  clear() {
    this.lines = [];
    this.trimmed = 0;
    this.find();
    this.draw();
  }

  /** Whole lines, as events bring them; a line break at the end is not another line. */
  line(at, stream, text, kernel = "") {
    const clean = text.replace(ANSI, "").replace(/\r\n?/g, "\n").replace(/\n$/, "");
    for (const part of clean.split("\n")) this.push({ at, stream, kernel, text: readable(part).replace(CONTROL, "\ufffd").slice(0, LONGEST) });
    this.later();
  }

  push(line) {
    this.lines.push(line);
    if (this.lines.length > KEEP) {
      this.lines.splice(0, KEEP / 10);
      this.trimmed += KEEP / 10;
    }
  }

  later() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => {
      this.planned = false;
      if (this.search.value) this.find(false);
      this.draw();
    });
  }

  scrolled() {
    const atEnd = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < HEIGHT * 2;
    if (!this.moving && this.follow.checked && !atEnd) this.follow.checked = false;
    this.moving = false;
    this.draw(false);
  }

  draw(mayScroll = true) {
    this.empty.hidden = this.lines.length > 0;
    this.space.hidden = !this.lines.length;
    this.space.style.height = `${this.lines.length * HEIGHT}px`;
    if (mayScroll && this.follow.checked && this.lines.length) {
      this.moving = true;
      this.box.scrollTop = this.box.scrollHeight;
    }
    const from = Math.max(0, Math.floor(this.box.scrollTop / HEIGHT) - 10);
    const to = Math.min(this.lines.length, from + Math.ceil(this.box.clientHeight / HEIGHT) + 20);
    this.window.style.top = `${from * HEIGHT}px`;
    this.window.replaceChildren(...this.lines.slice(from, to).map((line, index) => this.row(line, from + index)));
    this.counter.textContent = this.lines.length
      ? t("lines", { n: this.lines.length }) + (this.trimmed ? ` · ${t("trimmed", { n: this.trimmed })}` : "")
      : "";
  }

  row(line, index) {
    const here = this.hits[this.hit] === index;
    return el(
      "div",
      { class: "log-line", "data-stream": line.stream, "data-found": here ? "here" : null },
      el("span", { class: "at" }, line.at == null ? "" : line.at.toFixed(1)),
      el("span", { class: "who" }, this.names[line.stream] ?? line.stream),
      line.kernel ? el("span", { class: "on" }, line.kernel) : null,
      el("span", {}, this.marked(line.text)),
    );
  }

  marked(text) {
    const wanted = this.search.value.toLowerCase();
    if (!wanted) return [text];
    const parts = [];
    let rest = 0;
    for (let at = text.toLowerCase().indexOf(wanted); at >= 0; at = text.toLowerCase().indexOf(wanted, rest)) {
      parts.push(text.slice(rest, at), el("mark", {}, text.slice(at, at + wanted.length)));
      rest = at + wanted.length;
    }
    return [...parts, text.slice(rest)];
  }

  find(jump = true) {
    const wanted = this.search.value.toLowerCase();
    this.hits = wanted ? this.lines.flatMap((line, at) => (line.text.toLowerCase().includes(wanted) ? [at] : [])) : [];
    if (jump) this.hit = -1;
    if (jump && this.hits.length) this.step(1);
    else this.tell();
    if (!wanted) this.draw(false);
  }

  step(by) {
    if (!this.hits.length) return this.tell();
    this.hit = (this.hit + by + this.hits.length) % this.hits.length;
    this.follow.checked = false;
    this.moving = true;
    this.box.scrollTop = Math.max(0, this.hits[this.hit] * HEIGHT - this.box.clientHeight / 2);
    this.tell();
    this.draw(false);
  }

  tell() {
    if (!this.search.value) this.found.textContent = "";
    else this.found.textContent = this.hits.length ? t("found", { at: this.hit + 1, n: this.hits.length }) : t("foundNone");
  }
}

/** Only an operator lab has an operator. */
export const streamNames = (data) => (data.sandbox === "controlplane" ? {} : { operator: "program" });
