"""Polling with a deadline, for real systems that send no event when they become ready."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE_SECONDS = 0.015


class NotComing(Exception):
    """What is waited for can no longer happen."""


def wait_until(ready: Callable[[], bool], deadline: float, what: str) -> None:
    """Return when `ready()` is true; an OSError counts as not yet.

    Raises TimeoutError naming `what`; lets NotComing through.
    """
    while True:
        try:
            if ready():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in time: {what}")
        time.sleep(_PAUSE_SECONDS)
