import { asReader, randomKey } from "../lib/dom.js";
import { t } from "../lib/words.js";

const TRIES = 3;

/** Ends a run. Resolves to it as it is then; rejects as send() does. */
export const withdraw = (urls, run) => send(urls.withdraw.replace("RUN", run.id), {});

/**
 * Sends a submission. One press has one key, so that a try that only seemed to fail makes no second run.
 * Resolves to the run; rejects with an Error that has `problems` and `text` for the learner.
 */
export async function send(url, body) {
  const key = randomKey();
  const headers = asReader({ "Idempotency-Key": key });
  const archive = body instanceof FormData;
  if (!archive) headers["Content-Type"] = "application/json";
  for (let left = TRIES; ; left--) {
    let answer;
    try {
      answer = await fetch(url, { method: "POST", headers, body: archive ? body : JSON.stringify(body) });
    } catch {
      if (left > 1) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      throw Object.assign(new Error("network"), { text: t("network"), problems: [] });
    }
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) return said;
    throw Object.assign(new Error(said.code ?? String(answer.status)), {
      text: said.text ?? (answer.status === 413 ? t("tooBig") : t("status", { n: answer.status })),
      problems: said.problems ?? [],
      url: said.url,
      run: said.run,
      code: said.code,
    });
  }
}
