// Server-Sent Events that come back. EventSource reconnects by itself when a connection breaks, and gives up for good
// at any answer that is no stream, such as a proxy's 502 while the site restarts.
const FIRST_PAUSE = 2000;
const LONGEST_PAUSE = 10000;
const GONE = [401, 403, 404]; // signed out, or another account signed in

/**
 * Calls on(event) for each event of `types` until the function that it returns is called.
 * offline() and online() tell of the connection; gone(status) that the stream is not the reader's any more.
 */
export function stream(url, types, { on, offline, online, gone }) {
  let source;
  let last = "";
  let timer = 0;
  let pause = FIRST_PAUSE;
  let down = false;
  let over = false;
  let told = 0; // the status that gone() was called with

  const address = () => (last ? `${url}?after=${encodeURIComponent(last)}` : url);

  function up() {
    pause = FIRST_PAUSE;
    told = 0;
    if (!down) return;
    down = false;
    online?.();
  }

  function open() {
    source = new EventSource(address());
    source.addEventListener("open", up);
    for (const type of types) {
      source.addEventListener(type, (event) => {
        if (over) return;
        if (event.lastEventId) last = event.lastEventId;
        on(event);
      });
    }
    source.addEventListener("error", () => {
      if (over) return;
      down = true;
      offline?.();
      if (source.readyState === EventSource.CLOSED) again();
    });
  }

  function again() {
    timer = setTimeout(look, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }

  /** What the answer is that EventSource does not tell. */
  async function look() {
    const abort = new AbortController();
    const status = await fetch(address(), { signal: abort.signal, headers: { Accept: "text/event-stream" } })
      .then((answer) => answer.status)
      .catch(() => 0);
    abort.abort();
    if (over) return;
    if (status === 204) last = ""; // all was sent, but for its end: have it once more
    if (status === 200 || status === 204) open();
    else {
      if (GONE.includes(status)) lost(status);
      again();
    }
  }

  /** To the reader it is said once. It may come back: one signs in in another window, a proxy says 404 for a site that restarts. */
  function lost(status) {
    if (told === status) return;
    told = status;
    gone?.(status);
    addEventListener("focus", now, { once: true });
  }

  function now() {
    clearTimeout(timer);
    look();
  }

  open();
  return () => {
    over = true;
    clearTimeout(timer);
    removeEventListener("focus", now);
    source.close();
  };
}
