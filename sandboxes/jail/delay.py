"""How long processes were kept waiting for a processor."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")


def run_delay(pids: Iterable[int]) -> float:
    """Seconds that the thread which waited longest has spent runnable without a processor, in all its life.

    The second field of /proc/PID/task/TID/schedstat (the kernel's sched-stats.rst). 0.0 where nobody says.
    """
    return max((_thread(file) for pid in pids for file in _threads(pid)), default=0.0)


def _threads(pid: int) -> list[Path]:
    with contextlib.suppress(OSError):
        return [task / "schedstat" for task in (_PROC / str(pid) / "task").iterdir()]
    return []  # it has ended, or is not of this PID namespace


def _thread(file: Path) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(file.read_text().split()[1]) / 1e9
    return 0.0
