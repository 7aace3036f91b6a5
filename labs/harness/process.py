"""The learner's operator, as the grader's checks handle it.

The grader cannot start processes of the host: each call here is a request that the engine carries
out in a jail of its own (see protocol.py).
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.harness import pace
from labs.harness.checks import NotInTime
from labs.harness.events import Text

Ask = Callable[..., None]

_STOPPED = {
    "memory": ("内存超过上限", "it used more memory than it may"),
    "output": ("输出超过上限", "it printed more than it may"),
    "wall": ("运行时间超过上限", "it ran longer than it may"),
    "cpu": ("CPU 时间超过上限", "it used more CPU time than it may"),
    "guest": ("虚拟机不在了", "its virtual machine is gone"),
    "closed": ("被评测器停止", "it was stopped by the grader"),
}


_ADVICE = {
    "memory": (
        "看看什么在不断增长：没有上限的 map、切片或 goroutine。",
        "Look for what grows without bound: a map, a slice, goroutines.",
    ),
    "output": (
        "只在状态变化时写日志，不要在循环里每次都打印。",
        "Log when something changes, not on every turn of a loop.",
    ),
}
_LAST_WORDS = (
    "它最后的输出在下面：panic 之后第一行属于你的文件的位置，就是该看的地方。",
    "Its last words are below: after a panic, the first line that names a file of yours is where to look.",
)
_RETURNED = (
    "main 返回了：启动 manager，并等到 mgr.Start 结束再返回。",
    "main returned: start the manager, and do not return before mgr.Start does.",
)


class NeverConnected(NotInTime):
    """It runs, but asked the API server for nothing in time."""


class CrashedAtStart(Exception):
    """The learner's program ended before it ever spoke to the API server: verdict `error`."""

    def __init__(self, exit_: Exit, log: str) -> None:
        super().__init__(f"exit {exit_.code} {exit_.stopped_by}")
        self.exit, self.log = exit_, log


@dataclass(frozen=True)
class Exit:
    """How it ended: `code` is None when it was killed; `stopped_by` then says by which limit, or by us."""

    code: int | None
    stopped_by: str = ""

    def describe(self) -> tuple[str, str]:
        """In Chinese and in English."""
        if self.code is not None:
            return f"退出码 {self.code}", f"exit code {self.code}"
        zh, en = _STOPPED.get(self.stopped_by, ("被停止", "it was stopped"))
        return zh, en

    @property
    def over_a_limit(self) -> bool:
        """Whether it was ended for its memory or for what it printed: advise() then says what to look for."""
        return self.stopped_by in _ADVICE

    def advise(self) -> tuple[str, str]:
        """What to do about an end at the start, in Chinese and in English."""
        ended_well = self.code == 0
        return _ADVICE.get(self.stopped_by, _RETURNED if ended_well else _LAST_WORDS)


@dataclass(frozen=True)
class Line:
    """One line of its output; `at` is when it was received (Unix seconds)."""

    at: float
    text: str


class Operator:
    """One learner program. At most one instance runs at a time."""

    def __init__(self, ask: Ask, connected: Callable[[], bool], numbers: Iterator[int] | None = None) -> None:
        """`numbers` number the instances; several programs of one run share it."""
        self._ask, self._connected = ask, connected
        self._numbers = numbers or itertools.count(1)
        self._changed = threading.Condition()
        self._lines: deque[Line] = deque(maxlen=20_000)
        self._running = False
        self._number = 0
        self._exit = Exit(None)
        self._ever_connected = False

    @property
    def running(self) -> bool:
        return self._running

    @property
    def number(self) -> int:
        """Of the instance that was started last; 0 before the first."""
        return self._number

    @property
    def lines(self) -> list[Line]:
        """Everything it printed in this run, all instances."""
        with self._changed:
            return list(self._lines)

    def start(self, env: Mapping[str, str] | None = None, connect_within: float = 10.0) -> None:
        """Start it and wait for its first request to the API server.

        Raises CrashedAtStart when it ends before any instance ever connected, NeverConnected when
        it runs and stays silent. Must not be running.
        """
        self.launch(env)
        self.wait_connected(connect_within)

    def launch(
        self,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        *,
        reference: bool = False,
    ) -> None:
        """Start it, with `args` on its command line, and return at once.

        `reference`: start the lab's own solution in its place, without arguments.
        """
        if self._running:
            raise RuntimeError("the operator is running already")
        with self._changed:
            self._number = next(self._numbers)
            self._running = True
        do = "start_reference" if reference else "start_operator"
        try:
            self._ask(do, process=self._number, env=dict(env or {}), args=list(args))
        except Exception:  # refused: there is no such instance to end later
            with self._changed:
                self._running = False
            raise

    def wait_connected(self, timeout: float = 10.0) -> None:
        """Returns once this instance has asked the API server for something; see start()."""
        deadline = pace.now() + timeout
        while not self._connected():
            with self._changed:
                self._changed.wait_for(lambda: not self._running, timeout=0.05)
            if not self._running and not self._connected():
                if self._ever_connected:
                    return
                raise CrashedAtStart(self._exit, self.log_tail())
            if pace.now() > deadline:
                zh = f"程序在运行，但 {timeout:g} 秒内没有向 API server 发出任何请求"
                raise NeverConnected(
                    Text(zh, f"it runs, but in {timeout:g} s it asked the API server for nothing")
                )
        self._ever_connected = True

    def stop(self, timeout: float = 10.0) -> Exit:
        """SIGTERM; gives how it ended. Raises NotInTime when it does not end; it is left running."""
        if self._running:
            self._ask("stop_operator", process=self._number)
        return self.wait_exit(timeout)

    def kill(self) -> Exit:
        """SIGKILL, to be sure that nothing of it runs on. Idempotent."""
        if self._running:
            self._ask("kill_operator", process=self._number)
        return self.wait_exit(10.0)

    def restart(self, env: Mapping[str, str] | None = None, connect_within: float = 10.0) -> None:
        """kill() and start()."""
        self.kill()
        self.start(env, connect_within)

    def wait_exit(self, timeout: float) -> Exit:
        """How it ended; raises NotInTime while it still runs."""
        with self._changed:
            if not pace.wait_for(self._changed, lambda: not self._running, timeout):
                zh = f"{timeout:g} 秒后程序仍在运行"
                raise NotInTime(Text(zh, f"the program was still running after {timeout:g} s"))
            return self._exit

    def log_tail(self, count: int = 20) -> str:
        """Its last lines, joined."""
        return "\n".join(line.text for line in self.lines[-count:])

    def on_lines(self, lines: list[dict[str, Any]]) -> None:
        """The engine passes on lines {at, text} (called by the protocol's reader)."""
        with self._changed:
            self._lines.extend(Line(row["at"], row["text"]) for row in lines)

    def on_exit(self, process: int, code: int | None, stopped_by: str) -> None:
        """The engine says that an instance ended (called by the protocol's reader)."""
        with self._changed:
            if process == self._number:
                self._running, self._exit = False, Exit(code, stopped_by)
                self._changed.notify_all()
