import { $, asReader, el, icon } from "../lib/dom.js";
import { clockTime } from "../lib/ago.js";
import { t } from "../lib/words.js";

const WAIT = 800;
const RETRY = 5000;

// who signs in again, in another window, is let in by the next try
const mayPass = (status) => status >= 500 || status === 401 || status === 403;

/** The way on for an answer that wants one to sign in, else nothing. In a window of its own: what is not saved is in this one. */
export const signInAgain = ({ code, url }) =>
  ["signed_out", "another_reader"].includes(code) ? [el("a", { href: url, target: "_blank", rel: "noopener" }, t("signIn"))] : [];

/** Keeps what the editor holds on the server, and says whether it is there. */
export class Drafts {
  constructor(editor, data, shown) {
    this.editor = editor;
    this.url = data.urls.draft;
    this.version = data.draft.version;
    this.shown = shown;
    this.last = JSON.stringify(editor.texts());
    this.savedAt = data.draft.saved_at ? new Date(data.draft.saved_at) : null;
    this.tell(this.savedAt ? "yes" : "none");
    addEventListener("beforeunload", (event) => {
      this.flush();
      if (this.shown.dataset.saved === "failed" && this.dirty()) event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => document.hidden && this.flush());
  }

  changed() {
    if (JSON.stringify(this.editor.texts()) === this.last) return;
    this.tell("no");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), WAIT);
  }

  flush() {
    if (this.dirty()) this.save(true);
  }

  dirty() {
    return JSON.stringify(this.editor.texts()) !== this.last;
  }

  async save(leaving = false) {
    clearTimeout(this.timer);
    if (this.saving) return void (this.again = true);
    this.saving = true;
    const files = this.editor.texts();
    const text = JSON.stringify(files);
    try {
      const answer = await fetch(this.url, {
        method: "PUT",
        keepalive: leaving && text.length < 60000,
        headers: asReader({ "Content-Type": "application/json" }),
        body: JSON.stringify({ files, version: this.version }),
      });
      const said = await answer.json().catch(() => ({}));
      if (answer.status === 409) await this.choose(said);
      else if (!answer.ok) this.failed(said.text ?? t("status", { n: answer.status }), mayPass(answer.status), signInAgain(said));
      else {
        this.version = said.version;
        this.savedAt = new Date(said.saved_at);
        this.last = text;
        this.tell(this.dirty() ? "no" : "yes");
      }
    } catch {
      this.failed(t("network"), true);
    }
    this.saving = false;
    if (this.again || (this.shown.dataset.saved === "no" && this.dirty())) {
      this.again = false;
      this.timer = setTimeout(() => this.save(), WAIT);
    }
  }

  async choose(newer) {
    const dialog = $("#draft-dialog");
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    this.version = newer.version;
    if (dialog.returnValue !== "theirs") return void (this.again = true);
    for (const path of this.editor.ownPaths()) if (!(path in newer.files)) this.editor.remove(path);
    this.editor.replace(newer.files);
    clearTimeout(this.timer); // what the editor holds now is what was saved
    this.last = JSON.stringify(this.editor.texts());
    this.savedAt = new Date(newer.saved_at);
    this.tell("yes");
  }

  failed(why, retry, link = []) {
    this.tell("failed", retry && !link.length ? t("saveFailed", { why }) : why); // what comes with a link says all
    this.shown.append(" ", ...link);
    if (retry) this.timer = setTimeout(() => this.save(), RETRY);
  }

  tell(saved, why) {
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
