"""How slow a run's sandboxes are for want of a processor.

The kernel counts for how long a thread was runnable and had no processor. One that waited for a share `w` of the time
had 1 - w of it for its work, which took 1 / (1 - w) times as long as with a processor of its own. On the machine
that pace.py calls usual, with two runnable tasks for each processor, that is USUAL already: only what is beyond it
counts.

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
from sandboxes.interface import Handle
from sandboxes.pool import client

_PAUSE_SECONDS = 0.5
_WINDOW = 5  # samples: two seconds

Told = Callable[[str, float], None]


class Starvation:
    """A context manager that asks twice a second for how long each sandbox was kept waiting, and tells `told` which
    (by its key in `handles`) and how many times as long as usual all takes there, 1.0 at least.
    """

    def __init__(
        self,
        handles: Mapping[str, Handle],
        told: Told,
        delay: Callable[[Handle], float] = client.run_delay,
        wall: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handles, self._told, self._delay, self._wall = handles, told, delay, wall
        self._seen = {name: deque[tuple[float, float]](maxlen=_WINDOW) for name in handles}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="starvation", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def sample(self) -> None:
        """Ask once for each."""
        for name, handle in self._handles.items():
            seen = self._seen[name]
            seen.append((self._wall(), self._delay(handle)))
            if len(seen) > 1:
                self._told(name, slowness(*seen[0], *seen[-1]))

    def _follow(self) -> None:
        while self._handles and not self._over.wait(_PAUSE_SECONDS):
            self.sample()


def slowness(began: float, waited: float, now: float, waits: float) -> float:
    """By two looks at the wall's clock and at how long was waited, all in seconds: 1.0 to pace.MOST."""
    lived = now - began
    share = (waits - waited) / lived if lived > 0 else 0.0
    most = 1 - 1 / (pace.USUAL * pace.MOST)
    return max(1.0, 1 / (1 - min(max(share, 0.0), most)) / pace.USUAL)
