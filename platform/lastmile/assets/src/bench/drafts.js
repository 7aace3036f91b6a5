import { $, announce, asReader, el, icon } from "../lib/dom.js";
import { clockTime } from "../lib/ago.js";
import { asked } from "../lib/dialog.js";
import { t } from "../lib/words.js";
import { same, Sent } from "./sent.js";

const WAIT = 800;
const RETRY = 5000;
const KEEPALIVE = 60_000; // bytes; a browser lets 64 KiB outlive a page, headers and all

// who signs in again, in another window, is let in by the next try
const mayPass = (status) => status >= 500 || status === 401 || status === 403;

const outlives = (body) => new TextEncoder().encode(body).length < KEEPALIVE;

/** The way on for an answer that wants one to sign in, else nothing. In a window of its own: what is not saved is in this one. */
export const signInAgain = ({ code, url }) =>
  ["signed_out", "another_reader"].includes(code) ? [el("a", { href: url, target: "_blank", rel: "noopener" }, t("signIn"))] : [];

/** What the server refused, with the first file and reason that it names. */
function reason(said, status) {
  const place = said.problems?.[0];
  const text = said.text ?? t("status", { n: status });
  if (!place || place.text === text) return text;
  return `${text} ${place.file ? t("place", { file: place.file, why: place.text }) : place.text}`;
}

/** Keeps what the editor holds on the server, and says whether it is there. */
export class Drafts {
  constructor(editor, data, shown) {
    this.editor = editor;
    this.url = data.urls.draft;
    this.version = data.draft.version;
    this.shown = shown;
    this.sent = new Sent(data.lab);
    this.last = JSON.stringify(editor.texts());
    this.savedAt = data.draft.saved_at ? new Date(data.draft.saved_at) : null;
    this.tell(this.savedAt ? "yes" : "none");
    addEventListener("beforeunload", (event) => {
      const unsure = this.mayBeLost();
      this.flush();
      if (unsure) event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => document.hidden && this.flush());
  }

  /** Puts back what was typed right before a reload, when this page was made before it had arrived. */
  resume() {
    const files = this.sent.kept(this.version);
    if (files && !same(files, this.editor.texts())) this.take(files);
  }

  changed() {
    if (!this.dirty()) return;
    this.tell("no");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), WAIT);
  }

  flush() {
    if (!this.dirty()) return;
    this.sent.keep(this.editor.texts(), this.version);
    this.save(true);
  }

  dirty() {
    return JSON.stringify(this.editor.texts()) !== this.last;
  }

  /** Whether a save that begins as the page is left would not reach the server. */
  mayBeLost() {
    return this.dirty() && (this.saving || Boolean(this.told) || !outlives(this.body(this.editor.texts())));
  }

  body(files) {
    return JSON.stringify({ files, version: this.version });
  }

  async save(leaving = false) {
    clearTimeout(this.timer);
    if (this.saving) return void (this.again = true);
    this.saving = true;
    try {
      await this.put(this.editor.texts(), leaving);
    } catch {
      this.failed(t("network"), true);
    }
    this.saving = false;
    if (this.again || (this.shown.dataset.saved === "no" && this.dirty())) {
      this.again = false;
      this.timer = setTimeout(() => this.save(), WAIT);
    }
  }

  async put(files, leaving) {
    this.sent.add(files);
    const { keeps } = this.sent;
    const body = this.body(files);
    const headers = asReader({ "Content-Type": "application/json" });
    const answer = await fetch(this.url, { method: "PUT", keepalive: leaving && outlives(body), headers, body });
    const said = await answer.json().catch((broken) => {
      if (answer.ok) throw broken; // stored, but as which version? the next try is told
      return {};
    });
    if (answer.ok) {
      if (!leaving && this.sent.keeps === keeps) this.sent.drop();
      this.stored(files, said);
    } else if (said.code === "newer_draft") await this.older(said);
    else this.failed(reason(said, answer.status), mayPass(answer.status), signInAgain(said));
  }

  stored(files, { version, saved_at }) {
    this.sent.answered();
    this.version = version;
    this.savedAt = new Date(saved_at);
    this.last = JSON.stringify(files);
    this.told = "";
    this.tell(this.dirty() ? "no" : "yes");
  }

  async older(newer) {
    if (this.sent.has(newer.files)) return this.goOn(newer.version);
    const answer = await asked($("#draft-dialog"));
    if (answer === "mine") return this.goOn(newer.version);
    if (answer === "theirs") return this.adopt(newer);
    this.again = false; // not chosen: nothing is overwritten, and the next change asks again
    this.failed(t("draftUndecided"), false);
  }

  /** What is here goes over the draft `version`. */
  goOn(version) {
    this.sent.answered();
    this.version = version;
    this.again = true;
  }

  adopt(newer) {
    this.take(newer.files);
    clearTimeout(this.timer); // what the editor holds now is what was saved
    this.stored(this.editor.texts(), newer);
  }

  take(files) {
    for (const path of this.editor.ownPaths()) if (!(path in files)) this.editor.remove(path);
    this.editor.replace(files);
  }

  failed(why, retry, link = []) {
    const text = retry && !link.length ? t("saveFailed", { why }) : why; // what comes with a link says all
    this.tell("failed", text);
    this.shown.append(" ", ...link);
    if (text !== this.told) announce(text); // a screen reader hears of a failure once, and of no success
    this.told = text;
    if (retry) this.timer = setTimeout(() => this.save(), RETRY);
  }

  tell(saved, why) {
    if (saved === "no" && this.shown.dataset.saved === "no") return;
    this.shown.dataset.saved = saved;
    const words = {
      yes: () => t("saved", { time: clockTime(this.savedAt) }),
      no: () => t("unsaved"),
      failed: () => why,
      none: () => t("notDirty"),
    };
    const icons = { yes: "saved", no: "draft", failed: "error", none: "saved" };
    this.shown.replaceChildren(icon(icons[saved]), words[saved]());
  }
}
