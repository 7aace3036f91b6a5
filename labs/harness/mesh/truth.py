"""What must have happened on the wire, by the plan alone: the standards say what each exchange leaves there."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from labs.harness.mesh.parts import Destination, Exchange, Server, Session

Side = Literal["client", "server"]
# RFC 9113, section 7
NO_ERROR, INTERNAL_ERROR, CANCEL = 0, 2, 8
_RESETTERS: dict[str, tuple[Side, int]] = {
    "cancel": ("client", CANCEL),
    "call_cancel": ("client", CANCEL),
    "abort": ("server", INTERNAL_ERROR),
}
# RFC 8446, section 6
_ALERTS: dict[str, tuple[Side, int]] = {
    "no_version": ("server", 70),
    "no_cipher": ("server", 40),
    "no_alpn": ("server", 120),
}


@dataclass(frozen=True)
class Reset:
    """RST_STREAM frames of one stream: of `session`, its `number`-th reset stream."""

    server: Destination
    source: str
    session: int
    number: int
    by: Side
    code: int
    frames: int = 1
    encrypted: bool = False


@dataclass(frozen=True)
class Handshake:
    """`version`: what the two agree on, or "" when they do not get so far.

    `alert` is 0 where none is sent, `by` who sends it; `hidden`: it is encrypted, as data of the connection.
    `answered`: a ServerHello came.
    """

    server: Destination
    source: str
    session: int
    version: str
    fate: str
    alert: int = 0
    by: str = ""
    hidden: bool = False
    answered: bool = True

    @property
    def failed(self) -> bool:
        return self.fate != "good"


@dataclass(frozen=True)
class Response:
    """One HTTP answer: its `:status`, and the gRPC code where there is one."""

    server: Destination
    source: str
    session: int
    status: int
    encrypted: bool = False
    grpc: int | None = None
    resumed: bool = False


@dataclass(frozen=True)
class Broken:
    """A connection on which a header block came that cannot be decoded."""

    server: Destination
    source: str
    session: int


@dataclass(frozen=True)
class Truth:
    """Everything there was to see. Narrow it with where() and within(), then count.

    Of a broken connection, that is what came before the block that cannot be decoded.

    What is encrypted is in it, and marked. Counts that a probe on the wire can make are of visible().
    """

    replies: tuple[Response, ...]
    streams: tuple[Reset, ...]
    handshakes: tuple[Handshake, ...]
    broken: tuple[Broken, ...] = ()

    @classmethod
    def of(cls, servers: Iterable[Server], sessions: Iterable[Session]) -> Truth:
        known = {server.place: server for server in servers}
        replies: list[Response] = []
        streams: list[Reset] = []
        handshakes: list[Handshake] = []
        broken: list[Broken] = []
        for session in sessions:
            server = known[session.server]
            for exchange in session.exchanges:
                if exchange.ask == "broken":
                    broken.append(Broken(server.place, session.source, session.id))
                    break
                replies += _replies(session, server, exchange)
                streams += _resets(session, server, exchange, len(streams))
            handshakes += _handshakes(session, server)
        return cls(tuple(replies), tuple(streams), tuple(handshakes), tuple(broken))

    @property
    def responses(self) -> Counter[tuple[Destination, int]]:
        """Answers by (server, :status)."""
        return Counter((reply.server, reply.status) for reply in self.replies)

    @property
    def errors(self) -> Counter[tuple[Destination, int]]:
        """Those of 5xx."""
        return Counter({key: n for key, n in self.responses.items() if 500 <= key[1] <= 599})

    @property
    def reset_streams(self) -> Counter[Destination]:
        """Streams that somebody reset, by server; each once, however many frames there were."""
        return Counter(reset.server for reset in self.streams)

    @property
    def reset_frames(self) -> Counter[tuple[Destination, Side, int]]:
        """RST_STREAM frames by (server, who sent it, error code)."""
        frames: Counter[tuple[Destination, Side, int]] = Counter()
        for reset in self.streams:
            frames[reset.server, reset.by, reset.code] += reset.frames
        return frames

    @property
    def failures(self) -> Counter[tuple[Destination, str, int]]:
        """Handshakes that failed, by (server, version or "", alert or 0)."""
        return Counter((h.server, h.version, h.alert) for h in self.handshakes if h.failed)

    def where(self, accept: Callable[[Destination, str], bool]) -> Truth:
        """What `accept` takes by (server, source)."""
        return replace(
            self,
            replies=tuple(r for r in self.replies if accept(r.server, r.source)),
            streams=tuple(r for r in self.streams if accept(r.server, r.source)),
            handshakes=tuple(h for h in self.handshakes if accept(h.server, h.source)),
            broken=tuple(b for b in self.broken if accept(b.server, b.source)),
        )

    def within(self, watched: dict[str, bool]) -> Truth:
        """What goes to servers whose longest prefix in `watched` is watched: {"10.244.0.0/16": True, …/24: False}."""
        networks = sorted(
            ((ipaddress.IPv4Network(text), on) for text, on in watched.items()),
            key=lambda item: -item[0].prefixlen,
        )

        def accept(server: Destination, _source: str) -> bool:
            address = ipaddress.IPv4Address(server[0])
            return next((on for network, on in networks if address in network), False)

        return self.where(accept)

    def visible(self) -> Truth:
        """Without the HTTP/2 that is in TLS."""
        return replace(
            self,
            replies=tuple(r for r in self.replies if not r.encrypted),
            streams=tuple(r for r in self.streams if not r.encrypted),
        )

    def __add__(self, other: Truth) -> Truth:
        """Both: of one plan after the other."""
        return Truth(
            self.replies + other.replies,
            self.streams + other.streams,
            self.handshakes + other.handshakes,
            self.broken + other.broken,
        )


def _replies(session: Session, server: Server, exchange: Exchange) -> list[Response]:
    if session.kind not in ("h2", "grpc", "framer"):
        return []
    answered = session.kind == "h2" or exchange.ask == "padded"
    status = exchange.status if answered else 200
    count = 1 if exchange.ask == "reset" else exchange.count
    code = (1 if exchange.ask == "call_cancel" else exchange.status) if session.kind == "grpc" else None
    one = Response(
        server.place, session.source, session.id, status, server.encrypted, code, resumed=session.resumed
    )
    return [one] * count


def _resets(session: Session, server: Server, exchange: Exchange, number: int) -> list[Reset]:
    if exchange.ask == "reset":
        frames = exchange.count
        return [
            Reset(server.place, session.source, session.id, number, "client", exchange.status, frames=frames)
        ]
    if exchange.ask not in _RESETTERS:
        return []
    by, code = _RESETTERS[exchange.ask]
    return [
        Reset(server.place, session.source, session.id, number + n, by, code, encrypted=server.encrypted)
        for n in range(exchange.count)
    ]


def _handshakes(session: Session, server: Server) -> list[Handshake]:
    if session.kind in ("tls", "openssl"):
        count = sum(exchange.count for exchange in session.exchanges)
        return [_handshake(session, server)] * count
    if server.encrypted and not session.resumed:
        return [Handshake(server.place, session.source, session.id, server.tls, "good")]
    return []


def _handshake(session: Session, server: Server) -> Handshake:
    base = Handshake(server.place, session.source, session.id, server.tls, session.fate)
    fate = session.fate
    if fate == "distrust":
        alert = 42 if session.kind == "tls" else 48
        return replace(base, alert=alert, by="client", hidden=server.tls == "1.3")
    if fate == "no_certificate":
        later = server.tls == "1.3"
        return replace(base, alert=116 if later else 40, by="server", hidden=later)
    if fate in _ALERTS:
        by, alert = _ALERTS[fate]
        return replace(base, version="", alert=alert, by=by, answered=False)
    if fate in ("silent", "stuck", "closing", "plain"):
        return replace(base, version="", answered=False)
    return base
