"""What the owner of a machine says of how it ended."""

from __future__ import annotations

from typing import Any

import pytest

from sandboxes.interface import Completed, Handle, StartFailed
from sandboxes.vm import VirtualMachine


class _Ended:
    """A jail's process that has ended so."""

    running = False

    def __init__(self, how: Completed | StartFailed | None) -> None:
        self._how = how

    def wait(self, timeout: float) -> Completed | None:
        if isinstance(self._how, StartFailed):
            raise self._how
        return self._how


@pytest.mark.parametrize(
    ("how", "word"),
    [
        (Completed(0, b"", 1.0), "off"),
        (Completed(1, b"", 1.0), "ended"),
        (Completed(None, b"", 1.0, "memory"), "ended"),
        (StartFailed("the jail could not be kept"), "ended"),
        (None, "ended"),
    ],
)
def test_only_an_end_in_order_is_the_guests_own(how: Any, word: str) -> None:
    process: Any = _Ended(how)
    assert VirtualMachine(Handle("vm", "vm-1", "boot"), process).ailments() == {"machine": word}


def test_one_that_runs_is_well() -> None:
    process: Any = _Ended(None)
    process.running = True
    assert VirtualMachine(Handle("vm", "vm-1", "boot"), process).ailments() == {}
