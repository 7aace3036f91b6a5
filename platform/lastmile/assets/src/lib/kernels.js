import { el, icon } from "./dom.js";
import { t } from "./words.js";

const looks = { passed: "passed", failed: "failed", skipped: "skipped", running: "running" };
const words = { passed: "passed", failed: "failed", skipped: "skipped", running: "checkRunning" };

/** How one check stands on each kernel, in the lab's order; null for a lab without kernels. As practice/_kernels.html. */
export function drawKernels(kernels, event) {
  if (!kernels?.length) return null;
  const running = event?.status === "running" ? "running" : "waiting";
  return el(
    "span", // it may stand in a summary
    { class: "kernels" },
    kernels.map((kernel) => {
      const status = event?.kernels?.[kernel] ?? running;
      return el(
        "span",
        { "data-status": status, "data-kernel": kernel },
        icon(looks[status] ?? "none"),
        el("span", { class: "visually-hidden" }, " Linux "),
        kernel,
        el("span", { class: "visually-hidden" }, ` ${t(words[status] ?? "waiting")}`),
      );
    }),
  );
}

/** "Linux 6.1", or null where the lab has no kernels. */
export const kernelTag = (kernel) => (kernel ? el("span", { class: "tag kernel-tag" }, `Linux ${kernel}`) : null);
