// A run as its events. EventSource reconnects by itself and sends Last-Event-ID.
const types = ["queue", "attempt", "state", "step", "diagnostic", "check", "log", "timeline", "traffic", "cost", "verdict", "end"];

/**
 * Calls handlers[type](data) for each event; handlers.offline() and handlers.online() tell of the connection.
 * Returns a function that stops following.
 */
export function follow(url, handlers) {
  const source = new EventSource(url);
  let offline = false;
  for (const type of types) {
    source.addEventListener(type, (event) => {
      if (offline) {
        offline = false;
        handlers.online?.();
      }
      handlers[type]?.(JSON.parse(event.data));
      if (type === "end") source.close();
    });
  }
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      handlers.closed?.();
      return;
    }
    offline = true;
    handlers.offline?.();
  });
  return () => source.close();
}
