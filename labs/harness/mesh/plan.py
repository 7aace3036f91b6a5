"""What is to happen in the mesh. The guest gets json()."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass
from typing import Any, get_args

from labs.harness.mesh.parts import Destination, Exchange, Fate, Server, ServerKind, Session
from labs.harness.mesh.truth import Truth

DEVICE = "mesh0"
"""The node's end of the veth pair to the pods: each packet between a client and a pod passes it once."""
BINARY = "/opt/mesh/mesh"
"""The program in the guest that is Go's side of the traffic, with its symbol table."""

MAX_SERVERS = 64
MAX_STANDING = 128  # of all plans of a machine together
MAX_SESSIONS = 256
MAX_EXCHANGES = 4000
MAX_HEADERS = 64 << 10
MAX_BODY = 256 << 10
MAX_MADE_BODY = 4096
MAX_MADE = 10  # so that all bodies fit into the window that a connection has at first
MAX_DELAY_MS = 4000
MAX_PAUSE_MS = 60_000
MAX_DISORDER = 50


@dataclass(frozen=True)
class MeshPlan:
    """`sessions` begin in their order, `parallel` at once. `delay_ms`: how late the packets of slow servers are from
    the beginning of this plan on, until another one says otherwise; None leaves it as it is. `loss`: how many per cent
    of these packets get lost, `reorder`: how many are not late and overtake the others; both are of this delay.
    """

    servers: tuple[Server, ...]
    sessions: tuple[Session, ...]
    parallel: int = 4
    delay_ms: int | None = None
    loss: int = 0
    reorder: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for what the guest would refuse."""
        check(self)

    def fields(self) -> dict[str, Any]:
        """The body of the guest's operation `mesh_do`."""
        return asdict(self)

    def server(self, place: Destination) -> Server:
        return next(server for server in self.servers if server.place == place)

    @property
    def seconds(self) -> float:
        """How long a busy, emulated guest may take for it."""
        exchanges = [(s, e) for s in self.sessions for e in s.exchanges]
        pauses = sum(e.count * (e.pause_ms + e.think_ms) for _, e in exchanges) / 1000
        patience = sum(s.patience_ms for s in self.sessions if s.fate == "silent") / 1000
        delays = (self.delay_ms or 0) / 1000 * sum(e.count + 2 for _, e in exchanges)
        work = 0.25 * len(self.sessions) + 0.05 * sum(e.count for _, e in exchanges)
        return 30.0 + pauses + patience + delays + 2 * work

    def truth(self) -> Truth:
        """What the probe must have seen of it."""
        return Truth.of(self.servers, self.sessions)


def check(plan: MeshPlan) -> None:
    """Raises ValueError unless the guest can carry it out."""
    if not 1 <= plan.parallel <= 32:
        raise ValueError(f"{plan.parallel} sessions at once")
    if len(plan.servers) > MAX_SERVERS or len(plan.sessions) > MAX_SESSIONS:
        raise ValueError(f"{len(plan.servers)} servers, {len(plan.sessions)} sessions")
    if not 0 <= (plan.delay_ms or 0) <= MAX_DELAY_MS:
        raise ValueError(f"a delay of {plan.delay_ms} ms")
    if not (0 <= plan.loss <= MAX_DISORDER and 0 <= plan.reorder <= MAX_DISORDER):
        raise ValueError(f"{plan.loss} % lost, {plan.reorder} % reordered")
    if (plan.loss or plan.reorder) and not plan.delay_ms:
        raise ValueError("packets that are not late are not disordered")
    places = {server.place: server for server in plan.servers}
    if len(places) != len(plan.servers) or len({s.id for s in plan.sessions}) != len(plan.sessions):
        raise ValueError("a server or a session is there twice")
    if sum(e.count for s in plan.sessions for e in s.exchanges) > MAX_EXCHANGES:
        raise ValueError("too many exchanges")
    for server in plan.servers:
        _check_server(server)
    for session in plan.sessions:
        if session.server not in places:
            raise ValueError(f"session {session.id}: no server {session.server}")
        _check_session(session, places[session.server])


_ASKS: dict[str, tuple[str, ...]] = {
    "h2": ("status", "cancel", "abort", "goaway"),
    "grpc": ("call", "call_cancel"),
    "framer": ("reset", "padded", "broken"),
    "tls": ("handshake",),
    "openssl": ("handshake",),
    "echo": ("round",),
}
_SERVED: dict[str, tuple[str, ...]] = {
    "h2": ("h2c", "h2", "nginx_h2c", "nginx_h2"),
    "grpc": ("grpc",),
    "framer": ("h2c", "made"),
    "tls": ("tls", "silent", "closing", "plain", "h2", "nginx_h2"),
    "openssl": ("tls", "silent", "closing", "plain", "h2", "nginx_h2"),
    "echo": ("echo",),
}
STATUSES = (200, 204, 404, 429, 500, 502, 503, 504, 599)
_NETWORKS = [
    ipaddress.IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")
]
_TAKEN = ipaddress.IPv4Network("10.99.0.0/16")


def _check_address(text: str) -> None:
    address = ipaddress.IPv4Address(text)
    if address in _TAKEN or not any(address in network for network in _NETWORKS):
        raise ValueError(f"{text} is no address of the mesh")


def _check_server(server: Server) -> None:
    _check_address(server.address)
    if server.kind not in get_args(ServerKind):
        raise ValueError(f"no server is {server.kind}")
    if not 1024 <= server.port < 65536 or server.tls not in ("1.2", "1.3"):
        raise ValueError(f"port {server.port}, TLS {server.tls}")
    if not 0 <= server.chunk <= 1400 or (server.chunk and server.kind != "h2c"):
        raise ValueError(f"{server.kind} in segments of {server.chunk} bytes")
    if server.slow and server.address.startswith("127."):
        raise ValueError("loopback is never slow")


def _check_session(session: Session, server: Server) -> None:
    _check_address(session.source)
    if session.source.startswith("127.") != server.address.startswith("127."):
        raise ValueError(f"session {session.id}: loopback is reached from loopback only")
    if session.kind not in _SERVED or server.kind not in _SERVED[session.kind]:
        raise ValueError(f"session {session.id}: a client of kind {session.kind} and a server {server.kind}")
    if not 1 <= session.concurrent <= 64 or not 1 <= session.table_size <= 65536:
        raise ValueError(f"session {session.id}: {session.concurrent} at once, table of {session.table_size}")
    if not 100 <= session.patience_ms <= MAX_PAUSE_MS or session.fate not in get_args(Fate):
        raise ValueError(f"session {session.id}: {session.fate} after {session.patience_ms} ms")
    if session.kind in ("tls", "openssl"):
        _check_fate(session, server)
    asks = [exchange.ask for exchange in session.exchanges for _ in range(min(exchange.count, 2))]
    if "goaway" in asks[:-1] or ("goaway" in asks and (session.concurrent > 1 or session.keep)):
        raise ValueError(f"session {session.id}: nothing comes after goaway")
    if session.kind == "framer" and session.concurrent > 1:
        raise ValueError(f"session {session.id}: a framer makes one exchange after the other")
    if server.kind == "made" and (session.keep or sum(e.count for e in session.exchanges) > MAX_MADE):
        raise ValueError(f"session {session.id}: more than a hand-made connection has room for")
    for exchange in session.exchanges:
        if exchange.ask not in _ASKS[session.kind]:
            raise ValueError(f"session {session.id}: {session.kind} does not {exchange.ask}")
        _check_exchange(exchange, server)


def _check_fate(session: Session, server: Server) -> None:
    """A handshake can only end as the server's kind lets it."""
    fate = session.fate
    mute = {"silent": "silent", "stuck": "silent", "closing": "closing", "plain": "plain"}
    possible = (
        (server.kind == mute[fate] if fate in mute else server.encrypted)
        and (server.mutual if fate == "no_certificate" else True)
        and (server.tls == "1.2" if fate == "no_cipher" else True)
    )
    stands = session.keep or session.resumed
    if fate == "stuck":
        count = sum(exchange.count for exchange in session.exchanges)
        possible = possible and session.kind == "tls" and count == (0 if session.resumed else 1)
    elif stands or (server.mutual and session.kind == "openssl"):
        possible = False
    if not possible:
        raise ValueError(f"session {session.id}: no handshake with a {server.kind} server ends by {fate}")


def _check_exchange(exchange: Exchange, server: Server) -> None:
    bounds = (
        (exchange.count, 1, MAX_EXCHANGES),
        (exchange.headers, 0, MAX_HEADERS),
        (exchange.body, 0, MAX_BODY),
        (exchange.pause_ms, 0, MAX_PAUSE_MS),
        (exchange.think_ms, 0, MAX_PAUSE_MS // 6),
    )
    if any(not least <= value <= most for value, least, most in bounds):
        raise ValueError(f"out of bounds: {exchange}")
    if exchange.ask in ("status", "cancel", "abort", "goaway", "padded") and exchange.status not in STATUSES:
        raise ValueError(f"no server answers {exchange.status}")
    if exchange.ask in ("cancel", "abort") and exchange.status == 204:
        raise ValueError("an answer of 204 has no body that could be cut off")
    made = exchange.ask in ("padded", "broken")
    if made != (server.kind == "made"):
        raise ValueError(f"a {server.kind} server does not answer {exchange.ask}")
    if made and (exchange.headers or exchange.think_ms or exchange.early or exchange.body > MAX_MADE_BODY):
        raise ValueError(f"no hand-made frames are {exchange}")
    if exchange.ask == "call" and not 0 <= exchange.status <= 16:
        raise ValueError(f"{exchange.status} is no gRPC code")
    more = exchange.headers or exchange.think_ms or exchange.early
    if server.kind.startswith("nginx") and (more or exchange.ask in ("abort", "goaway")):
        raise ValueError(f"nginx does not do {exchange}")
