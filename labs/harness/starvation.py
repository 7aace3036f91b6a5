"""How slow a run's sandboxes are for want of a processor.

The kernel counts for how long a thread ran, and for how long it would have but had no processor. What it did in
the first took both together: (ran + waited) / ran times as long as with a processor of its own. On the machine
that pace.py calls usual, with two runnable tasks for each processor, that is USUAL already: only what is beyond it
counts, and nothing does where hardly anything was waited for.

The number of tasks, which pace.py goes by otherwise, says nothing of shares; and what is in a sandbox cannot
change this one, other than by having something to do.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from labs.harness import pace
from sandboxes.interface import Handle, RunDelay
from sandboxes.pool import client

_PAUSE_SECONDS = 0.5
_WINDOW = 5  # samples: two seconds
_LITTLE = 0.05  # of the time: who waits no longer is not slow, however little it ran
_JOIN_SECONDS = 2.0  # a pipe to a grader that does not read may hold the thread up for longer

Told = Callable[[str, float], None]


class Starvation:
    """A context manager that asks twice a second for how long each sandbox was kept waiting, and tells `told` which
    (by its key in `handles`) and how many times as long as usual all takes there, 1.0 at least.
    """

    def __init__(
        self,
        handles: Mapping[str, Handle],
        told: Told,
        delay: Callable[[Handle], RunDelay | None] = client.run_delay,
        wall: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handles, self._told, self._delay, self._wall = handles, told, delay, wall
        self._seen = {name: deque[tuple[float, RunDelay]](maxlen=_WINDOW) for name in handles}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="starvation", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(_JOIN_SECONDS)

    def sample(self) -> None:
        """Ask once for each. Of one that nobody can tell of now, nothing is told."""
        for name, handle in self._handles.items():
            seen, delay = self._seen[name], self._delay(handle)
            if delay is None:
                seen.clear()
                continue
            seen.append((self._wall(), delay))
            if len(seen) > 1:
                (began, first), (now, last) = seen[0], seen[-1]
                self._told(name, slowness(now - began, last - first))

    def _follow(self) -> None:
        while self._handles and not self._over.wait(_PAUSE_SECONDS):
            self.sample()


def slowness(lived: float, grown: RunDelay) -> float:
    """How many times as long as usual all took in so many seconds of the wall: 1.0 to pace.MOST."""
    if grown.waited <= _LITTLE * lived:
        return 1.0
    factor = (grown.ran + grown.waited) / max(grown.ran, 1e-9) / pace.USUAL
    return min(max(factor, 1.0), pace.MOST)
