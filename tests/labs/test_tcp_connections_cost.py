"""What counts as the cost of a connection, with tracers that do their work at once, late, or when they are asked."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from labs.harness import pace
from labs.harness.exposition import Exposition, parse
from labs.harness.tracer_lab import Spent, TracerLab
from labs.harness.traffic import Plan, Truth
from labs.tracers.tcp_connections.grading import plans
from labs.tracers.tcp_connections.grading import world as world_module
from labs.tracers.tcp_connections.grading.ledger import LABELS, METRICS_PORT, Counts, expected
from labs.tracers.tcp_connections.grading.world import World

EACH, SCRAPE = 0.0004, 0.02  # seconds of a connection and of a scrape


@dataclass
class Lab:
    """A tracer that works `at` once, or on a scrape, and shows what it has worked off. `scrapes_until_shown`: so many
    pages come before that one.
    """

    at: str = "once"
    scrapes_until_shown: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(3))
    metrics: str = ""
    operator: Any = None
    used: float = 0.0
    waiting: int = 0
    counts: Counts = field(default_factory=Counter)
    shown: Counts = field(default_factory=Counter)
    hidden: int = 0

    @contextmanager
    def statistics(self) -> Iterator[None]:
        yield

    def missed_runs(self) -> int:
        return 0

    def at_rest(self) -> Spent:
        return Spent(self.used, 0.0, 0)

    def traffic(self, plan: Plan) -> Truth:
        self.counts.update(expected(plan.connections))
        self.waiting, self.hidden = len(plan.connections), self.scrapes_until_shown
        if self.at == "once":
            self._work()
        return plan.truth()

    def scrape(self) -> Exposition:
        self.used += SCRAPE
        self.counts["tcp_conn_closed_total", "local", METRICS_PORT] += 1
        if self.hidden:
            self.hidden -= 1
        else:
            self._work()
            self.shown = self.counts.copy()
        return parse("\n".join([*self._lines(), ""]).encode())

    def _lines(self) -> Iterator[str]:
        for family, (one, other) in LABELS.items():
            yield f"# TYPE {family} counter"
            for (name, first, second), count in self.shown.items():
                if name == family:
                    yield f'{family}{{{one}="{first}",{other}="{second}"}} {count}'

    def _work(self) -> None:
        self.used += EACH * self.waiting
        self.waiting = 0


@pytest.mark.parametrize("at", ["once", "scrape"])
@pytest.mark.parametrize("pages", [0, 7])
def test_it_is_what_the_connections_took_whenever_that_was(
    at: str, pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_module, "time", SimpleNamespace(sleep=lambda seconds: None))
    world = World(cast("TracerLab", Lab(at, pages)))
    result = world.measured(plans.little(world.draft()))
    assert not result.off
    assert world.cost is not None
    assert world.cost.connections == 3
    assert world.cost.microseconds == pytest.approx(1e6 * EACH)


def test_who_makes_scrapes_dear_while_nothing_happens_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first scrapes take long, so that a price measured before the connections alone would be too high."""
    monkeypatch.setattr(world_module, "time", SimpleNamespace(sleep=lambda seconds: None))
    lab = Lab(scrapes_until_shown=5)
    world = World(cast("TracerLab", lab))
    dear = iter([0.5] * 3)
    scrape = lab.scrape

    def scraped() -> Exposition:
        lab.used += next(dear, 0.0)
        return scrape()

    monkeypatch.setattr(lab, "scrape", scraped)
    world.measured(plans.little(world.draft()))
    assert world.cost is not None
    assert world.cost.microseconds == pytest.approx(1e6 * EACH)


class Tracer:
    """Has used what the list says, look by look, and the last of it for ever."""

    def __init__(self, *used: float) -> None:
        self.used, self.looks = list(used), 0

    def spent(self) -> Spent:
        self.looks += 1
        return Spent(self.used[min(self.looks, len(self.used)) - 1], 0.0, 0)


@pytest.mark.parametrize(
    ("tracer", "looks", "at_last"),
    [
        (Tracer(0.5), 3, 0.5),
        (Tracer(0.1, 0.2, 0.3, 0.3, 0.3), 5, 0.3),
        (Tracer(0.1, 0.1, 0.3, 0.3, 0.3), 5, 0.3),  # one quiet look is no rest
        (Tracer(*(0.01 * n for n in range(99))), 13, 0.12),  # who polls is not waited for without end
    ],
)
def test_a_tracer_rests_when_two_looks_in_a_row_say_so(
    tracer: Tracer, looks: int, at_last: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(pace, "now", lambda: clock[0])
    monkeypatch.setattr(pace, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    found = TracerLab.at_rest(cast("TracerLab", tracer))
    assert (tracer.looks, found.cpu_seconds) == (looks, pytest.approx(at_last))
