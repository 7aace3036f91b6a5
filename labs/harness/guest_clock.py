"""How slow a virtual machine is, by its own clock.

An emulated machine's clock counts instructions (sandboxes/vm/qemu.py): while its program has something to do and the
host has no processor for it, the clock falls behind the wall's, by just as much as everything in the machine takes
longer. Emulating is not even: with a processor to itself, a second of the machine's took 0.4 of the wall's in a loop of
the shell and 2.2 in the kernel, so that only what is beyond USUAL counts. While the machine rests, both clocks
agree, and so they do with KVM. Its uptime is CLOCK_BOOTTIME, which not even
root can set; and who could falsify it would gain what pace.py says, a later verdict.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from sandboxes.vm.errors import GuestError, Silent

USUAL = 2.5
_PAUSE_SECONDS = 0.5
_WINDOW = 5  # samples, so that what one answer waited on its way weighs little
_PING_SECONDS = 5.0

Uptime = Callable[[float], float]


class GuestClock:
    """Asks a machine for its uptime, twice a second, in a thread of its own, and tells how slow it is.

    `uptime` takes a timeout in seconds. `told` gets how many times as long as usual all takes there, 1.0 at least.
    """

    def __init__(
        self, uptime: Uptime, told: Callable[[float], None], wall: Callable[[], float] = time.monotonic
    ) -> None:
        self._uptime, self._told, self._wall = uptime, told, wall
        self._seen: deque[tuple[float, float]] = deque(maxlen=_WINDOW)
        self._closed = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._follow, name="guest clock", daemon=True).start()

    def close(self) -> None:
        """Idempotent; nothing is waited for."""
        self._closed.set()

    def sample(self) -> None:
        """Ask once. Raises GuestError when the machine is gone; a silent one tells nothing."""
        try:
            uptime = self._uptime(_PING_SECONDS)
        except Silent:
            self._seen.clear()
            return
        self._seen.append((self._wall(), uptime))
        factor = self._slowness()
        if factor is not None:
            self._told(factor)

    def _slowness(self) -> float | None:
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        lived = last - first
        if len(self._seen) < 2 or not lived > 0:
            return None
        factor = max(1.0, (now - began) / lived / USUAL)
        return factor if math.isfinite(factor) else None

    def _follow(self) -> None:
        try:
            while not self._closed.wait(_PAUSE_SECONDS):
                self.sample()
        except GuestError:
            pass  # whoever asks it for something notices
