import { state } from "../lib/dom.js";
import { t } from "../lib/words.js";

const EVERY = 15000;
const SOON = 5000; // what warms up, or is still being cleaned up behind the last run, is another thing in a moment
const looks = { ready: ["passed", "envReady"], warming: ["running", "envWarming"], cold: ["waiting", "envCold"], busy: ["queued", "envBusy"], full: ["queued", "envFull"], away: ["waiting", "envAway"] };

/** Says what a run would find now, while none goes on. Says nothing where the site cannot know. */
export class Environment {
  /** @param kernels those of the lab: each has a machine of its own */
  constructor(url, shown, kernels = []) {
    this.url = url;
    this.kernels = kernels;
    this.shown = shown;
    this.watching = true;
    this.timer = 0;
    document.addEventListener("visibilitychange", () => this.look());
    this.look();
  }

  /** A run has a line of its own in this place; `pause` until `go`. */
  pause() {
    this.watching = false;
    this.shown.replaceChildren();
  }

  go() {
    this.watching = true;
    this.look();
  }

  async look() {
    clearTimeout(this.timer);
    if (!this.watching || document.hidden) return;
    const answer = await fetch(this.url, { headers: { Accept: "application/json" } }).catch(() => null);
    const said = answer?.ok ? await answer.json().catch(() => ({})) : {};
    if (!this.watching) return;
    const full = said.state === "busy" && !said.queued;
    this.say(full ? "full" : said.state, said.queued);
    this.timer = setTimeout(() => this.look(), full || ["warming", "away"].includes(said.state) ? SOON : EVERY);
  }

  say(what, queued) {
    const [status, word] = looks[what] ?? [];
    const own = this.kernels.length && !["busy", "full", "away"].includes(what) ? `${word}Machines` : word;
    this.shown.replaceChildren(...(word ? [state(status, t(own, { n: queued, kernels: this.kernels.join(" + ") }))] : []));
  }
}
