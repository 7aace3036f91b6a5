"""What the checks of one machine share: the last page, how often it was read, and how traffic is compared."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labs.harness import pace
from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.exposition import Exposition
from labs.harness.metered import Graded, MeteredWorld
from labs.harness.tracer_lab import Cost, Spent
from labs.harness.traffic import Plan, Truth
from labs.tracers.tcp_connections.grading import plans
from labs.tracers.tcp_connections.grading.clues import clue
from labs.tracers.tcp_connections.grading.ledger import (
    CLOSED,
    EPHEMERAL,
    Counts,
    Difference,
    Series,
    compared,
    counts_of,
    difference,
    ended_scrapes,
    expected,
    name,
    of_scrapes,
)

METRICS = "http://127.0.0.1:9435/metrics"
COUNTED_WITHIN = 10.0
START_WITHIN = 45.0
# a run that the kernel leaves out can cost the counts of one socket: up to three
_COUNTS_OF_A_MISS, _MOST_MISSES = 3, 4

_PRICED = 3  # scrapes, whose mean is what one takes
_NOTHING = Spent(0.0, 0.0, 0.0)

Accept = Callable[[Series], bool]


def everything(_series: Series) -> bool:
    return True


@dataclass
class Grown:
    """What was counted in the time of one plan, and what there was to count: `counts` has (seen, wanted)."""

    plan: Plan
    truth: Truth
    seen: Counts
    counts: Mapping[Series, tuple[int, int]]
    off: Difference
    misses: int


@dataclass
class World(MeteredWorld):
    falls = Text(
        "抓取不改变计数：不要清零，不要只给出上次之后的增量；给出过的标签值也不能淘汰。",
        "A scrape changes no count: do not reset, and do not serve what came since the last one. A label's "
        "value that was given out is not evicted either.",
    )
    scrapes: int = 0
    env: dict[str, str] = field(default_factory=dict)
    first: Grown | None = None
    cost: Cost | None = None

    def __post_init__(self) -> None:
        self.lab.metrics = METRICS
        self._ports = plans.ports(self.lab.random)

    def draft(self) -> plans.Draft:
        return plans.Draft(self.lab.random, self._ports)

    def page(self) -> Exposition:
        self.scrapes += 1
        return super().page()

    def restart(self) -> None:
        self.start(self.env)

    def start(self, env: dict[str, str] | None = None, *, reference: bool = False) -> None:
        """Start the learner's program, or the reference, and wait for its metrics; raises Failed or NotInTime."""
        self.forget_page()
        self.scrapes = 0
        if not reference:
            self.env = env or {}
        self.lab.start(env, START_WITHIN, reference=reference)
        self.scrapes += 1

    def run(self, plan: Plan, wanted: Callable[[Truth], Counts], *, accept: Accept = everything) -> Grown:
        """Have the traffic done, and wait until it is counted, or until it cannot come right any more.

        Only what `accept` takes is waited for.
        """
        misses, before, scrapes = self.mark()
        truth = self.lab.traffic(plan)
        return self.settle(plan, truth, wanted(truth), before, misses, scrapes, accept=accept)

    def mark(self) -> tuple[int, Counts, int]:
        """What settle() compares with: missed runs, counts, and how many scrapes have been counted to their end.

        A tracer has ten seconds to show what happened: the ends of earlier scrapes may come after this page.
        """
        misses, counts = self.lab.missed_runs(), counts_of(self.page())
        return misses, counts, ended_scrapes(counts)

    def settle(
        self,
        plan: Plan,
        truth: Truth,
        wanted: Counts,
        before: Counts,
        misses: int,
        scrapes: int,
        *,
        accept: Accept = everything,
    ) -> Grown:
        """Wait until what has grown since `before` is what is wanted. `scrapes`: how many of them had ended by then."""
        deadline = pace.now() + COUNTED_WITHIN
        while True:
            now = counts_of(self.page())
            seen = grown(before, now)
            counts = compared(seen, wanted, self.scrapes - scrapes)
            off = difference(counts).only(accept)
            if not off.missing or off.surplus or pace.now() > deadline:
                missed = self.lab.missed_runs() - misses if off else 0
                return Grown(plan, truth, seen, counts, off, missed)
            time.sleep(0.2)

    def judge(self, result: Grown, *, tried: Text, expected: Text, accept: Accept = everything) -> None:
        """Show the page what was counted. Raises Failed when what `accept` takes of the result is off."""
        counts = {
            name(series): (want, seen) for series, (seen, want) in result.counts.items() if accept(series)
        }
        self.lab.show_traffic(result.plan, counts, tried)
        off = result.off.only(accept)
        if not off or self._excused(off, result):
            return
        text = off.show()
        saw = Text(f"看到的与应有的：\n{text}", f"seen, and what it should be:\n{text}")
        told = clue(off, result.seen, result.misses)
        raise Failed(tried=tried, saw=saw, expected=expected, hint=told, command=f"curl {METRICS}")

    def measured(self, plan: Plan) -> Grown:
        """run(), with what the tracer took for it in `cost`.

        Scrapes are not in it: how many are made depends on how busy the machine is.
        """
        lab = self.lab
        with lab.statistics():
            each = self._price_of_a_scrape()
            misses, counts, ended = self.mark()
            scrapes, before = self.scrapes, lab.at_rest()
            truth = lab.traffic(plan)
            lab.at_rest()
            result = self.settle(plan, truth, expected(truth.connections), counts, misses, ended)
            # only now: what it puts off, or does when it is asked, belongs to these connections too
            spent, count = lab.at_rest() - before, self.scrapes - scrapes
            # the smaller price, so that nobody gains by scrapes that are dear while nothing happens
            each = each.least(self._price_of_a_scrape())
        self.cost = Cost(len(plan.connections), (spent - each.times(count)).most(_NOTHING))
        return result

    def _price_of_a_scrape(self) -> Spent:
        before = self.lab.at_rest()
        for _ in range(_PRICED):
            self.page()
        return (self.lab.at_rest() - before).times(1 / _PRICED)

    def rest(self) -> None:
        """Until nothing but the scrapes is counted any more; gives up after a while."""
        deadline = pace.now() + COUNTED_WITHIN
        last = _quiet(counts_of(self.page()))
        while pace.now() < deadline:
            time.sleep(0.2)
            now = _quiet(counts_of(self.page()))
            if now == last:
                return
            last = now

    def await_ends(self, ports: set[str], count: int) -> None:
        """Until so many sockets of these ports have ended since the start; gives up after a while."""
        deadline = pace.now() + COUNTED_WITHIN
        while pace.now() < deadline:
            counts = counts_of(self.page())
            if sum(n for series, n in counts.items() if series[0] == CLOSED and series[2] in ports) >= count:
                return
            time.sleep(0.2)

    def freeze(self, on: bool) -> None:
        """Have the tracer's control group stand still, or go on: all but the one that this command runs in."""
        script = (
            "for g in /sys/fs/cgroup/program-*; do "
            f"grep -qx $$ $g/cgroup.procs || echo {int(on)} > $g/cgroup.freeze; done"
        )
        code, said = self.lab.guest.run("sh", "-c", script)
        if code:
            raise RuntimeError(f"the control group does not freeze: {said[:300]}")

    def _excused(self, off: Difference, result: Grown) -> bool:
        """Whether the kernel itself left out the runs whose counts are missing (recursion_misses)."""
        few = 0 < result.misses <= _MOST_MISSES
        if not few or off.surplus or off.missing.total() > _COUNTS_OF_A_MISS * result.misses:
            return False
        self.lab.step(
            f"内核跳过了 {result.misses} 次运行（recursion_misses），缺少的计数不算错",
            f"the kernel left out {result.misses} runs (recursion_misses): the missing counts are not held against you",
        )
        return True


def _quiet(counts: Counts) -> Counts:
    """Without what a scrape itself adds to."""
    either = ("local", "remote")
    return Counter(
        {
            series: count
            for series, count in counts.items()
            if not of_scrapes(series) and not (series[1] in either and series[2] == EPHEMERAL)
        }
    )


def grown(before: Counts, now: Counts) -> Counts:
    """By how much each series grew; one that fell has a negative number."""
    return Counter({key: now[key] - before[key] for key in set(now) | set(before) if now[key] != before[key]})


graded = Graded(World)
