"""Connections that begin: which state, which end, which family."""

from __future__ import annotations

from labs.harness.events import Text
from labs.tracers.tcp_connections.grading import plans
from labs.tracers.tcp_connections.grading.ledger import CLOSED, CONN, Series, expected, port_label
from labs.tracers.tcp_connections.grading.world import Grown, World, graded


def first(world: World) -> Grown:
    """The traffic that three checks look at, each at its part."""
    if world.first is None:
        plan = plans.first(world.draft())
        count = len(plan.connections)
        world.lab.step(
            f"建立 {count} 个 IPv4 连接，一部分由客户端先关闭，一部分由服务器先关闭",
            f"make {count} IPv4 connections, some closed by the client first, some by the server",
        )
        world.first = world.run(plan, lambda truth: expected(truth.connections))
    return world.first


def _tried(result: Grown) -> Text:
    count = len(result.plan.connections)
    places = len({c.destination for c in result.plan.connections})
    return Text(f"向 {places} 个地址建立了 {count} 个连接", f"made {count} connections to {places} places")


@graded("connects")
def connects(world: World) -> None:
    result = first(world)
    world.judge(
        result,
        tried=_tried(result),
        expected=Text(
            "每个 dst 的 syn_sent 和 established 都等于到它的连接数",
            "syn_sent and established of each dst are the number of connections to it",
        ),
        accept=lambda series: series[0] == CONN and series[1] != "accepted",
    )


@graded("accepts")
def accepts(world: World) -> None:
    result = first(world)
    world.judge(
        result,
        tried=_tried(result),
        expected=Text(
            "每个服务器地址的 accepted 等于它接受的连接数",
            "accepted of each server's address is the number of connections that came in there",
        ),
        accept=lambda series: series[0] == CONN and series[1] == "accepted",
    )


@graded("families")
def families(world: World) -> None:
    plan = plans.families(world.draft())
    world.lab.step(
        f"建立 {len(plan.connections)} 个连接：IPv6，以及 IPv6 socket 里的 IPv4",
        f"make {len(plan.connections)} connections: IPv6, and IPv4 in IPv6 sockets",
    )
    world.judge(
        world.run(plan, lambda truth: expected(truth.connections)),
        tried=Text(
            "经由 ::1、监听 :: 的服务器和 ::ffff: 地址建立连接",
            "made connections by way of ::1, of a server on ::, and of ::ffff: addresses",
        ),
        expected=Text(
            "IPv6 的 dst 带方括号，映射的 IPv4 写成 IPv4",
            "a dst of IPv6 is in brackets, a mapped IPv4 address is IPv4",
        ),
        accept=lambda series: series[0] == CONN,
    )


@graded("others")
def others(world: World) -> None:
    plan = plans.others(world.draft())
    own = {port_label(c.port) for c in plan.connections if c.kind == "self_connect"}
    multipath = [c for c in plan.connections if c.mptcp]
    world.lab.step(
        "建立 MPTCP 连接，再让几个 socket 连到自己的端口",
        "make MPTCP connections, then have sockets connect to their own port",
    )

    def ours(series: Series) -> bool:
        # how the subflows of an MPTCP connection end is MPTCP's own business
        return series[0] == CONN or (series[0] == CLOSED and series[2] in own)

    world.judge(
        world.run(plan, lambda truth: expected(truth.connections), accept=ours),
        tried=Text("用 MPTCP 建立连接；连到自己", "made connections with MPTCP, and to oneself"),
        expected=Text(
            "MPTCP 的 socket 不计，它的 TCP 子流照常计一次；连到自己的 socket 是 established，不是 accepted",
            "MPTCP's own sockets are not counted, its TCP subflows are, once; a socket that connects to itself is "
            "established, not accepted",
        ),
        accept=ours,
    )
    # MPTCP closes its subflows in its own time: that must not run into the next check
    ports = {port_label(port) for c in multipath for port in (c.port, c.source)}
    world.await_ends(ports, 2 * len(multipath))
