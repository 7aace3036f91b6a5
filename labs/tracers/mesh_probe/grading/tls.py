"""Handshakes: those that fail on the wire, and those whose reason only a uprobe sees."""

from __future__ import annotations

from labs.harness.events import Text
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.ledger import (
    ALERTS,
    FAILURES,
    UNDECODABLE,
    Counts,
    Series,
    counts_of,
    expected,
    grown,
)
from labs.tracers.mesh_probe.grading.world import CURL, Seen, World, graded

HELLO_WITHIN = 5.0  # seconds, of the brief
EARLY = 3.0  # when it must not have been counted yet


def _failures(series: Series) -> bool:
    return series[0] == FAILURES


def shaken(world: World) -> Seen:
    """The handshakes that both checks look at, each at its part."""
    if world.shaken is None:
        plan = plans.handshakes(world)
        failed = sum(h.failed for h in plan.truth().handshakes)
        world.lab.step(
            f"{len(plan.truth().handshakes)} 次 TLS 1.2 和 1.3 的握手，{failed} 次失败",
            f"{len(plan.truth().handshakes)} handshakes of TLS 1.2 and 1.3, {failed} of which fail",
            "openssl s_client -connect …",
        )
        world.shaken = world.run(plan)
    return world.shaken


@graded("tls12")
def tls12(world: World) -> None:
    world.judge(
        shaken(world),
        tried=Text("好的和失败的握手", "handshakes, good and failed ones"),
        expected=Text(
            f"{FAILURES} 有线路上可见的失败，每次握手一次",
            f"{FAILURES} has the failures that the wire shows, one for each handshake",
        ),
        accept=lambda series: series[0] in (FAILURES, UNDECODABLE),
    )
    _left_hanging(world)


def _left_hanging(world: World) -> None:
    """It counts after five seconds, not before, and not again when its connection ends."""
    stays, ends = plans.hanging(world)
    world.lab.step(
        "一个 ClientHello 没有回答，连接一直开着",
        "a ClientHello without an answer, on a connection that stays open",
        CURL,
    )
    tried = Text(
        "一个没有回答的 ClientHello，连接一直开着", "a ClientHello without an answer, the connection open"
    )
    before = counts_of(world.page())
    truth = world.network.watched(world.mesh(stays))
    said = world.done_at(stays.sessions[0])
    world.await_uptime(said + EARLY)
    early = Seen(stays, truth, grown(before, counts_of(world.page())), Counts())
    if world.uptime() < said + HELLO_WITHIN:
        world.judge(
            early,
            tried=tried,
            expected=Text(f"{HELLO_WITHIN:g} 秒之内不算失败", f"no failure within {HELLO_WITHIN:g} s"),
            accept=_failures,
        )
    world.await_uptime(said + HELLO_WITHIN)
    world.judge(
        world.settle(stays, truth, expected(stays, truth), before, _failures),
        tried=tried,
        expected=Text(f"{HELLO_WITHIN:g} 秒之后算一次失败", f"one failure after {HELLO_WITHIN:g} s"),
        accept=_failures,
    )
    world.lab.step("它的连接结束", "its connection ends", CURL)
    world.judge(
        world.run(ends),
        tried=Text("那个连接结束，另一次握手失败", "that connection ended, and another handshake failed"),
        expected=Text("每次握手至多计一次", "each handshake is counted once at most"),
        accept=_failures,
    )


@graded("tls13")
def tls13(world: World) -> None:
    seen = shaken(world)
    world.lab.step(
        "看被监视的程序发送的告警，1.3 的在线路上是加密的",
        "look at the alerts of the watched program, which are encrypted on the wire in 1.3",
    )
    if _surplus(seen):
        world.lab.step(
            "告警多了。Go 的函数在入口处被抢占之后会从头再进入一次，uprobe 就多计一次：另做一轮握手再看",
            "too many alerts. A Go function that is preempted at its entry is entered anew, and a uprobe there counts "
            "twice: look at another round of handshakes",
        )
        seen = world.run(plans.handshakes(world))
    world.judge(
        seen,
        tried=Text("同样这些握手", "the same handshakes"),
        expected=Text(
            f"{ALERTS} 有这个程序发送的每个告警，close_notify 除外",
            f"{ALERTS} has each alert that the program sent, but for close_notify",
        ),
        accept=_alerts,
    )


def _alerts(series: Series) -> bool:
    return series[0] == ALERTS


def _surplus(seen: Seen) -> bool:
    """Whether alerts are off, and none lacks."""
    wrong = seen.wrong(_alerts).values()
    return bool(wrong) and all(count > want for count, want in wrong)
