"""Runs a lab's checks in order, each within its time, and reports them.

Where a lab has kernels, each has a runner of its own: one kernel's failure does not hide what happens on
the other.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

import httpx

from labs.harness import pace
from labs.harness.channel import GuestLost
from labs.harness.checks import CheckFunction, Failed, NotInTime
from labs.harness.events import Text
from labs.harness.manifest import Check, Lab

Emit = Callable[..., None]


class _TimeUp(BaseException):
    """Not an Exception, so that a check which catches broadly does not catch this."""


class Starved(Exception):
    """The machine gave the run a part of its time only, and too small a one to judge by: ours."""


class OutOfStep(Exception):
    """lab.toml and grader.py name different checks."""


@dataclass
class Runner:
    """`only` runs just these checks (and what they need); empty runs all. `kernel` is named in failures.

    No check begins after `deadline`, by pace.now(), and none goes on after `latest`, by time.monotonic(). `settle` is
    called behind a check whose time was up, with the seconds that there are, and waits for what that check left undone.
    """

    lab: Lab
    functions: Mapping[str, CheckFunction]
    emit: Emit
    only: frozenset[str] = frozenset()
    deadline: float = float("inf")
    latest: float = float("inf")
    stop_at_failure: bool = False
    last_step: Text = field(default_factory=lambda: Text("", ""))
    statuses: dict[str, str] = field(default_factory=dict)
    kernel: str = ""
    lost: bool = False
    settle: Callable[[float], None] = field(default=lambda _seconds: None)

    def verify(self) -> None:
        """Raises OutOfStep unless each check of lab.toml has its function and the other way round."""
        wanted, there = {check.id for check in self.lab.checks}, set(self.functions)
        if wanted != there:
            missing, extra = sorted(wanted - there), sorted(there - wanted)
            raise OutOfStep(f"{self.lab.slug}: grader.py lacks {missing} and has {extra} beyond lab.toml")

    def run(self, fixture: Any) -> None:
        """Every check in order, each called with `fixture`.

        Raises whatever a check raises beyond Failed and NotInTime, and Starved.
        """
        wanted = self._wanted()
        for check in self.lab.checks:
            if check.id in wanted:
                self._run_check(check, fixture)

    def _run_check(self, check: Check, fixture: Any) -> None:
        if not self._ready(check):
            self._settle(check, "skipped")
            return
        self.emit("check", check=check.id, status="running")
        begun = time.monotonic()
        failure = self._decide(check, fixture)
        self.lost = isinstance(failure, _Lost)
        extra = {"failure": _on(self.kernel, failure).json()} if failure else {}
        seconds = round(time.monotonic() - begun, 3)
        self._settle(check, "failed" if failure else "passed", seconds=seconds, **extra)

    def give_up(self) -> None:
        """Skip what has no result yet: there is no program to judge."""
        for check in self.lab.checks:
            if check.id in self._wanted() and check.id not in self.statuses:
                self._settle(check, "skipped")

    def _wanted(self) -> set[str]:
        if not self.only:
            return {check.id for check in self.lab.checks}
        wanted: set[str] = set(self.only)
        for check in reversed(self.lab.checks):
            if check.id in wanted:
                wanted.update(check.needs)
        return wanted

    def _ready(self, check: Check) -> bool:
        met = all(self.statuses.get(need) == "passed" for need in check.needs)
        stopped = self.stop_at_failure and "failed" in self.statuses.values()
        ready = met and not self.lost and not stopped and pace.now() < self.deadline
        if ready and time.monotonic() >= self.latest:
            raise Starved(f"{check.id} did not get its turn")
        return ready

    def _settle(self, check: Check, status: str, **fields: Any) -> None:
        self.statuses[check.id] = status
        self.emit("check", check=check.id, status=status, **fields)

    def _decide(self, check: Check, fixture: Any) -> Failed | None:
        self.last_step = check.title
        limit = min(check.timeout, max(0.1, self.deadline - pace.now()))
        try:
            with _time_limit(limit, self.latest):
                self.functions[check.id](fixture)
        except Failed as failed:
            return failed
        except GuestLost as lost:
            return self._lost(check, lost.what)
        except NotInTime as late:
            return self._late(check, late.what)
        except httpx.InvalidURL as error:  # all addresses are ours, but for where a program's answer leads to
            return self._late(
                check, Text(f"应答指向的地址无效：{error}", f"its answer leads to no address: {error}")
            )
        except _TimeUp:
            if time.monotonic() >= self.latest and pace.now() < self.deadline:
                raise Starved(f"{check.id} was not done") from None
            self.settle(self.latest - time.monotonic())
            zh = f"{limit:g} 秒内没有做完"
            return self._late(check, Text(zh, f"it was not done within {limit:g} s"))
        return None

    def _lost(self, check: Check, saw: Text) -> Failed:
        return _Lost(
            tried=self.last_step,
            saw=saw,
            expected=check.title,
            hint=Text(
                "程序在虚拟机里以 root 运行，但只应该加载、挂载和读取自己的 eBPF 对象；看它在这之前最后做了什么。",
                "The program is root in its machine, yet it should load, attach and read its own eBPF objects and "
                "nothing more: look at what it did last before this.",
            ),
        )

    def _late(self, check: Check, saw: Text) -> Failed:
        return Failed(
            tried=self.last_step,
            saw=saw,
            expected=check.title,
            hint=Text(
                "看看日志里最后几行在等什么：多半是一次请求没有返回，或者某个状态一直没有被写出来。",
                "Look at what the last lines of the log wait for: most often a request that never "
                "returned, or a state that was never written.",
            ),
        )


class _Lost(Failed):
    """There is no machine left to run further checks on."""


def _on(kernel: str, failure: Failed) -> Failed:
    """The failure with its kernel's name, in what was seen too."""
    if not kernel:
        return failure
    saw = Text(f"Linux {kernel}：{failure.saw.zh}", f"Linux {kernel}: {failure.saw.en}")
    return replace(failure, saw=saw, kernel=kernel)


@contextmanager
def _time_limit(seconds: float, latest: float) -> Iterator[None]:
    """Raise _TimeUp in the main thread after `seconds` of pace, or at `latest` of time.monotonic(), and again each
    second while it is swallowed.
    """
    end = pace.now() + seconds

    def up(_number: int, _frame: FrameType | None) -> None:
        left = min(end - pace.now(), latest - time.monotonic())
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.01) if left > 0 else 1.0)
        if left <= 0:
            raise _TimeUp

    previous = signal.signal(signal.SIGALRM, up)
    signal.setitimer(signal.ITIMER_REAL, max(min(seconds, latest - time.monotonic()), 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
