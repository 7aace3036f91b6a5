"""Connections that stood before the probe did."""

from __future__ import annotations

from dataclasses import replace

from labs.harness.events import Text
from labs.harness.mesh import Exchange
from labs.tracers.mesh_probe.grading import plans
from labs.tracers.mesh_probe.grading.ledger import given_up
from labs.tracers.mesh_probe.grading.world import World, graded


@graded("before")
def before(world: World) -> None:
    assert world.old is not None
    old = world.old
    http2, echo = old.sessions
    server = old.server(http2.server)
    count = plans.some(world, 6, 9)
    again = replace(
        http2,
        resumed=True,
        keep=False,
        exchanges=(Exchange("status", 503, count), Exchange("status", 500, 2)),
    )
    talk = replace(echo, resumed=True, keep=False)
    new = plans.session(world, "h2", server, Exchange("status", 503, plans.some(world, 5, 7)))
    world.lab.step(
        f"在探针启动之前就有的连接上再要 {count} 个 503，同时在新连接上要几个",
        f"ask for {count} more of 503 on a connection from before your probe, and for some on a new one",
    )
    seen = world.run(
        replace(old, sessions=(again, talk, new)),
        old={http2.id, echo.id},
        more=given_up([http2.server, echo.server]),
    )
    world.judge(
        seen,
        tried=Text(
            "旧连接上的响应引用探针没有见过的表项",
            "responses on old connections, which refer to entries that the probe never saw",
        ),
        expected=Text(
            "旧连接各计一次 midstream，什么都不解码；新连接照常",
            "each old connection is counted as midstream once and not decoded; the new one as ever",
        ),
    )
