"""What the checks of one machine share: its network, what one leaves for another, and how traffic is compared."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from labs.harness import pace
from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.mesh import BINARY, DEVICE, MeshPlan, Server, Session, Truth
from labs.harness.metered import Graded, MeteredWorld
from labs.tracers.mesh_probe.grading import ledger
from labs.tracers.mesh_probe.grading.clues import clue
from labs.tracers.mesh_probe.grading.ledger import (
    GAUGES,
    Counts,
    Series,
    counts_of,
    grown,
    show,
)
from labs.tracers.mesh_probe.grading.network import Network

METRICS = "http://127.0.0.1:9436/metrics"
WEBHOOK = "http://127.0.0.1:9800/hook"
CURL = f"curl -s {METRICS}"
WINDOW, DEFAULT_WINDOW = 8, 30
# The brief promises 2 and 30 seconds. A machine that shares its processor with others gets more.
COUNTED_WITHIN = 10.0
START_WITHIN = 60.0

Accept = Callable[[Series], bool]


def everything(_series: Series) -> bool:
    return True


@dataclass
class Seen:
    """What was counted in the time of one plan, and what there was to count."""

    plan: MeshPlan
    truth: Truth
    counts: Counts
    wanted: Counts

    def wrong(self, accept: Accept = everything) -> dict[Series, tuple[int, int]]:
        """(seen, wanted) of each series that is off."""
        keys = set(self.counts) | set(self.wanted)
        pairs = {key: (self.counts[key], self.wanted[key]) for key in keys if accept(key)}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


@dataclass
class World(MeteredWorld):
    falls = Text(
        "窗口只属于 gauge；counter 记的是进程启动以来的全部。",
        "The window is for the gauges; a counter has all since the process began.",
    )
    network: Network = field(init=False)
    first: Seen | None = None
    shaken: Seen | None = None
    old: MeshPlan | None = None
    ids: int = 0
    again: Server | None = None
    history: MeshPlan | None = None
    reset_at: float = 0.0
    calls_at_start: int = 0
    window: int = WINDOW

    def __post_init__(self) -> None:
        self.lab.metrics = METRICS
        self.network = Network(self.lab.random)
        self._servers: set[str] = set()

    @property
    def random(self) -> random.Random:
        return self.lab.random

    def id(self) -> int:
        self.ids += 1
        return self.ids

    def restart(self) -> None:
        self.start()

    def start(self, *, default: bool = False) -> None:
        """Start the learner's program and wait for its metrics; raises Failed or NotInTime.

        `default`: without PROBE_WINDOW.
        """
        self.forget_page()
        self.window = DEFAULT_WINDOW if default else WINDOW
        env = {
            "PROBE_INTERFACE": DEVICE,
            "PROBE_CIDRS": self.network.cidrs,
            "PROBE_WEBHOOK": WEBHOOK,
            "PROBE_TLS_BINARY": BINARY,
            **({} if default else {"PROBE_WINDOW": str(WINDOW)}),
        }
        self.calls_at_start = len(self.lab.guest.received())
        self.lab.start(env, START_WITHIN)

    def uptime(self) -> float:
        """Seconds of the guest's clock."""
        return float(self.lab.guest.run("cat", "/proc/uptime")[1].split()[0])

    def await_uptime(self, until: float) -> None:
        """Until the guest's clock says so: its seconds are its own."""
        while (left := until - self.uptime()) > 0:
            time.sleep(min(left, 5.0))

    @property
    def ended(self) -> float:
        """When the last plan's traffic was over, by the guest's clock."""
        return float(self.lab.mesh_report["ended"])

    def done_at(self, session: Session, exchange: int = -1) -> float:
        """When an exchange of the last plan's was over, by the guest's clock."""
        [rows] = [told["rows"] for told in self.lab.mesh_report["sessions"] if told["id"] == session.id]
        return float(rows[exchange]["at"])

    def mesh(self, plan: MeshPlan) -> Truth:
        """Have the traffic done. What is counted of it later is no surplus of another plan's."""
        self._servers |= {f"{s.address}:{s.port}" for s in plan.servers}
        return self.lab.mesh(plan)

    def run(
        self,
        plan: MeshPlan,
        *,
        more: Counts | None = None,
        old: Collection[int] = (),
        accept: Accept = everything,
    ) -> Seen:
        """Have the traffic done, and wait until it is counted, for COUNTED_WITHIN at most.

        `more` is wanted beyond what the plan says, `old` are sessions that are not to be decoded.
        """
        before = counts_of(self.page())
        truth = self.network.watched(self.mesh(plan))
        wanted = ledger.expected(plan, truth, old) + (more or Counts())
        return self.settle(plan, truth, wanted, before, accept)

    def settle(
        self, plan: MeshPlan, truth: Truth, wanted: Counts, before: Counts, accept: Accept = everything
    ) -> Seen:
        """Wait for what is wanted on top of `before`. Servers of earlier plans are left out of it."""
        others = self._servers - {f"{s.address}:{s.port}" for s in plan.servers}
        deadline = pace.now() + COUNTED_WITHIN
        best = Counts()
        while True:
            counts = grown(before, counts_of(self.page()))
            kept = Counts({key: n for key, n in counts.items() if key[1] not in others})
            best = _best(best, kept, wanted)
            kept = Counts({**kept, **best})
            seen = Seen(plan, truth, kept, wanted)
            if not seen.wrong(accept) or pace.now() > deadline:
                return seen
            time.sleep(0.2)

    def judge(self, seen: Seen, *, tried: Text, expected: Text, accept: Accept = everything) -> None:
        """Raises Failed when what `accept` takes is off."""
        wrong = seen.wrong(accept)
        if not wrong:
            return
        text = show(wrong)
        saw = Text(
            f"这一步里新增的与应有的：\n{text}", f"what this step added, and what it should have:\n{text}"
        )
        raise Failed(tried=tried, saw=saw, expected=expected, hint=clue(wrong, seen), command=CURL)


def _best(best: Counts, now: Counts, wanted: Counts) -> Counts:
    """Of each gauge what was wanted, if it was ever seen, else the most that was.

    While something else is waited for, events leave the window.
    """
    gauges = {key for key in (*best, *now) if key[0] in GAUGES}
    met = {key: wanted[key] and wanted[key] in (best[key], now[key]) for key in gauges}
    return Counts({key: wanted[key] if met[key] else max(best[key], now[key]) for key in gauges})


graded = Graded(World)
