"""The traffic of each check, drawn from the run's seed. Ports and addresses are never used twice in a run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from labs.harness.traffic import Connection, Kind, Listener, Plan

PORTS = range(20_000, 32_000)  # below the ports that the kernel gives to clients
SILENT = ("10.99.0.2", "fd99::2")  # the guest has a network on which nobody answers
BACKLOG = 3
_SERVES: dict[str, str] = {
    "client_close": "echo",
    "client_reset": "echo",
    "server_close": "close",
    "client_unread": "close",
    "server_reset": "reset",
    "half_open": "hold",
    "overflow": "full",
}


def ports(source: random.Random) -> Iterator[int]:
    """Every port once, in an order drawn from `source`."""
    return iter(source.sample(PORTS, len(PORTS)))


@dataclass
class Draft:
    """A plan that is being put together. `ports` gives fresh ports."""

    random: random.Random
    ports: Iterator[int]
    listeners: list[Listener] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    def address(self) -> str:
        """An IPv4 address of loopback; the first ones are often special in people's code."""
        return f"127.0.{self.random.randint(0, 3)}.{self.random.randint(2, 250)}"

    def serve(self, kind: Kind, address: str, *, backlog: int = 128, mptcp: bool = False) -> int:
        """A listener that ends connections as `kind` wants it; gives its port."""
        port = next(self.ports)
        self.listeners.append(Listener(address, port, _SERVES[kind], backlog, mptcp))
        return port

    def add(self, kind: Kind, address: str, port: int, count: int = 1, **more: Any) -> None:
        """So many connections. Of kind overflow, the first BACKLOG + 1 get into the queue."""
        for number in range(count):
            outcome: str = kind
            if kind == "overflow":
                outcome = "queued" if number <= BACKLOG else "timeout"
            length = self.random.randint(1, 1500) if kind in ("client_close", "client_reset") else 0
            id_ = len(self.connections)
            self.connections.append(Connection(id_, kind, address, port, length, outcome, **more))

    def some(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def plan(self, parallel: int = 8) -> Plan:
        """In a mixed order, but for a queue that fills: its order says who gets in."""
        queued = [c for c in self.connections if c.kind == "overflow"]
        mixed = [c for c in self.connections if c.kind != "overflow"]
        self.random.shuffle(mixed)
        return Plan(tuple(self.listeners), (*mixed, *queued), parallel)


def first(draft: Draft) -> Plan:
    """Orderly connections to five IPv4 places, some from ports of their own."""
    places: list[tuple[Kind, str, int]] = []
    kinds: tuple[Kind, ...] = ("client_close", "client_close", "client_close", "server_close", "server_close")
    for kind in kinds:
        address = draft.address()
        places.append((kind, address, draft.serve(kind, address)))
        draft.add(*places[-1], count=draft.some(3, 9))
    for source in (next(draft.ports), next(draft.ports), next(draft.ports)):
        # one connection for each pair of ports: afterwards the pair rests in TIME_WAIT
        for place in draft.random.sample(places, draft.some(3, 5)):
            draft.add(*place, source=source)
    return draft.plan()


def families(draft: Draft) -> Plan:
    """IPv6, a listener on :: that takes IPv4 too, and IPv6 sockets that connect to IPv4 addresses."""
    six, four, both = "::1", draft.address(), draft.address()
    draft.add("client_close", six, draft.serve("client_close", six), draft.some(3, 9))
    draft.add("server_close", six, draft.serve("server_close", six), draft.some(3, 9))
    port = draft.serve("client_close", "::")
    draft.add("client_close", both, port, draft.some(3, 9))
    draft.add("client_close", both, port, draft.some(3, 9), mapped=True)
    draft.add("client_close", four, draft.serve("client_close", four), draft.some(3, 9), mapped=True)
    return draft.plan()


def errors(draft: Draft) -> Plan:
    """All that does not end by FIN and FIN."""
    kinds: tuple[Kind, ...] = ("client_reset", "server_reset")
    for kind in kinds:
        address = draft.random.choice((draft.address(), "::1"))
        draft.add(kind, address, draft.serve(kind, address), draft.some(3, 8))
    unread = draft.address()
    port = draft.serve("client_unread", unread)
    for _ in range(draft.some(3, 5)):  # from ports that tell local from remote also beside a scrape
        draft.add("client_unread", unread, port, source=next(draft.ports))
    draft.add("refused", draft.address(), next(draft.ports), draft.some(3, 8))
    source = next(draft.ports)
    for _ in range(draft.some(3, 5)):  # two at once from one port cannot go to the same place
        draft.add("refused", "::1", next(draft.ports), source=source)
    draft.add("timeout", SILENT[0], next(draft.ports), draft.some(2, 4))
    draft.add("timeout", SILENT[1], next(draft.ports), draft.some(1, 3))
    draft.add("give_up", draft.random.choice(SILENT), next(draft.ports), draft.some(2, 5))
    return draft.plan()


def standing(draft: Draft) -> Plan:
    """Connections that stand until they are released."""
    address = draft.address()
    draft.add("half_open", address, draft.serve("half_open", address), draft.some(3, 8))
    return draft.plan()


def little(draft: Draft) -> Plan:
    """Just enough to see that whatever came before has been counted."""
    address = draft.address()
    draft.add("client_close", address, draft.serve("client_close", address), 3)
    return draft.plan()


def queue(draft: Draft) -> Plan:
    """Connections that stand, and a queue that nobody takes from, with more waiting than it holds."""
    address = draft.address()
    draft.add("half_open", address, draft.serve("half_open", address), draft.some(3, 8))
    full = draft.address()
    port = draft.serve("overflow", full, backlog=BACKLOG)
    draft.add("overflow", full, port, BACKLOG + 1 + draft.some(1, 2))
    return draft.plan()


def others(draft: Draft) -> Plan:
    """MPTCP, and sockets that connect to themselves."""
    address = draft.address()
    port = draft.serve("client_close", address, mptcp=True)
    for _ in range(draft.some(3, 5)):
        draft.add("client_close", address, port, mptcp=True, source=next(draft.ports))
    for _ in range(draft.some(2, 3)):
        own = next(draft.ports)
        draft.add("self_connect", draft.address(), own, source=own)
    return draft.plan(parallel=2)


def burst(draft: Draft, connections: int) -> Plan:
    """Many at once, as fast as the machine makes them."""
    for _ in range(2):
        address = draft.address()
        draft.add("client_close", address, draft.serve("client_close", address), connections * 3 // 10)
    draft.add("refused", draft.address(), next(draft.ports), connections - len(draft.connections))
    return draft.plan(parallel=32)


def scan(draft: Draft, addresses: int, sources: int) -> Plan:
    """To ever new addresses, some of it from ever new ports: all refused."""
    seen: set[str] = set()
    while len(seen) < addresses:
        seen.add(f"127.{draft.some(1, 250)}.{draft.some(0, 255)}.{draft.some(1, 250)}")
    for number, address in enumerate(sorted(seen)):
        source = next(draft.ports) if number < sources else 0
        draft.add("refused", address, next(draft.ports), source=source)
    return draft.plan()


def flood(draft: Draft, connections: int) -> Plan:
    """Two counts each, whose series no scrape touches."""
    draft.add("refused", draft.address(), next(draft.ports), connections)
    return draft.plan(parallel=4)
