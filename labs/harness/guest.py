"""One machine as a check sees it: what it may ask of the guest's agent, by way of the engine.

Everything here is what the guest says of itself, and the learner's program is root in it: use it to
show a learner what is there, and judge by what the host knows (labs/harness/traffic.py).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from labs.harness.channel import GuestRefused
from labs.harness.mesh import MeshPlan

T = TypeVar("T")

_MOST_NESTED = 64
_ENDLESS_NUMBER = re.compile(r"\d{300}")
_SHOWN_OF_WILD = 200
_CLOCK = ("cat", "/proc/uptime")
_UPTIME = re.compile(r"(\d{1,9}\.\d\d) \d{1,9}\.\d\d\n")
_FASTEST, _CLOCK_SLACK = 8.0, 2.0  # where the clock counts instructions, a fast host is ahead of it

Ask = Callable[[str, dict[str, Any], float], tuple[dict[str, Any], bytes]]

__all__ = [
    "BpfMap",
    "BpfProgram",
    "Ended",
    "Guest",
    "GuestRefused",
    "Objects",
    "Received",
    "Response",
    "Usage",
]


@dataclass(frozen=True)
class Response:
    """An HTTP answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class BpfProgram:
    """`recursion_misses`: runs that the kernel left out, because the program ran already on that processor.

    `run_time_ns` and `run_count` count while statistics are on.
    """

    id: int
    type: str
    name: str
    run_time_ns: int
    run_count: int
    recursion_misses: int
    map_ids: tuple[int, ...]


@dataclass(frozen=True)
class BpfMap:
    """`entries` is None where they cannot be counted."""

    id: int
    type: str
    name: str
    max_entries: int
    entries: int | None


@dataclass(frozen=True)
class Objects:
    """Every BPF object of the kernel; `links` are ids, `pins` paths below /sys/fs/bpf."""

    programs: tuple[BpfProgram, ...]
    maps: tuple[BpfMap, ...]
    links: tuple[int, ...]
    pins: tuple[str, ...]

    def since(self, before: Objects) -> Objects:
        """What is there now and was not before."""
        programs, maps = {p.id for p in before.programs}, {m.id for m in before.maps}
        return Objects(
            tuple(p for p in self.programs if p.id not in programs),
            tuple(m for m in self.maps if m.id not in maps),
            tuple(link for link in self.links if link not in before.links),
            tuple(pin for pin in self.pins if pin not in before.pins),
        )

    @property
    def recursion_misses(self) -> int:
        return sum(program.recursion_misses for program in self.programs)

    @property
    def run_time_ns(self) -> int:
        return sum(program.run_time_ns for program in self.programs)

    @property
    def run_count(self) -> int:
        return sum(program.run_count for program in self.programs)

    def __bool__(self) -> bool:
        return bool(self.programs or self.maps or self.links or self.pins)

    def __str__(self) -> str:
        rows = [f"program {p.name or p.id} ({p.type})" for p in self.programs]
        rows += [f"map {m.name or m.id} ({m.type})" for m in self.maps]
        rows += [f"link {link}" for link in self.links]
        rows += [f"pin /sys/fs/bpf/{pin}" for pin in self.pins]
        return "\n".join(rows)


@dataclass(frozen=True)
class Usage:
    """Of one instance of the learner's program and all that it started."""

    cpu_seconds: float
    memory_bytes: int
    memory_peak_bytes: int
    processes: int


@dataclass(frozen=True)
class Ended:
    """How a command of the learner's ended, and what it printed.

    `code` is None when a signal ended it, `signal` 0 when none did, `stopped_by` "memory" or "output" when that limit
    did. When not `in_time` it was killed at the end of its time.
    """

    code: int | None
    signal: int
    stopped_by: str
    in_time: bool
    text: str


@dataclass(frozen=True)
class Received:
    """One request to the mesh's webhook. `at`: seconds of the guest's CLOCK_MONOTONIC; `answered`: the status that it
    got, 0 when it has none yet, or its sender left before.
    """

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    answered: int


class Guest:
    """Each method raises GuestLost when the machine is gone, GuestRefused when the agent says no."""

    def __init__(self, kernel: str, ask: Ask) -> None:
        self.kernel = kernel
        self._ask = ask
        self._clock: tuple[float, float] | None = None  # of the guest, and then of this process

    def get(self, url: str, timeout: float = 10.0) -> Response:
        """GET an http address of the guest's loopback. GuestRefused when nobody answers."""
        ok, body = self._ask("http", {"url": url}, timeout)
        headers = {str(name).lower(): str(value) for name, value in ok["headers"].items()}
        return Response(int(ok["status"]), headers, body)

    def objects(self) -> Objects:
        ok, _ = self._ask("bpf", {}, 30.0)
        return Objects(
            tuple(_pick(BpfProgram, row, map_ids=tuple(row["map_ids"])) for row in ok["programs"]),
            tuple(_pick(BpfMap, row) for row in ok["maps"]),
            tuple(row["id"] for row in ok["links"]),
            tuple(ok["pins"]),
        )

    def statistics(self, on: bool) -> None:
        """Have the kernel count the run time of BPF programs, which costs a little."""
        self._ask("bpf_stats", {"on": on}, 10.0)

    def usage(self, instance: int) -> Usage:
        used: Usage = _pick(Usage, self._ask("usage", {"process": instance}, 10.0)[0])
        return used

    def traffic(self, plan: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """What the guest says has become of the plan: see traffic.compare."""
        return self._ask("traffic", {"plan": dict(plan)}, timeout)[0]

    def release(self) -> None:
        """Close the connections that a plan has left open."""
        self._ask("traffic_release", {}, 20.0)

    def verify(self) -> tuple[bool, str]:
        """Whether the kernel accepts the learner's object as it is built, and the verifier's log if not."""
        ok, log = self._ask("verify", {}, 60.0)
        return bool(ok.get("accepted")), log.decode("utf-8", "replace") or str(ok.get("error", ""))

    def run(self, *argv: str, timeout: float = 10.0) -> tuple[int | None, str]:
        """A command of the guest's own (busybox): its exit code, None when a signal ended it, and its output.

        Raises GuestRefused when it had to be killed after `timeout`: nobody knows what it did.
        """
        ok, output = self._ask("run", {"argv": list(argv)}, timeout)
        if ok["late"]:
            raise GuestRefused(f"{' '.join(argv)[:100]} did not end within {timeout:g} s")
        said = output.decode("utf-8", "replace")
        # mesh_probe's grader reads the clock like this; a method of its own is due when that grader is next proven anew
        if argv == _CLOCK:
            self._look_at_clock(said)
        return ok["code"], said

    def _look_at_clock(self, said: str) -> None:
        """What a grader waits by is a file that root may mount something over. Raises GuestRefused.

        The guest's clock never runs backwards, and not many times as fast as the host's.
        """
        found, now = _UPTIME.fullmatch(said), time.monotonic()
        if found is None:
            raise GuestRefused(f"its clock says {said[:40]!r}")
        uptime = float(found[1])
        before, then = self._clock or (uptime, now)
        if not before <= uptime <= before + (now - then) * _FASTEST + _CLOCK_SLACK:
            raise GuestRefused(f"its clock went from {before:g} to {uptime:g} s within {now - then:.1f} s")
        self._clock = uptime, now

    def command(self, *args: str, timeout: float = 30.0) -> Ended:
        """Run the learner's program with these arguments until it ends; after `timeout` it is killed."""
        ok, output = self._ask("command", {"args": list(args)}, timeout)
        ended: Ended = _pick(Ended, ok, text=output.decode("utf-8", "replace"))
        return ended

    def worker(self) -> int:
        """Start a process that makes system calls when it is told to; its PID."""
        ok = self._ask("worker_start", {}, 30.0)[0]
        return _understood(lambda: int(ok["pid"]))

    def work(
        self, pid: int, threads: Sequence[int], *, others: int = 0, child: int = 0, timeout: float = 60.0
    ) -> None:
        """Have a worker call getppid(2): `threads[0]` times in its first thread, and as often as each further number
        says in a new thread, all at once; each call is followed by `others` calls of getpid(2). Then `child` times in
        a child of its own. Returns when all is done.
        """
        job = {"pid": pid, "threads": list(threads), "others": others, "child": child}
        self._ask("worker_do", job, timeout)

    def end_worker(self, pid: int) -> None:
        """Returns when it is gone."""
        self._ask("worker_end", {"pid": pid}, 30.0)

    def mesh_start(self) -> None:
        """Make the network `mesh0` and what is behind it, and the webhook's receiver. Once, before the first mesh()."""
        self._ask("mesh_start", {}, 60.0)

    def mesh(self, plan: MeshPlan) -> dict[str, Any]:
        """What the guest says has become of the plan, when all of it has happened: see labs.harness.mesh.comparing."""
        return self._ask("mesh_do", {"plan": plan.fields()}, plan.seconds)[0]

    def webhook(self, answer: Literal["ok", "fail", "slow", "hang", "refuse"]) -> None:
        """How http://127.0.0.1:9800 answers from now on: 204, 500, 204 after 2 s, not at all, or nobody listens.

        Requests that hang are answered by 204 when that changes.
        """
        self._ask("mesh_webhook", {"answer": answer}, 20.0)

    def received(self, since: int = 0) -> tuple[Received, ...]:
        """What the webhook got, from number `since` on, in the order in which it came; at most 512 in all."""
        ok = self._ask("mesh_received", {"from": since}, 20.0)[0]
        return _understood(lambda: tuple(_received(row) for row in ok["received"] or ()))

    def mesh_end(self) -> None:
        """Returns when its network and all its processes are gone."""
        self._ask("mesh_end", {}, 30.0)


def _understood(read: Callable[[], T]) -> T:
    """What `read` makes of an answer that the engine passed on as it was: the guest may have written anything."""
    try:
        return read()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise GuestRefused(
            f"its answer makes no sense ({type(error).__name__}: {str(error)[:100]})"
        ) from error


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{str(value)[:20]} is no time")
    return float(value)


def _sober(body: str) -> str:
    """A request's body, cut where no JSON that a lab asks for would need so much: what nests without end, or a number
    of hundreds of digits, breaks the ones who read it.
    """
    wild = body.count("[") + body.count("{") > _MOST_NESTED or _ENDLESS_NUMBER.search(body)
    return body[:_SHOWN_OF_WILD] if wild else body


def _received(row: Mapping[str, Any]) -> Received:
    return Received(
        at=_finite(row["at"]),
        method=str(row["method"]),
        path=str(row["path"]),
        headers={str(name).lower(): str(values[0]) for name, values in row["headers"].items()},
        body=_sober(str(row["body"])),
        answered=int(row["answered"]),
    )


def _pick(kind: Any, row: Mapping[str, Any], **more: Any) -> Any:
    """The dataclass from those of the row's fields that it has."""
    names = kind.__dataclass_fields__
    return kind(**{**{name: row[name] for name in names if name in row}, **more})
