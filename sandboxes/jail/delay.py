"""How long processes were kept waiting for a processor."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path

from sandboxes.interface import RunDelay

_PROC = Path("/proc")

_Threads = dict[tuple[int, int], RunDelay]


class DelayMeter:
    """Adds up, look by look, what the thread has run and waited that waited longest since the look before.

    The first two fields of /proc/PID/task/TID/schedstat (the kernel's sched-stats.rst). A thread that a limit of its
    control group holds back waits as well.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: _Threads | None = None
        self._sum = RunDelay(0.0, 0.0)

    def look(self, pids: Iterable[int]) -> RunDelay:
        """The sum, with what came since the last look. The first look begins at 0."""
        now = _threads(pids)
        with self._lock:
            last, self._last = self._last, now
            if last is not None:
                self._sum += max(_grown(last, now), key=lambda one: one.waited, default=RunDelay(0.0, 0.0))
            return self._sum


def _grown(last: _Threads, now: _Threads) -> Iterable[RunDelay]:
    return (one - last.get(thread, RunDelay(0.0, 0.0)) for thread, one in now.items())


def _threads(pids: Iterable[int]) -> _Threads:
    """Of each thread what it has run and waited in all. One that has ended, or is not of this PID namespace, is left
    out.
    """
    found: _Threads = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in (_PROC / str(pid) / "task").iterdir():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    ran, waited = (task / "schedstat").read_text().split()[:2]
                    found[pid, int(task.name)] = RunDelay(int(ran) / 1e9, int(waited) / 1e9)
    return found
