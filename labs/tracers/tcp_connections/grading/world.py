"""What the checks of one machine share: the last page, how often it was read, and how traffic is compared."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps

from labs.harness import pace
from labs.harness.checks import CheckFunction, Failed
from labs.harness.events import Text
from labs.harness.exposition import Exposition
from labs.harness.tracer_lab import Cost, TracerLab
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

CHECKS: dict[str, CheckFunction] = {}
_worlds: dict[str, World] = {}
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
class World:
    lab: TracerLab
    scrapes: int = 0
    env: dict[str, str] = field(default_factory=dict)
    first: Grown | None = None
    cost: Cost | None = None

    def __post_init__(self) -> None:
        self.lab.metrics = METRICS
        self._ports = plans.ports(self.lab.random)
        self._last: Exposition | None = None

    def draft(self) -> plans.Draft:
        return plans.Draft(self.lab.random, self._ports)

    def page(self) -> Exposition:
        """The metrics now. Raises Failed when there are none, or not in the format, or when a counter fell."""
        self.scrapes += 1
        page = self.lab.scrape()
        self.follow(page)
        return page

    def follow(self, page: Exposition) -> None:
        """Take note of a page. Raises Failed when a counter is less on it than on the one before."""
        last, self._last = self._last, page
        if last is not None:
            never_fall([last, page])

    def start(self, env: dict[str, str] | None = None, *, reference: bool = False) -> None:
        """Start the learner's program, or the reference, and wait for its metrics; raises Failed or NotInTime."""
        self._last, self.scrapes = None, 0  # another process counts from zero
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
        """run(), with what the tracer took for it in `cost`."""
        lab, number = self.lab, self.lab.operator.number
        lab.guest.statistics(True)
        try:
            used, kernel = lab.guest.usage(number), lab.objects()
            result = self.run(plan, lambda truth: expected(truth.connections))
            after, objects = lab.guest.usage(number), lab.objects()
        finally:
            lab.guest.statistics(False)
        self.cost = Cost(
            len(plan.connections),
            after.cpu_seconds - used.cpu_seconds,
            (objects.run_time_ns - kernel.run_time_ns) / 1e9,
            objects.run_count - kernel.run_count,
        )
        return result

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


def never_fall(pages: list[Exposition]) -> None:
    """Raises Failed when a counter of one page is less on the next one, or not there any more."""
    for earlier, later in itertools.pairwise(pages):
        fallen = later.fallen(earlier)
        if fallen:
            rows = "\n".join(fallen[:6])
            raise Failed(
                tried=Text("先后抓取两次", "scraped twice, one after the other"),
                saw=Text(f"变小或消失了：\n{rows}", f"fell or went away:\n{rows}"),
                expected=Text("counter 从不减小", "no counter ever falls"),
                hint=Text(
                    "抓取不改变计数：不要清零，不要只给出上次之后的增量；给出过的标签值也不能淘汰。",
                    "A scrape changes no count: do not reset, and do not serve what came since the last one. A label's "
                    "value that was given out is not evicted either.",
                ),
                command=f"curl {METRICS}",
            )


def world_of(lab: TracerLab) -> World:
    found = _worlds.get(lab.kernel)
    if found is None or found.lab is not lab:
        found = _worlds[lab.kernel] = World(lab)
    return found


def graded(id_: str, *, running: bool = True) -> Callable[[Callable[[World], None]], CheckFunction]:
    """A check; with `running`, one that begins with a running tracer, which is started anew if it ended.

    When it fails and the process is gone, that is what the learner is told first.
    """

    def remember(function: Callable[[World], None]) -> CheckFunction:
        @wraps(function)
        def run(lab: TracerLab) -> None:
            world = world_of(lab)
            if running and not lab.operator.running:
                world.start(world.env)
            try:
                function(world)
            except Failed as failed:
                raise _with_exit(lab, failed, running) from None

        CHECKS[id_] = run
        return run

    return remember


def _with_exit(lab: TracerLab, failed: Failed, running: bool) -> Failed:
    if not running or lab.operator.running:
        return failed
    zh, en = lab.operator.wait_exit(1.0).describe()
    last = lab.operator.log_tail(6)[-1200:]
    failed.hint = Text(
        f"你的进程已经结束（{zh}），最后的输出：\n{last}",
        f"Your process has ended ({en}). Its last words:\n{last}",
    )
    return failed
