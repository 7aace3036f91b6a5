"""A step of the set-up, and what it may raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Say = Callable[[str], None]
"""Takes one line of progress, in the words of an engineer."""


class SetupError(Exception):
    """A step cannot go on. The message says what is wrong, `remedy` what the reader can do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Step(Protocol):
    """One thing the machine needs. `run` may be killed at any moment and is then simply run again."""

    @property
    def name(self) -> str:
        """What the step brings, as a noun."""

    def done(self) -> bool:
        """Whether the result stands and matches its inputs. Fast: milliseconds, no network."""

    def run(self, say: Say) -> None:
        """Bring the result about. Raises SetupError."""
