"""Starts programs, starts again what ends by itself, and ends them in order. One supervisor per lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from lastmile.embedded.binaries import NotStarted
from lastmile.embedded.children import Child, Program

LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
LOOK_SECONDS = 0.25
# Graders go behind everything else: on a machine that is busy with other things they start slowly.
GRADER_SECONDS = 180.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(BaseException):
    """Somebody asked us to end. Not an Exception, so that nothing on the way swallows it."""


@dataclass
class Kept:
    """A child that is started again when it ends by itself."""

    child: Child
    pause: float = 1.0
    again_at: float = 0.0


class Supervisor(ABC):
    """A kind of it says in `_bring_up` what it starts, and in which order."""

    # Names of the programs that the others use: they are ended when those have gone.
    used_by_others: tuple[str, ...] = ()

    def __init__(self, lock: Path, say: Callable[[str], None], logs: Path | None) -> None:
        """`lock` is held while it runs. `logs` is the folder of the programs' logs; None lets them write to ours."""
        self.lock, self.say, self.logs = lock, say, logs
        self.began = time.monotonic()
        self.kept: list[Kept] = []
        # Plain, because a signal handler that takes a lock may wait for the very code that it interrupted.
        self.asked = False

    def run(self) -> None:
        """Until SIGINT, SIGTERM or SIGHUP. Raises NotStarted; whatever was started is ended either way."""
        with _only_one(self.lock), self._signals():
            try:
                self._bring_up()
                self._keep_up()
            except Stop:
                self.say("")
            finally:
                self.asked = True
                self._bring_down()

    @abstractmethod
    def _bring_up(self) -> None:
        """Start what it keeps up, in order, and wait for what others need."""

    def _start(self, program: Program) -> Child:
        child = Child(program, self.logs)
        self.kept.append(Kept(child))
        return child

    @contextlib.contextmanager
    def _step(self, what: str) -> Iterator[list[str]]:
        """Announce `what` with the seconds it took; what the block appends to the list is said beside it."""
        began = time.monotonic()
        told: list[str] = []
        yield told
        more = f": {', '.join(filter(None, told))}" if any(told) else ""
        self.say(f"{time.monotonic() - began:6.1f} s  {what}{more}")

    def _keep_up(self) -> None:
        while not self.asked:
            time.sleep(LOOK_SECONDS)  # a signal ends it at once, by Stop
            for kept in self.kept:
                self._look_after(kept)

    def _look_after(self, kept: Kept) -> None:
        """Start again what ended, at once the first time and then ever more slowly."""
        child, now = kept.child, time.monotonic()
        if child.alive:
            return
        if not kept.again_at:
            if now - child.started > STEADY_SECONDS:
                kept.pause = 1.0
            kept.again_at = now + kept.pause
            code = child.process.returncode
            name, words = child.program.name, child.last_words()
            self.say(f"  {name} ended with {code}, starting it again in {kept.pause:.0f} s: {words}")
        elif now >= kept.again_at:
            kept.pause, kept.again_at = min(kept.pause * 2, LONGEST_PAUSE), 0.0
            kept.child = Child(child.program, self.logs)

    def _bring_down(self) -> None:
        """Those that use the others first, then the others."""
        used = [kept.child for kept in self.kept if kept.child.program.name in self.used_by_others]
        users = [kept.child for kept in self.kept if kept.child not in used]
        for group in (users, used):
            asked = time.monotonic()
            for child in group:
                child.ask_to_stop()
            for child in group:
                if not child.wait_stopped(asked):
                    self.say(f"  {child.program.name} did not stop in time and was killed")
        if self.kept:
            self.say("stopped")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def ask(_number: int, _frame: FrameType | None) -> None:
            if not self.asked:
                self.asked = True
                raise Stop

        former = {number: signal.signal(number, ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _lock(file, path)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "?"
        raise NotStarted(
            f"Lastmile is already up (pid {holder} holds {path}): stop it first, "
            "or set LASTMILE_STATE and LASTMILE_RUN"
        ) from error
