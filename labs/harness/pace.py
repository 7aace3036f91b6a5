"""A clock for the learner's deadlines that slows down while the machine cannot keep up.

On a machine with more to run than it has processors, everything takes longer, and a right answer must not
fail for that. So what the graders wait for is measured in seconds of a machine that keeps up: while
`runnable` tasks want `cpus` processors, a second of the wall counts

    1 / clamp(runnable / (USUAL * cpus), 1, CROWDED)

seconds. A run on a machine of its own has about two runnable tasks a processor, so that there both clocks
agree. What is a fact about time itself (when a request came, how far two attempts lie apart) is
measured with the clock on the wall, as ever.

The number comes from /proc/loadavg (proc_loadavg(5), the fourth field: currently runnable scheduling
entities), read ten times a second. It says nothing of shares: all jails together have an eighth of what others
have. Who knows better how slow it is where the learner's program runs says so with `tell` (starvation.py does), and
the larger of the two counts, up to MOST.

A learner's program cannot win by being busy: its processor share is bounded, and all that it could gain is
that its own verdict comes later. A whole run has CROWDED times its seconds by the wall, whatever is told.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

USUAL = 2.0
CROWDED = 4.0
MOST = 8.0
_SAMPLE_SECONDS = 0.1
_SMOOTHING = 0.2  # the weight of a new sample: half of a change is believed after three of them
_NEWS_SECONDS = 10.0  # what was told longer ago does not count any more
_LOADAVG = Path("/proc/loadavg")


def runnable() -> float:
    """Tasks of this machine that run or want to, without the one that asks; 0 where it cannot be known."""
    try:
        return float(_LOADAVG.read_text().split()[3].partition("/")[0]) - 1
    except (OSError, ValueError, IndexError):
        return 0.0


class Pace:
    """One such clock. `now` may be asked from any thread."""

    def __init__(
        self,
        crowd: Callable[[], float] = runnable,
        wall: Callable[[], float] = time.monotonic,
        cpus: int | None = None,
    ) -> None:
        self._crowd, self._wall = crowd, wall
        self._room = USUAL * (cpus or len(os.sched_getaffinity(0)))
        self._lock = threading.Lock()
        self._began = self._last = wall()
        self._counted = 0.0
        self._factor = 1.0
        self._told: dict[str, tuple[float, float]] = {}

    def now(self) -> float:
        """Seconds since this clock was made, as they count."""
        with self._lock:
            return self._advance()

    def sample(self) -> None:
        """Look at the machine once more."""
        crowd = min(CROWDED, max(1.0, self._crowd() / self._room))
        with self._lock:
            self._advance()
            self._told = {
                who: said for who, said in self._told.items() if said[1] > self._last - _NEWS_SECONDS
            }
            seen = max(crowd, *(factor for factor, _ in self._told.values()), 1.0)
            self._factor += _SMOOTHING * (min(MOST, seen) - self._factor)

    def tell(self, who: str, factor: float) -> None:
        """`who` has seen that all takes `factor` times as long, and is believed until it says otherwise, or nothing
        for a while.
        """
        with self._lock:
            self._advance()
            self._told[who] = (factor, self._last)

    def stretch(self) -> float:
        """How many seconds of the wall one that counts has taken so far; 1.0 on a machine that keeps up."""
        with self._lock:
            counted = self._advance()
            return (self._last - self._began) / counted if counted else 1.0

    def stretched(self, seconds: float) -> float:
        """How long so many seconds of this clock take by the wall, while the crowd stays as it is."""
        with self._lock:
            return seconds * self._factor

    def _advance(self) -> float:
        now = self._wall()
        self._counted += (now - self._last) / self._factor
        self._last = now
        return self._counted


class _Ticking(Pace):
    """The process's own clock, with the thread that feeds it."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=self._follow, name="pace", daemon=True).start()

    def _follow(self) -> None:
        while True:
            time.sleep(_SAMPLE_SECONDS)
            self.sample()


_own: _Ticking | None = None
_making = threading.Lock()


def own() -> Pace:
    """The clock of this process; it ticks from the first call on."""
    global _own
    with _making:
        if _own is None:
            _own = _Ticking()
        return _own


def now() -> float:
    """Like time.monotonic(), for deadlines."""
    return own().now()


def stretched(seconds: float) -> float:
    """A deadline for who can count by the wall alone."""
    return own().stretched(seconds)


def tell(who: str, factor: float) -> None:
    """See Pace.tell."""
    own().tell(who, factor)


def sleep(seconds: float) -> None:
    """A window of `seconds` in which something must not happen."""
    until = now() + seconds
    while (left := until - now()) > 0:
        time.sleep(left)


def wait_for(
    condition: threading.Condition, holds: Callable[[], bool], seconds: float, latest: float = math.inf
) -> bool:
    """Condition.wait_for with a deadline of this clock, and `latest` of time.monotonic(). It must be held."""
    until = now() + seconds
    while not holds():
        left = min(until - now(), latest - time.monotonic())
        if left <= 0:
            return False
        condition.wait(left)
    return True
