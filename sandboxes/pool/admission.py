"""How many sandboxes this machine takes, and who waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

_RESERVED_BYTES = 1 << 30
_LOOK_SECONDS = 0.25


def memory_available() -> int:
    """Bytes the kernel believes it can give without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


class Gone(Exception):
    """Who waited has left."""


class Admission:
    """First come, first served. At most `places` at a time, and never more than memory allows."""

    def __init__(self, places: int = 0, memory: Callable[[], int] = memory_available) -> None:
        self.places = places or max(2, os.cpu_count() or 1)
        self._memory = memory
        self._turn = threading.Condition()
        self._waiting: list[object] = []
        self._promised = 0
        self.taken = 0

    @property
    def queued(self) -> int:
        with self._turn:
            return len(self._waiting)

    def enter(
        self,
        memory_bytes: int,
        tell: Callable[[int], None],
        gone: Callable[[], bool],
        beside: int = 0,
    ) -> None:
        """Wait for a place; `tell` hears each new position (1 is next). Raises Gone when `gone()`.

        `beside` is how many places who waits has already.

        The memory is set aside until `settled`: what has only just been let in does not show in the kernel's
        figure yet.
        """
        ticket, told = object(), 0
        with self._turn:
            self._waiting.append(ticket)
            try:
                while True:
                    position = self._waiting.index(ticket) + 1
                    if position == 1 and self._fits(memory_bytes, beside):
                        self.taken += 1
                        self._promised += memory_bytes
                        return
                    if position != told:
                        told = position
                        tell(position)
                    # memory has no event, and neither has a client that went away
                    self._turn.wait(_LOOK_SECONDS)
                    if gone():
                        raise Gone
            finally:
                self._waiting.remove(ticket)
                self._turn.notify_all()

    def settled(self, memory_bytes: int) -> None:
        """What was let in stands, or failed to: the kernel's figure now tells the truth about it."""
        with self._turn:
            self._promised -= memory_bytes
            self._turn.notify_all()

    def leave(self) -> None:
        with self._turn:
            self.taken -= 1
            self._turn.notify_all()

    def _fits(self, memory_bytes: int, beside: int) -> bool:
        # with nobody else inside there is nothing to wait for
        if self.taken <= beside < self.places:
            return True
        free = self._memory() - _RESERVED_BYTES - self._promised
        return self.taken < self.places and free > memory_bytes
