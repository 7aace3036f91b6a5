// A run as its events.
import { stream } from "./stream.js";

const types = ["queue", "attempt", "state", "step", "diagnostic", "check", "log", "timeline", "traffic", "cost", "verdict", "end"];

/**
 * Calls handlers[type](data) for each event; handlers.offline(), handlers.online() and handlers.gone(status) tell of the connection.
 * Returns a function that stops following.
 */
export function follow(url, handlers) {
  const stop = stream(url, types, {
    on: (event) => {
      if (event.type === "end") stop();
      handlers[event.type]?.(JSON.parse(event.data));
    },
    offline: handlers.offline,
    online: handlers.online,
    gone: handlers.gone,
  });
  return stop;
}
