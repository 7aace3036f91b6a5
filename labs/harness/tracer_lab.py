"""What the grader.py of a tracer lab works with: one kernel, one tracer in it, and traffic whose truth is known.

Each check is called once for each kernel of lab.toml, with the TracerLab of that kernel:

    @check("starts")
    def starts(lab: TracerLab) -> None:
        lab.start({"PORT": "9100"})                 # until /metrics answers; a refusal of the verifier is explained

    @check("counts")
    def counts(lab: TracerLab) -> None:
        before = lab.scrape()
        plan = lab.plan(client_close=20, server_close=10, refused=5)
        truth = lab.traffic(plan)                   # made by the host, done by the guest, compared
        lab.eventually(
            lambda: lab.scrape().since(before).value("tcp_conn_closed_total", reason="refused"),
            want=truth.closed["refused"],
            tried=Text("发起 5 个会被拒绝的连接", "opened 5 connections that are refused"),
            expected=Text("计数器增加 5", "the counter grows by 5"),
            hint=lambda seen: Text(f"只数到 {seen:g} 个", f"only {seen:g} were counted"),
        )

    @check("leaves")
    def leaves(lab: TracerLab) -> None:
        lab.operator.stop()
        lab.nothing_left()                          # no program, map, link or pin since the first start

A tracer that ends right after its start fails the check that started it; unlike an operator it is not
`error`, because it may run on the other kernel. What a machine says of itself is no truth: the learner's
program is root there. All waiting here is bounded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from labs.harness import pace, unplanned, verifier
from labs.harness.checks import Failed, NotInTime
from labs.harness.cost import Cost, Spent
from labs.harness.events import Text
from labs.harness.exposition import BadExposition, Exposition, parse
from labs.harness.guest import Guest, GuestRefused, Objects
from labs.harness.mesh import Destination, MeshPlan
from labs.harness.mesh import Truth as MeshTruth
from labs.harness.mesh.carrying import carry_out
from labs.harness.mesh.plan import MAX_STANDING
from labs.harness.operator_lab import ProgramLab
from labs.harness.process import Exit
from labs.harness.reports import Comparison, compare
from labs.harness.traffic import Plan, Truth

__all__ = ["Cost", "Spent", "TracerLab"]

_CONTENT_TYPE = "text/plain"
# a line such as cilium/ebpf's "map conns: map create: cannot allocate memory"; E2BIG alone is also what an update of a
# full map gets
_MAP_NOT_MADE = re.compile(
    r"(?im)^(?=.*map)(?=.*creat).*(?:cannot allocate memory|argument list too long|ENOMEM|E2BIG)"
)
_MOST_COUNTS = 100
_SERIES_LETTERS = 300  # a label's value is as long as the learner's program makes it
# a tracer rests when so many looks in a row find that it has taken next to nothing since the last
_QUIET_LOOKS, _LOOK_SECONDS, _RESTING_CPU_SECONDS, _REST_WITHIN = 2, 0.25, 0.001, 3.0


@dataclass(kw_only=True)
class TracerLab(ProgramLab):
    """A ProgramLab whose program is a tracer in a machine of its own. `sources` are the learner's C files."""

    guest: Guest
    sources: Mapping[str, str]
    diagnose: Any = None
    measured: Callable[..., None] = lambda *_args, **_fields: None
    metrics: str = "http://127.0.0.1:9100/metrics"
    mesh_report: Mapping[str, Any] = field(default_factory=dict, repr=False)
    no_counts: list[str] = field(
        default_factory=list, init=False, repr=False
    )  # of the last page that had some
    _standing: set[Destination] = field(default_factory=set, repr=False)
    _untouched: Objects | None = field(default=None, repr=False)

    @property
    def kernel(self) -> str:
        """Its series: "6.1" or "6.12"."""
        return self.guest.kernel

    # the program

    def start(
        self, env: Mapping[str, str] | None = None, within: float = 60.0, *, reference: bool = False
    ) -> None:
        """Start it, and wait until `metrics` answers with 200.

        Raises Failed when it ends before that (with the verifier's refusal explained, if that is why), or
        does not answer in time. Remembers which BPF objects were there before the first start. `reference`:
        start the lab's own solution in its place, to measure what it costs in this machine.
        """
        if self._untouched is None:
            self._untouched = self.guest.objects()
        self.operator.launch(env, reference=reference)
        deadline = pace.now() + within
        seen = "nothing listens"
        while self.operator.running:
            try:
                response = self.guest.get(self.metrics, timeout=5.0)
                if response.status == 200:
                    return
                seen = f"status {response.status}"
            except GuestRefused as refused:
                seen = str(refused)
            if pace.now() > deadline:
                raise NotInTime(
                    Text(
                        f"{within:g} 秒内 {self.metrics} 没有应答：{seen}",
                        f"{self.metrics} did not answer within {within:g} s: {seen}",
                    )
                )
            time.sleep(0.1)
        self.fail_ended()

    def fail_ended(self) -> NoReturn:
        """Raise Failed for a tracer that has ended: with the refusal, else with its exit and last lines."""
        tried = Text("启动程序", "started the program")
        expected = Text("程序加载 eBPF 代码并一直运行", "it loads its eBPF code and keeps running")
        refusal = self.refusal()
        if refusal is not None:
            raise Failed(tried=tried, saw=verifier.describe(refusal), expected=expected, hint=refusal.why)
        ended = self.operator.wait_exit(5.0)
        zh, en = ended.describe()
        tail = "\n".join(self.operator.log_tail(12).splitlines())
        saw = Text(f"程序结束了（{zh}）\n{tail}", f"it ended ({en})\n{tail}")
        raise Failed(tried=tried, saw=saw, expected=expected, hint=_advice(ended, tail))

    def refusal(self) -> verifier.Refusal | None:
        """The verifier's refusal that the tracer printed, if it did, told at the learner's line where that can be.

        A tracer that prints the last sentence alone does not say where: its object is then loaded once more.
        """
        return self.explain(self.operator.log_tail(4000))

    def explain(self, printed: str) -> verifier.Refusal | None:
        """The verifier's refusal in what the learner's program printed, as refusal()."""
        found = verifier.explain(printed, self.sources)
        if found is None:
            return None
        if not found.file:
            accepted, log = self.guest.verify()
            found = (None if accepted else verifier.explain(log, self.sources)) or found
        if self.diagnose is not None:
            self.diagnose(found)
        return found

    # what it serves

    def scrape(self, timeout: float = 10.0) -> Exposition:
        """What `metrics` serves now. Raises Failed when it does not answer, or not in the format.

        The scrape itself makes a connection: compare two, and count one connection to that port between them.
        """
        tried = Text(f"抓取 {self.metrics}", f"scraped {self.metrics}")
        expected = Text("Prometheus 文本格式 0.0.4", "Prometheus' text format 0.0.4")
        command = f"curl {self.metrics}"
        try:
            response = self.guest.get(self.metrics, timeout)
            kind = response.headers.get("content-type", "")
            if response.status != 200 or not kind.startswith(_CONTENT_TYPE):
                saw = Text(f"状态 {response.status}，类型 {kind}", f"status {response.status}, type {kind}")
            else:
                page = parse(response.body)
                self.no_counts = page.no_counts() or self.no_counts
                return page
        except GuestRefused as refused:
            saw = Text(f"没有应答：{refused}", f"no answer: {refused}")
        except BadExposition as bad:
            saw = bad.text
        hint = Text(
            "用 promhttp.Handler()，或者照格式逐行写，最后一行也要换行。",
            "Use promhttp.Handler(), or write line by line as the format says, with a line feed after the last.",
        )
        raise Failed(tried=tried, saw=saw, expected=expected, hint=hint, command=command)

    # traffic

    def plan(self, **counts: Any) -> Plan:
        """Plan.draw() from the run's seed."""
        return Plan.draw(self.random, **counts)

    def traffic(self, plan: Plan) -> Truth:
        """Have the guest do it, and give what must be true of it. Connections that stay open: release().

        Raises Failed when the guest did something else: overloaded, or in a way that no execution of the plan
        can be, which is said apart.
        """
        report = self.guest.traffic(plan.fields(), plan.seconds)
        result = compare(plan, report)
        if not result.fits:
            raise _failed_traffic(plan, result)
        return plan.truth()

    def release(self) -> None:
        """Close the connections that the last plan has left open."""
        self.guest.release()

    def mesh(self, plan: MeshPlan) -> MeshTruth:
        """Have the guest carry out a mesh's traffic (guest.mesh_start() comes first), and give what must be true of it.

        `mesh_report` has the guest's times of it. Raises Failed as traffic() does, ValueError for more servers than may
        stand: that is the grader's own fault.
        """
        self._standing |= {server.place for server in plan.servers}
        if len(self._standing) > MAX_STANDING:
            raise ValueError(f"{len(self._standing)} servers")
        self.mesh_report = carry_out(self.guest, plan)
        return plan.truth()

    @contextmanager
    def statistics(self) -> Iterator[None]:
        """Have the kernel count the run time of BPF programs meanwhile: spent() needs it."""
        self.guest.statistics(True)
        try:
            yield
        finally:
            self.guest.statistics(False)

    def spent(self) -> Spent:
        """What the running tracer has taken so far."""
        used, objects = self.guest.usage(self.operator.number), self.objects()
        return Spent(used.cpu_seconds, objects.run_time_ns / 1e9, objects.run_count)

    def at_rest(self) -> Spent:
        """spent(), once it has worked off what came, or after a while: who polls never rests."""
        deadline = pace.now() + _REST_WITHIN
        used, quiet = self.spent(), 0
        while quiet < _QUIET_LOOKS and pace.now() < deadline:
            pace.sleep(_LOOK_SECONDS)
            last, used = used, self.spent()
            quiet = quiet + 1 if (used - last).cpu_seconds < _RESTING_CPU_SECONDS else 0
        return used

    def cost(self, plan: Plan) -> Cost:
        """Do the traffic of `plan`, and measure what the tracer takes for it. What it puts off for longer than
        at_rest() waits is not in it.
        """
        with self.statistics():
            before = self.at_rest()
            self.traffic(plan)
            return Cost(len(plan.connections), self.at_rest() - before)

    def show_traffic(self, plan: Plan, counts: Mapping[str, tuple[int, int]], tried: Text) -> None:
        """Tell the page what was counted of `plan`: by series, (planned, seen). What is off goes first."""
        rows = sorted(counts.items(), key=lambda row: (-abs(row[1][0] - row[1][1]), row[0]))
        self.measured(
            "traffic",
            tried=tried.json(),
            connections=[c.outcome for c in plan.connections],
            counts=[
                {"series": series[:_SERIES_LETTERS], "planned": planned, "seen": seen}
                for series, (planned, seen) in rows[:_MOST_COUNTS]
            ],
            left_out=max(0, len(rows) - _MOST_COUNTS),
        )

    def show_cost(self, yours: Cost, reference: Cost | None = None, most: float = 0.0) -> None:
        """Tell the page what the tracer took, beside the reference and the bound, where there are such."""
        self.measured(
            "cost",
            connections=yours.connections,
            yours=yours.json(),
            reference=reference.json() if reference else None,
            most=most,
        )

    # the kernel's objects

    def objects(self) -> Objects:
        """The BPF objects that came since before the first start: the tracer's."""
        now = self.guest.objects()
        return now.since(self._untouched) if self._untouched is not None else now

    def missed_runs(self) -> int:
        """Runs of the tracer's programs that the kernel left out (recursion_misses): no fault of a correct tracer,
        and no excuse for a wrong count beyond them.
        """
        return self.objects().recursion_misses

    def nothing_left(self, within: float = 5.0) -> None:
        """Raises Failed unless every object of the tracer's is gone."""
        self.eventually(
            self.objects,
            want=lambda left: not left,
            timeout=within,
            tried=Text(
                "停止程序，然后列出内核里的 eBPF 对象",
                "stopped the program, then listed the kernel's eBPF objects",
            ),
            expected=Text("没有留下程序、map、link 或 pin", "no program, map, link or pin is left"),
            hint=_whose,
            command="bpftool prog; bpftool map; bpftool link; ls /sys/fs/bpf",
        )


def _whose(left: Objects) -> Text:
    """Who may hold what is left of a tracer that has ended."""
    if left.pins:
        return Text(
            "pin 会留住它引用的一切。这里用不着 pin。",
            "A pin keeps all that it refers to. Nothing here needs one.",
        )
    return Text(
        "没有 pin。要么是你启动的某个进程还拿着描述符，要么是用 netlink 挂的（tc、XDP），它属于网卡：改用 link。",
        "No pin holds it. Either a process that yours started still has a descriptor, or it was attached by netlink "
        "(tc, XDP) and belongs to the device: use a link.",
    )


def _advice(ended: Exit, last_words: str) -> Text:
    """What to do about a tracer that ended, by how it did and by what it said last."""
    if ended.over_a_limit:
        (zh, en), (advice_zh, advice_en) = ended.describe(), ended.advise()
        return Text(f"{zh}。{advice_zh}", f"{en[0].upper()}{en[1:]}. {advice_en}")
    if _MAP_NOT_MADE.search(last_words):
        return Text(
            "内核建不出这么大的 map：它大约要占 max_entries × value_size 字节。看看 max_entries，够用就好。",
            "The kernel cannot make a map of this size: it takes about max_entries × value_size bytes. Look at "
            "max_entries, and ask for as many as you need.",
        )
    return Text("看它结束之前打印的最后几行。", "Read the last lines that it printed.")


def _failed_traffic(plan: Plan, result: Comparison) -> Failed:
    count = len(plan.connections)
    return unplanned.failure(
        result,
        tried=Text(f"按计划建立 {count} 个连接", f"made {count} connections to a plan"),
        saw=Text("{n} 个连接没有按计划结束", "{n} connections did not end as planned"),
        expected=Text("每个连接都按计划结束", "each ends as planned"),
        disturbed=Text(
            "追踪器不应该影响连接本身。检查它是否占满了 CPU 或内存，或者改动了网络设置。",
            "A tracer must not disturb the connections. See whether it uses up processor or memory, or changes the "
            "network's settings.",
        ),
    )
