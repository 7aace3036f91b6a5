"""Handshakes: those that fail on the wire, and those whose reason only a uprobe sees."""

from __future__ import annotations

from labs.harness.events import Text
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.ledger import ALERTS, FAILURES, UNDECODABLE
from labs.tracers.mesh_probe.grading.world import Seen, World, graded


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


@graded("tls13")
def tls13(world: World) -> None:
    seen = shaken(world)
    world.lab.step(
        "看被监视的程序发送的告警，1.3 的在线路上是加密的",
        "look at the alerts of the watched program, which are encrypted on the wire in 1.3",
    )
    world.judge(
        seen,
        tried=Text("同样这些握手", "the same handshakes"),
        expected=Text(
            f"{ALERTS} 有这个程序发送的每个告警，close_notify 除外",
            f"{ALERTS} has each alert that the program sent, but for close_notify",
        ),
        accept=lambda series: series[0] == ALERTS,
    )
