"""A machine that exists in numbers only, with a probe whose habits are known: the mesh grader's timing without a guest.

Its clock goes on when somebody waits. Traffic takes the time that its plan says, and a little for each exchange.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from labs.harness import operator_lab, pace
from labs.harness.exposition import Exposition, parse
from labs.harness.guest import Received
from labs.harness.mesh import MeshPlan, Session, Truth
from labs.harness.tracer_lab import TracerLab
from labs.tracers.mesh_probe.grading import world as grading
from labs.tracers.mesh_probe.grading.ledger import CODES, ERRORS, LABELS, RESETS, RESPONSES, WEBHOOKS
from labs.tracers.mesh_probe.grading.world import WINDOW, World

_EACH = 0.03  # seconds of one exchange
_FAILURES = ("INTERNAL_ERROR",)


@dataclass(frozen=True)
class Habits:
    """What the probe does in its own way. Seconds. The defaults are those of a right answer without any delay.

    `counts_late`: until an event is on the page. `calls_late`: from a condition to the call. `sent_late`: from the
    call's answer to its count. `begins_at`: its windows do not slide but begin anew, at this time and each window on.
    `begins_with_first`: each server's window begins with its first event, and anew with the first one after its end.
    `each_reset`: it calls again for each reset beyond the third. `queue`: calls that may wait.
    """

    counts_late: float = 0.0
    calls_late: float = 0.0
    sent_late: float = 0.0
    begins_at: float | None = None
    begins_with_first: bool = False
    each_reset: bool = False
    queue: int = 16


@dataclass(frozen=True)
class Event:
    at: float
    series: tuple[str, ...]
    stream: tuple[int, int] = (0, 0)


@dataclass
class Call:
    at: float
    kind: str
    dst: str
    value: int
    done: float = 0.0
    result: str = ""


@dataclass
class Machine:
    habits: Habits
    clock: float = 1000.0
    how: str = "ok"
    events: list[Event] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    dropped: list[Call] = field(default_factory=list)
    _due: list[Call] = field(default_factory=list)
    _busy_until: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.clock += seconds

    # what the guest does

    def run(self, *_argv: str) -> tuple[int, str]:
        """/proc/uptime, in hundredths; asking takes time too."""
        self.clock += 0.01
        return 0, f"{self.clock:.2f} 0.00"

    def webhook(self, how: str) -> None:
        self._deliver()
        self.how = how

    def received(self, since: int = 0) -> tuple[Received, ...]:
        self._deliver()
        bodies = [
            {"kind": call.kind, "dst": call.dst, "value": call.value, "window_seconds": WINDOW}
            for call in self.calls
        ]
        headers = {"content-type": "application/json"}
        rows = [
            Received(call.at, "POST", "/hook", headers, json.dumps(body), 204)
            for call, body in zip(self.calls, bodies, strict=True)
        ]
        return tuple(rows[since:])

    def carry_out(self, plan: MeshPlan) -> Truth:
        truth, begun, rows = plan.truth(), self.clock, []
        for number, session in enumerate(plan.sessions):
            at = begun + 0.01 * number
            rows.append({"id": session.id, "rows": self._exchanges(session, at)})
        ended = max(row["at"] for each in rows for row in each["rows"])
        self.report = {"begun": begun, "ended": ended, "sessions": rows}
        self.clock = ended + 0.02
        return truth

    def _exchanges(self, session: Session, at: float) -> list[dict[str, float]]:
        """The rows of one session, whose events are kept; a framer has one answer, to the request that it resets."""
        place, rows = f"{session.server[0]}:{session.server[1]}", []
        for exchange in session.exchanges:
            by, code = ("server", 2) if exchange.ask == "abort" else ("client", 8)
            for n in range(exchange.count):
                at += _EACH + exchange.pause_ms / 1000
                rows.append({"at": at})
                stream = (session.id, 1 if exchange.ask == "reset" else len(rows))
                if exchange.ask != "reset" or n == 0:
                    status = 200 if exchange.ask == "reset" else exchange.status
                    self.events.append(Event(at, (RESPONSES, place, str(status)), stream))
                if exchange.ask in ("abort", "cancel", "reset"):
                    self._reset(Event(at, (RESETS, place, by, CODES[code]), stream))
        return rows

    # what the probe does

    def _window(self, now: float) -> float:
        """Where the window begins that ends now."""
        begins_at = self.habits.begins_at
        return now - WINDOW if begins_at is None else now - (now - begins_at) % WINDOW

    def _window_of(self, place: str) -> float:
        """The same, now, for the 5xx of a server."""
        if not self.habits.begins_with_first:
            return self._window(self.clock)
        begins = -float("inf")
        for at in sorted(e.at for e in self.events if e.series[:2] == (RESPONSES, place)):
            begins = at if at >= begins + WINDOW else begins
        return begins if self.clock < begins + WINDOW else self.clock

    def _reset(self, event: Event) -> None:
        self.events.append(event)
        place = event.series[1]
        of = [e for e in self.events if e.series[:2] == (RESETS, place) and e.at > self._window(event.at)]
        streams = {e.stream for e in of if e.series[3] in _FAILURES}
        if event.series[3] in _FAILURES and (
            len(streams) == 3 or (self.habits.each_reset and len(streams) > 3)
        ):
            self._due.append(Call(event.at + self.habits.calls_late, "reset_streams", place, len(streams)))
        if len([e for e in of if e.stream == event.stream and e.at > event.at - 1]) == 11:
            self._due.append(Call(event.at + self.habits.calls_late, "reset_rate", place, 11))

    def _deliver(self) -> None:
        """Calls go out one after the other; one that hangs is given up after two seconds."""
        self._due.sort(key=lambda call: call.at)
        waiting: list[Call] = []
        for call in self._due:
            at = max(call.at, self._busy_until)
            if at > self.clock:
                queued = sum(one.at <= self.clock for one in waiting)
                if call.at <= self.clock and queued >= self.habits.queue and not call.result:
                    call.result, call.done = "dropped", call.at
                    self.dropped.append(call)
                else:
                    waiting.append(call)
                continue
            call.at = at
            self._busy_until = at + (2.0 if self.how == "hang" else 0.01)
            call.done, call.result = self._busy_until, "sent" if self.how == "ok" else "failed"
            self.calls.append(call)
        self._due = waiting

    def page(self) -> Exposition:
        self._deliver()
        self.clock += 0.02
        seen = [e for e in self.events if e.at + self.habits.counts_late <= self.clock]
        counts: Counter[tuple[str, ...]] = Counter()
        for event in seen:
            metric, *labels = event.series
            counts[(metric, *labels[: len(LABELS[metric])])] += 1
        errors = Counter(
            (e.series[1], e.series[2])
            for e in seen
            if e.series[0] == RESPONSES and e.series[2] >= "500" and e.at >= self._window_of(e.series[1])
        )
        sums: Counter[str] = Counter()
        for (place, _), n in errors.items():
            sums[place] += n
        counts.update({(ERRORS, *key): n for key, n in errors.items() if sums[key[0]] >= 5})
        told = [c for c in self.calls if c.done + self.habits.sent_late <= self.clock] + self.dropped
        results = Counter(call.result for call in told)
        counts.update({(WEBHOOKS, result): results[result] for result in ("sent", "failed", "dropped")})
        return parse("".join(_row(series, n) for series, n in sorted(counts.items())).encode())


def _row(series: tuple[str, ...], count: int) -> str:
    labels = ",".join(f'{key}="{value}"' for key, value in zip(LABELS[series[0]], series[1:], strict=True))
    return f"{series[0]}{{{labels}}} {count}\n"


class _Program:
    running = True


class Lab(TracerLab):
    """A TracerLab whose machine is a Machine."""

    def scrape(self, timeout: float = 10.0) -> Exposition:
        machine: Any = self.guest
        page: Exposition = machine.page()
        return page

    def mesh(self, plan: MeshPlan) -> Truth:
        machine: Any = self.guest
        truth: Truth = machine.carry_out(plan)
        self.mesh_report = machine.report
        return truth


def simulate(patch: pytest.MonkeyPatch, **habits: Any) -> World:
    """A world whose probe runs and has these habits."""
    machine: Any = Machine(Habits(**habits))
    machine.kernel = "6.1"
    # the modules' own name for it: other threads of this process sleep as ever, and must not move this clock
    for module in (operator_lab, grading):
        patch.setattr(module, "time", SimpleNamespace(sleep=machine.sleep, monotonic=lambda: machine.clock))
    patch.setattr(pace, "now", lambda: machine.clock)
    program: Any = _Program()
    lab = Lab(
        operator=program,
        random=random.Random(5),
        seed=5,
        tell=lambda _text, _command: None,
        guest=machine,
        sources={},
    )
    return World(lab)
