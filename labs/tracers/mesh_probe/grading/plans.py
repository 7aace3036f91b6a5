"""The traffic of each check, drawn from the run's seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labs.harness.mesh import Exchange, MeshPlan, Server, Session
from labs.tracers.mesh_probe.grading.world import World


def session(world: World, kind: str, server: Server, *exchanges: Exchange, **more: object) -> Session:
    base = Session(world.id(), "h2", world.network.client, server.place, exchanges)
    return replace(base, kind=kind, **more)  # type: ignore[arg-type]


def mixed(world: World, *parts: tuple[int, int, int], pause_ms: int = 0) -> tuple[Exchange, ...]:
    """Of each (status, count, largest body) so many exchanges, in an order of their own."""
    source = world.random
    single = [
        Exchange("status", status, body=source.randint(0, body), pause_ms=pause_ms)
        for status, n, body in parts
        for _ in range(n)
    ]
    source.shuffle(single)
    return tuple(single)


def some(world: World, least: int, most: int) -> int:
    return world.random.randint(least, most)


def plan(servers: Sequence[Server], sessions: Sequence[Session], **more: object) -> MeshPlan:
    return MeshPlan(tuple(servers), tuple(sessions), **more)  # type: ignore[arg-type]


def standing(world: World) -> MeshPlan:
    """Connections that stand before the probe does, whose tables have entries already."""
    http2, echo = world.network.server("h2c"), world.network.server("echo")
    first = session(world, "h2", http2, Exchange("status", 503, 2), Exchange("status", 200), keep=True)
    return plan((http2, echo), (first, session(world, "echo", echo, Exchange("round", body=20), keep=True)))


def first(world: World) -> MeshPlan:
    """What four checks look at: Go's HTTP/2 over two connections, nginx, gRPC."""
    go, other, nginx, grpc = (world.network.server(kind) for kind in ("h2c", "h2c", "nginx_h2c", "grpc"))
    codes = [Exchange("call", code, some(world, 2, 4)) for code in (14, 13, 0)]
    return plan(
        (go, other, nginx, grpc),
        (
            session(
                world,
                "h2",
                go,
                *mixed(
                    world,
                    (200, some(world, 3, 6), 300),
                    (503, some(world, 3, 5), 300),
                    (500, 3, 300),
                    (404, 2, 300),
                    pause_ms=40,
                ),
                concurrent=4,
            ),
            # at the same time, so that one connection's table changes between two answers of the other
            session(world, "h2", go, Exchange("status", 503, some(world, 3, 4), pause_ms=50)),
            session(
                world, "h2", other, *mixed(world, (200, 2, 100), (502, some(world, 3, 4), 100), (599, 3, 100))
            ),
            session(world, "h2", nginx, *mixed(world, (503, 4, 0), (500, some(world, 2, 3), 0), (200, 2, 0))),
            session(world, "grpc", grpc, *codes),
        ),
    )


def frames(world: World) -> MeshPlan:
    """Header blocks of more than a frame, bodies of many packets, a larger table, segments of a few bytes."""
    wide, large, deep = (world.network.server("h2c") for _ in range(3))
    slow = world.network.server("h2c", chunk=some(world, 5, 8))
    padded = world.network.server("made")
    return plan(
        (wide, large, deep, slow, padded),
        (
            session(
                world, "framer", padded, Exchange("padded", 503, some(world, 5, 6), body=some(world, 20, 900))
            ),
            session(world, "h2", slow, Exchange("status", 502, some(world, 5, 6), early=True)),
            session(
                world,
                "h2",
                wide,
                Exchange("status", 503, 3, headers=some(world, 40_000, 45_000)),
                Exchange("status", 503, some(world, 2, 3)),
            ),
            session(
                world,
                "h2",
                large,
                *(Exchange("status", 500, body=some(world, 9_000, 30_000)) for _ in range(5)),
                concurrent=3,
            ),
            session(
                world,
                "h2",
                deep,
                Exchange("status", 504, 2),
                Exchange("status", 503, 4, headers=some(world, 1500, 2500)),
                Exchange("status", 504, some(world, 2, 4)),
                table_size=65536,
            ),
        ),
    )


def nonsense(world: World) -> MeshPlan:
    """A header block that cannot be decoded, and behind it others that could be; then an ordinary connection."""
    odd = world.network.server("made")
    before, after = Exchange("padded", 200, some(world, 1, 3)), Exchange("padded", 503, some(world, 5, 6))
    plain = world.network.server("h2c")
    return plan(
        (odd, plain),
        (
            session(world, "framer", odd, before, Exchange("broken"), after),
            session(world, "h2", plain, Exchange("status", 503, some(world, 5, 6))),
        ),
        parallel=1,  # what the last one had is counted last
    )


def disorder(world: World) -> MeshPlan:
    """Answers of many segments, some of which are lost on their way, or come late."""
    server = world.network.server("h2c", slow=True)
    bodies = [Exchange("status", 503, body=some(world, 15_000, 30_000)) for _ in range(some(world, 8, 10))]
    talk = session(world, "h2", server, *bodies, concurrent=2)
    return plan((server,), (talk,), delay_ms=20, loss=4, reorder=15)


def answers(world: World, server: Server, status: int, count: int, **more: object) -> MeshPlan:
    """So many answers of one server, on a new connection."""
    return plan((server,), (session(world, "h2", server, Exchange("status", status, count), **more),))


def aborts(world: World, *of: tuple[Server, int]) -> MeshPlan:
    """So many streams of each server that it resets."""
    servers = {server.place: server for server, _ in of}
    sessions = [session(world, "h2", server, Exchange("abort", 200, count)) for server, count in of]
    return plan(tuple(servers.values()), sessions)


def handshakes(world: World) -> MeshPlan:
    """Every way in which a handshake may end, of both versions."""
    new = world.network.server
    old, young, cautious = new("tls", tls="1.2"), new("tls", tls="1.3"), new("tls", tls="1.2", mutual=True)
    careful, silent, closing, plain = (
        new("tls", tls="1.3", mutual=True),
        new("silent"),
        new("closing"),
        new("plain"),
    )

    def shake(kind: str, server: Server, fate: str, count: int, **more: object) -> Session:
        return session(world, kind, server, Exchange("handshake", count=count), fate=fate, **more)

    return plan(
        (old, young, cautious, careful, silent, closing, plain),
        (
            shake("tls", silent, "silent", 1, patience_ms=1500),
            shake("tls", old, "good", 2),
            shake("tls", young, "good", 2),
            shake("openssl", young, "good", 1),
            shake("tls", old, "distrust", some(world, 2, 3)),
            shake("tls", young, "distrust", some(world, 2, 4)),
            shake("openssl", old, "distrust", 1),
            shake("tls", old, "no_cipher", 1),
            shake("tls", young, "no_version", some(world, 1, 2)),
            shake("tls", old, "no_alpn", 1),
            shake("tls", cautious, "no_certificate", 1),
            shake("tls", careful, "no_certificate", some(world, 1, 2)),
            shake("tls", closing, "closing", some(world, 1, 2)),
            shake("tls", plain, "plain", 1),
        ),
        parallel=2,  # goroutines that wait for the processor are preempted at a function's entry: see tls13
    )


def hanging(world: World) -> tuple[MeshPlan, MeshPlan]:
    """A handshake without an answer on a connection that stays; and then its end, with another one that fails."""
    deaf, closing = world.network.server("silent"), world.network.server("closing")
    stuck = session(world, "tls", deaf, Exchange("handshake"), fate="stuck", keep=True)
    leaves = replace(stuck, exchanges=(), keep=False, resumed=True)
    other = session(world, "tls", closing, Exchange("handshake"), fate="closing")
    # what the last one leaves is counted last
    return plan((deaf,), (stuck,)), plan((deaf, closing), (leaves, other), parallel=1)
