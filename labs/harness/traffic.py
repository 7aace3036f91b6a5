"""TCP traffic whose truth the host knows: a plan from the run's seed, and what a TCP stack must make of it.

    plan = Plan.draw(lab.random, client_close=20, refused=5, timeout=3)
    truth = lab.traffic(plan)              # the guest does it; a report that does not fit is refused
    truth.established                      # {("127.0.0.3", 21544): 20}
    truth.closed["refused"]                # 5

The program under test is root in the guest, so nothing that the guest says counts as truth. The truth
follows from the plan alone (RFC 9293); the guest's report is only held against it, to learn whether the
plan happened: an overloaded guest and one that lies are told apart.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

MAX_CONNECTIONS = 2000
MAX_TIMEOUTS = 64
_PARALLEL = 8
# below the ports that the guest's kernel gives to clients (net.ipv4.ip_local_port_range)
_PORTS = range(20_000, 32_000)
_V4, _V6 = tuple(f"127.0.0.{n}" for n in range(2, 10)), ("::1",)
# neighbours on the guest's dummy interface, which swallows all that is sent to them
_SILENT_V4, _SILENT_V6 = "10.99.0.2", "fd99::2"

Kind = Literal[
    "client_close",
    "server_close",
    "client_reset",
    "server_reset",
    "refused",
    "timeout",
    "half_open",
    "overflow",
    "client_unread",
    "give_up",
    "self_connect",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# how the far end has to behave, and how the client's call has to end
_SERVE: dict[str, str] = {
    "client_close": "echo",
    "client_reset": "echo",
    "server_close": "close",
    "server_reset": "reset",
    "half_open": "hold",
    "overflow": "full",
    "client_unread": "close",
}
_ERRNO: dict[str, str] = {
    "server_reset": "ECONNRESET",
    "refused": "ECONNREFUSED",
    "timeout": "ETIMEDOUT",
    "give_up": "EINPROGRESS",  # the client closes while the connection is still being made
}
# states of the client's socket as tracepoint sock:inet_sock_set_state tells them
_OPENED = (("close", "syn_sent"), ("syn_sent", "established"))
_STATES: dict[str, tuple[tuple[str, str], ...]] = {
    "client_close": (
        *_OPENED,
        ("established", "fin_wait1"),
        ("fin_wait1", "fin_wait2"),
        ("fin_wait2", "close"),
    ),
    "server_close": (
        *_OPENED,
        ("established", "close_wait"),
        ("close_wait", "last_ack"),
        ("last_ack", "close"),
    ),
    "client_reset": (*_OPENED, ("established", "close")),
    "server_reset": (*_OPENED, ("established", "close")),
    "refused": (("close", "syn_sent"), ("syn_sent", "close")),
    "timeout": (("close", "syn_sent"), ("syn_sent", "close")),
    "half_open": _OPENED,
    "queued": _OPENED,
    "client_unread": (*_OPENED, ("established", "close_wait"), ("close_wait", "close")),
    "give_up": (("close", "syn_sent"), ("syn_sent", "close")),
    "self_connect": (
        ("close", "syn_sent"),
        ("syn_sent", "syn_recv"),
        ("syn_recv", "established"),
        ("established", "fin_wait1"),
        ("fin_wait1", "closing"),
        ("closing", "close"),
    ),
}

Destination = tuple[str, int]


@dataclass(frozen=True)
class Listener:
    address: str
    port: int
    serve: str
    backlog: int = 128
    mptcp: bool = False


@dataclass(frozen=True)
class Connection:
    """One connection of the plan. `outcome` is its kind, but for the overflow: "queued" or "timeout".

    `source` is its local port, 0 for one that the kernel chooses. `mapped`: from an IPv6 socket to an
    IPv4 address.
    """

    id: int
    kind: Kind
    address: str
    port: int
    bytes: int
    outcome: str
    source: int = 0
    mapped: bool = False
    mptcp: bool = False

    @property
    def destination(self) -> Destination:
        return self.address, self.port

    @property
    def errno(self) -> str:
        """What the client's call must end with; "" for an orderly end."""
        return _ERRNO.get(self.outcome, "")

    @property
    def established(self) -> bool:
        return self.outcome not in ("refused", "timeout", "give_up")

    @property
    def open(self) -> bool:
        """Whether it stands until the traffic is released."""
        return self.outcome in ("half_open", "queued")

    @property
    def states(self) -> tuple[tuple[str, str], ...]:
        """The changes of state that the client's socket goes through before the report."""
        return _STATES[self.outcome]


@dataclass(frozen=True)
class Plan:
    """What is to happen. Made by draw(); the guest gets json()."""

    listeners: tuple[Listener, ...]
    connections: tuple[Connection, ...]
    parallel: int = _PARALLEL

    @classmethod
    def draw(
        cls,
        source: random.Random,
        *,
        destinations: int = 1,
        ipv6: bool = True,
        backlog: int = 2,
        parallel: int = _PARALLEL,
        **counts: int,
    ) -> Plan:
        """So many connections of each kind, mixed, to ports and addresses drawn from `source`.

        Each kind has `destinations` destinations of its own per family; `overflow` goes to one queue of
        `backlog` + 1 places. Raises ValueError for an unknown kind or for more than a guest can do.
        """
        _check(counts)
        ports = iter(source.sample(_PORTS, (destinations * 2 + 1) * len(KINDS)))
        listeners: list[Listener] = []
        drawn: list[tuple[Kind, Destination]] = []
        for kind in KINDS:
            wanted = counts.get(kind, 0)
            if not wanted:
                continue
            places = _places(kind, 1 if kind == "overflow" else destinations, ipv6, ports, source)
            if kind in _SERVE:
                depth = backlog if kind == "overflow" else 128
                listeners += [Listener(*place, _SERVE[kind], depth) for place in places]
            drawn += [(kind, places[n % len(places)]) for n in range(wanted)]
        source.shuffle(drawn)
        return cls(tuple(listeners), tuple(_connections(drawn, backlog, source)), parallel)

    def fields(self) -> dict[str, Any]:
        """The body of the guest's operation `traffic`: how things are to end is not in it."""
        return {
            "parallel": self.parallel,
            "listeners": [vars(listener) for listener in self.listeners],
            "connections": [
                {name: value for name, value in vars(c).items() if name != "outcome"}
                for c in self.connections
            ],
        }

    @property
    def seconds(self) -> float:
        """How long a busy, emulated guest may take for it."""
        waiting = sum(c.outcome == "timeout" for c in self.connections)
        return 20.0 + 0.1 * len(self.connections) + 4.0 * waiting

    def truth(self) -> Truth:
        return Truth(self.connections)


@dataclass(frozen=True)
class Truth:
    """What must have happened, by the plan. Counts are of connections, seen from the client."""

    connections: tuple[Connection, ...]

    @property
    def attempts(self) -> Counter[Destination]:
        """By destination: each connect(), whatever came of it."""
        return Counter(c.destination for c in self.connections)

    @property
    def established(self) -> Counter[Destination]:
        return Counter(c.destination for c in self.connections if c.established)

    @property
    def closed(self) -> Counter[str]:
        """By the way it ended: client_close, server_close, client_reset, server_reset, refused, timeout."""
        return Counter(c.outcome for c in self.connections if not c.open)

    @property
    def open(self) -> Counter[Destination]:
        """Those that stand until the traffic is released."""
        return Counter(c.destination for c in self.connections if c.open)

    @property
    def states(self) -> Counter[tuple[str, str, int]]:
        """Changes of state of the clients' sockets: (from, to, destination port)."""
        return Counter((old, new, c.port) for c in self.connections for old, new in c.states)

    @property
    def ports(self) -> set[int]:
        return {c.port for c in self.connections}


def _check(counts: Mapping[str, int]) -> None:
    unknown = set(counts) - set(KINDS)
    if unknown:
        raise ValueError(f"connections do not end by {', '.join(sorted(unknown))}")
    if any(count < 0 for count in counts.values()) or sum(counts.values()) > MAX_CONNECTIONS:
        raise ValueError(f"from 0 to {MAX_CONNECTIONS} connections")
    if counts.get("timeout", 0) + counts.get("overflow", 0) > MAX_TIMEOUTS:
        raise ValueError(f"at most {MAX_TIMEOUTS} connections that time out")


def _places(kind: Kind, count: int, ipv6: bool, ports: Any, source: random.Random) -> list[Destination]:
    both = ipv6 and kind != "overflow"
    if kind in ("timeout", "give_up"):
        addresses = [_SILENT_V4, *([_SILENT_V6] if both else [])] * count
    else:
        addresses = [
            source.choice(family) for family in ((_V4, _V6) if both else (_V4,)) for _ in range(count)
        ]
    return [(address, next(ports)) for address in addresses]


def _connections(
    drawn: list[tuple[Kind, Destination]], backlog: int, source: random.Random
) -> list[Connection]:
    queued = 0
    made: list[Connection] = []
    for number, (kind, (address, port)) in enumerate(drawn):
        outcome: str = kind
        if kind == "overflow":  # a queue of n takes n + 1 (sk_acceptq_is_full); the plan's order is theirs
            outcome = "queued" if queued <= backlog else "timeout"
            queued += 1
        length = source.randint(1, 2000) if kind in ("client_close", "client_reset") else 0
        own = port if kind == "self_connect" else 0
        made.append(Connection(number, kind, address, port, length, outcome, own))
    return made
