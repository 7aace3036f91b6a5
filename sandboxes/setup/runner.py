"""Runs steps in order and says how far it is."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sandboxes.setup.step import SetupError, Step

_QUIET_SECONDS = 15.0


class Console:
    """Progress for people: one line that is rewritten on a terminal, a line now and then in a log."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._live = out.isatty()
        self._prefix = ""
        self._shown = 0.0

    def open(self, n: int, of: int, name: str) -> None:
        self._prefix = f"[{n}/{of}] {name}"
        self._shown = time.monotonic()
        self._line(f"{self._prefix} …")

    def say(self, text: str) -> None:
        """A line of detail; called as often as there is news."""
        if self._live:
            self._out.write(f"\r\033[K{self._prefix}: {text}"[:200])
            self._out.flush()
        elif time.monotonic() - self._shown > _QUIET_SECONDS:
            self._shown = time.monotonic()
            self._line(f"{self._prefix}: {text}")

    def leave_out(self, reason: str, remedy: str) -> None:
        self._line(f"{self._prefix}: left out. {reason}")
        if remedy:
            self._line(f"    to have it: {remedy}")

    def close(self, seconds: float) -> None:
        self._line(f"{self._prefix}: done in {seconds:.1f} s")

    def _line(self, text: str) -> None:
        self._out.write(f"\r\033[K{text}\n" if self._live else f"{text}\n")
        self._out.flush()


def run(steps: Sequence[Step], console: Console, spare: Mapping[str, Collection[str]] | None = None) -> int:
    """Run what is not done; the number of steps that had to run. Raises SetupError, naming the step.

    `spare` has the names of the steps that the course can do without, each with the names of those that it builds
    on. One that fails is told and left out, with those of `spare` that build on it, and no other.
    """
    spare = spare or {}
    ran = 0
    left_out: set[str] = set()
    for n, step in enumerate(steps, start=1):
        if step.done():
            continue
        if not left_out.isdisjoint(spare.get(step.name, ())):
            left_out.add(step.name)
            continue
        started = time.monotonic()
        console.open(n, len(steps), step.name)
        try:
            step.run(console.say)
        except SetupError as error:
            if step.name not in spare:
                raise SetupError(f"{step.name}: {error}", error.remedy) from error
            left_out.add(step.name)
            console.leave_out(str(error), error.remedy)
            continue
        if not step.done():
            raise SetupError(f"{step.name}: ran, but its result is not there", "run make setup again")
        console.close(time.monotonic() - started)
        ran += 1
    return ran


@contextmanager
def alone(lock: Path, console: Console) -> Iterator[None]:
    """Hold the set-up's lock. The kernel lets go of it when we end, however we end."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            console.open(
                0, 0, f"another set-up is at work (process {file.read().strip() or '?'}); waiting for it"
            )
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
