"""What a tracer has to count for a plan of connections, and how far a page of metrics is from it.

Both ends of a connection are sockets of the same machine, so one connection is up to five counts. The
rules are the brief's. A series is (family, first label, second label), say
("conn", "syn_sent", "127.0.0.2:21000") or ("closed", "local", "21000").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from labs.harness.exposition import Exposition
from labs.harness.traffic import Connection

Series = tuple[str, str, str]
Counts = Counter[Series]

CONN, CLOSED, LOST = "tcp_conn_total", "tcp_conn_closed_total", "tcp_tracer_lost_total"
LABELS = {CONN: ("state", "dst"), CLOSED: ("reason", "src_port")}
STATES = ("syn_sent", "established", "accepted")
REASONS = ("timeout", "refused", "reset", "local", "remote", "aborted")
FIRST_EPHEMERAL = 32768
EPHEMERAL, OTHER = "ephemeral", "other"
MOST_DESTINATIONS, MOST_PORTS = 100, 64
METRICS_PORT = "9435"
SCRAPED = f"127.0.0.1:{METRICS_PORT}"
EITHER = "local/remote"  # which end of it closed first is not the plan's to say
_OF_SCRAPES = (CLOSED, EITHER, EPHEMERAL)  # among these are the clients' ends of scrapes

# how the client's and the server's socket end; None: there is no such socket, or it does not end
ENDS: dict[str, tuple[str | None, str | None]] = {
    "client_close": ("local", "remote"),
    "server_close": ("remote", "local"),
    "client_reset": ("aborted", "reset"),
    "server_reset": ("reset", "aborted"),
    "client_unread": ("aborted", "reset"),
    "self_connect": ("local", None),
    "refused": ("refused", None),
    "timeout": ("timeout", None),
    "give_up": ("aborted", None),
    "half_open": (None, None),
    "queued": (None, None),
}
# the same, once the traffic is released: a queue is closed with who waits in it
RELEASED = {"half_open": (EITHER, EITHER), "queued": ("reset", "aborted")}
CONNECTS = frozenset(ENDS) - {"refused", "timeout", "give_up"}


def destination(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def port_label(port: int) -> str:
    """0 stands for a port that the kernel chose."""
    return str(port) if 0 < port < FIRST_EPHEMERAL else EPHEMERAL


def expected(connections: Iterable[Connection]) -> Counts:
    """All that there is to count until the report of the plan."""
    counts: Counts = Counter()
    for one in connections:
        counts.update(_opened(one))
        counts.update(_ended(one, ENDS[one.outcome]))
    return counts


def released(connections: Iterable[Connection]) -> Counts:
    """What comes on top when the traffic is released."""
    counts: Counts = Counter()
    for one in connections:
        if one.outcome in RELEASED:
            counts.update(_ended(one, RELEASED[one.outcome]))
    return counts


def _opened(one: Connection) -> list[Series]:
    dst = destination(one.address, one.port)
    states: tuple[str, ...] = STATES if one.outcome in CONNECTS else STATES[:1]
    if one.outcome == "self_connect":  # one socket, at both ends of its connection
        states = STATES[:2]
    return [(CONN, state, dst) for state in states]


def _ended(one: Connection, ends: tuple[str | None, str | None]) -> list[Series]:
    ports = port_label(one.source), port_label(one.port)
    return [(CLOSED, reason, port) for reason, port in zip(ends, ports, strict=True) if reason]


def counts_of(page: Exposition) -> Counts:
    """The two families of a page. Samples that do not have exactly their labels are left out."""
    counts: Counts = Counter()
    for name, wanted in LABELS.items():
        for labels, value in page.series(name):
            if set(labels) == set(wanted) and value:
                counts[name, labels[wanted[0]], labels[wanted[1]]] = int(value)
    return counts


def lost_of(page: Exposition) -> int | None:
    """The events lost so far; None when the page does not say."""
    rows = page.series(LOST)
    return int(rows[0][1]) if len(rows) == 1 and not rows[0][0] else None


def of_scrapes(series: Series) -> bool:
    """Whether reading /metrics may have added to it, apart from what `merged` puts together."""
    return series[2] in (SCRAPED, METRICS_PORT)


def ended_scrapes(counts: Counts) -> int:
    """How many scrapes have been counted to their end, by the end of them that serves /metrics."""
    return sum(n for (family, _, port), n in counts.items() if family == CLOSED and port == METRICS_PORT)


@dataclass(frozen=True)
class Difference:
    """`wrong` has (seen, wanted) for each series that is off."""

    wrong: dict[Series, tuple[int, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.wrong)

    @property
    def missing(self) -> Counts:
        return Counter({key: want - seen for key, (seen, want) in self.wrong.items() if seen < want})

    @property
    def surplus(self) -> Counts:
        return Counter({key: seen - want for key, (seen, want) in self.wrong.items() if seen > want})

    def only(self, accept: Callable[[Series], bool]) -> Difference:
        return Difference({key: pair for key, pair in self.wrong.items() if accept(key)})

    def show(self, most: int = 8) -> str:
        """A line for each series that is off, the largest deviation first: seen ≠ wanted, and which."""
        rows = sorted(self.wrong.items(), key=lambda row: (-abs(row[1][0] - row[1][1]), row[0]))
        lines = [f"{seen} ≠ {want}  {name(key)}" for key, (seen, want) in rows[:most]]
        if len(rows) > most:
            lines.append(f"… +{len(rows) - most}")
        return "\n".join(lines)


def name(series: Series) -> str:
    """As a person would write it: tcp_conn_total{state="accepted",dst="[::1]:20001"}."""
    first, second = LABELS[series[0]]
    return f'{series[0]}{{{first}="{series[1]}",{second}="{series[2]}"}}'


def compared(grown: Counts, wanted: Counts, scrapes: int) -> dict[Series, tuple[int, int]]:
    """What was counted in some time and what there was to count: (seen, wanted) of each series of either.

    `scrapes`: how many connections to /metrics may have been counted to their end in that time. Their own counts
    are left out; the client's ends of them are among those that ended local or remote and ephemeral,
    from which so many are taken off where there are more than wanted.
    """
    either = {series[2] for series in wanted if series[1] == EITHER} | {EPHEMERAL}
    seen, want = _merged(grown, either), _merged(wanted, either)
    surplus = seen[_OF_SCRAPES] - want[_OF_SCRAPES]
    seen[_OF_SCRAPES] -= min(max(surplus, 0), scrapes)
    every = (series for series in set(seen) | set(want) if not of_scrapes(series))
    return {series: (seen[series], want[series]) for series in every if seen[series] or want[series]}


def difference(counts: Mapping[Series, tuple[int, int]]) -> Difference:
    """How far what compared() gave is from what there was to count."""
    return Difference({series: pair for series, pair in counts.items() if pair[0] != pair[1]})


def _merged(counts: Counts, ports: set[str]) -> Counts:
    merged: Counts = Counter()
    for (family, label, value), count in counts.items():
        either = family == CLOSED and label in ("local", "remote") and value in ports
        merged[family, EITHER if either else label, value] += count
    return merged
