import { state } from "../lib/dom.js";
import { t } from "../lib/words.js";

const EVERY = 15000;
const looks = { ready: ["passed", "envReady"], warming: ["running", "envWarming"], cold: ["waiting", "envCold"], busy: ["queued", "envBusy"] };

/** Says what a run would find now, while none goes on. Says nothing where the site cannot know. */
export class Environment {
  /** @param kernels those of the lab: each has a machine of its own */
  constructor(url, shown, kernels = []) {
    this.url = url;
    this.kernels = kernels;
    this.shown = shown;
    this.watching = true;
    setInterval(() => document.hidden || this.look(), EVERY);
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
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
    if (!this.watching) return;
    const answer = await fetch(this.url, { headers: { Accept: "application/json" } }).catch(() => null);
    const said = answer?.ok ? await answer.json().catch(() => ({})) : {};
    if (!this.watching) return;
    const [status, word] = looks[said.state] ?? [];
    const own = this.kernels.length && word !== "envBusy" ? `${word}Machines` : word;
    this.shown.replaceChildren(...(word ? [state(status, t(own, { n: said.queued, kernels: this.kernels.join(" + ") }))] : []));
  }
}
