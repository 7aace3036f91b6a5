"""The contract that every sandbox provider keeps. One contract test file runs over all of them.

The shape is JupyterHub's Spawner and kind's Provider brought together: a provider starts real
systems, a sandbox is one of them, and its handle is JSON so that a database column can hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol


class Unavailable(Exception):
    """This machine cannot serve the provider; the message names what is missing and the remedy."""


class StartFailed(Exception):
    """The real system did not come up. Ours, never the learner's; `log` holds its last words."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class Progress:
    """One step of a start: what is being done, in the words of an engineer, and how long it took."""

    step: str
    done: bool = False
    seconds: float = 0.0


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Handle:
    """Names one running sandbox. JSON-able.

    `data` may hold tokens of the sandbox: they open nothing outside of it and die with it, but they
    let a learner grade himself, so no page shows them.
    """

    kind: str
    id: str
    boot_id: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """What to start. `options` are the provider's own and are checked by it."""

    kind: str
    memory_bytes: int = 1 << 30
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Completed:
    """How a command ended. A timeout or a limit is a result, not an exception.

    `exit_code` is None when the command was killed by us; `stopped_by` then says why:
    "wall", "cpu", "memory", "output", "closed". `output` is stdout and stderr as they came, cut at
    the output limit.
    """

    exit_code: int | None
    output: bytes
    seconds: float
    stopped_by: str = ""
    memory_peak_bytes: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class RunDelay:
    """Seconds for which something ran, and for which it would have but had no processor."""

    ran: float
    waited: float

    def __add__(self, other: RunDelay) -> RunDelay:
        return RunDelay(self.ran + other.ran, self.waited + other.waited)

    def __sub__(self, other: RunDelay) -> RunDelay:
        return RunDelay(self.ran - other.ran, self.waited - other.waited)


class Sandbox(Protocol):
    """One running real system. `close` is idempotent; everything else raises once it is closed."""

    handle: Handle

    @property
    def endpoints(self) -> Mapping[str, str]: ...

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 10.0) -> Completed: ...
    def put(self, src: Path, dest: str) -> None: ...
    def get(self, src: str, dest: Path) -> None: ...
    def alive(self) -> bool: ...
    def collect(self, into: Path) -> None: ...
    def close(self) -> None: ...


class Provider(Protocol):
    kind: ClassVar[str]

    def probe(self) -> None:
        """Raise Unavailable when this machine cannot serve it."""

    def start(self, spec: Spec, report: Report) -> Sandbox:
        """Bring one up as announced, ordered steps. Cleans up after itself on failure."""

    def attach(self, handle: Handle) -> Sandbox:
        """Take up a sandbox that another process of this machine started."""

    def find(self) -> Iterator[Handle]:
        """Every sandbox of this kind that stands on this machine, for the reaper."""


def check_name(name: str) -> None:
    """Raise ValueError unless `name` is a plain relative path: no empty, `.` or `..` part, no NUL."""
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"{name!r} is not the name of a file below /work")
