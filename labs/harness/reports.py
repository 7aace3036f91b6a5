"""What a guest reports of a plan of traffic, held against the plan: did it happen, and who wrote the report?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labs.harness.traffic import Connection, Plan


@dataclass(frozen=True)
class Deviation:
    """One connection that did not go as planned, in few words: `#12 refused: ETIMEDOUT`."""

    id: int
    text: str

    def __str__(self) -> str:
        return f"#{self.id} {self.text}" if self.id >= 0 else self.text


@dataclass(frozen=True)
class Comparison:
    """A report held against its plan. Both lists empty: it happened as planned.

    `overloaded`: connections that a stack under load, or a program in its way, may end like this.
    `impossible`: what no execution of this plan reports, so somebody else wrote it.
    """

    overloaded: list[Deviation] = field(default_factory=list)
    impossible: list[Deviation] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        return not self.overloaded and not self.impossible


def compare(plan: Plan, report: Any) -> Comparison:
    """Hold the guest's report, which may be anything that JSON can say, against the plan. Never raises."""
    result = Comparison()
    rows = report.get("outcomes") if isinstance(report, Mapping) else None
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        result.impossible.append(Deviation(-1, "the report has no outcomes"))
        return result
    if len(rows) != len(plan.connections):
        text = f"{len(rows)} outcomes for {len(plan.connections)} connections"
        result.impossible.append(Deviation(-1, text))
        return result
    planned = {c.id: c for c in plan.connections}
    tuples: set[tuple[str, str]] = set()
    for row in rows:
        _compare_row(planned, row, tuples, result)
    return result


def _compare_row(
    planned: dict[int, Connection], row: Any, tuples: set[tuple[str, str]], result: Comparison
) -> None:
    id_ = row.get("id") if isinstance(row, Mapping) else None
    connection = planned.pop(id_, None) if isinstance(id_, int) and not isinstance(id_, bool) else None
    if connection is None:
        result.impossible.append(Deviation(-1, f"an outcome that was not planned: {str(row)[:80]}"))
        return
    errno, local, remote = row.get("errno"), row.get("local"), row.get("remote")
    if remote != _joined(connection.address, connection.port):
        text = f"{connection.kind}: went to {str(remote)[:60]}"
        result.impossible.append(Deviation(connection.id, text))
        return
    established = errno == "" or errno == "ECONNRESET"
    named = isinstance(local, str) and local != ""
    if established and not (named and not (connection.open and (local, remote) in tuples)):
        text = f"{connection.kind}: from {str(local)[:60]}, which cannot be"
        result.impossible.append(Deviation(connection.id, text))
        return
    # One that has ended leaves its place to another: on loopback the kernel gives a port in TIME_WAIT away again after
    # a second (net.ipv4.tcp_tw_reuse is 2), and a burst takes longer than that in a slow guest.
    if established and connection.open:
        tuples.add((str(local), remote))
    if errno != connection.errno or bool(row.get("open")) != connection.open:
        said = str(errno)[:60] if errno else "no error"
        result.overloaded.append(Deviation(connection.id, f"{connection.kind}: {said}"))


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
