"""A report of the guest held against its plan: did it happen, was the guest overloaded, or does it lie?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from labs.harness.mesh.parts import Exchange, Server, Session
from labs.harness.mesh.plan import MeshPlan
from labs.harness.reports import Comparison, Deviation

_MOST_TEXT = 80
_LATEST = 1e12  # seconds
# alerts that each fate ends by, as the client's side tells of them: its own it need not name
_TOLD = {"no_version": "alert 70", "no_cipher": "alert 40", "no_alpn": "alert 120"}
_LOCAL = re.compile(r"(\d+\.\d+\.\d+\.\d+):(\d{1,5})")


def compare(plan: MeshPlan, report: Any) -> Comparison:
    """Hold the guest's report, which may be anything that JSON can say, against the plan. Never raises.

    `overloaded`: sessions and exchanges that did not come about; `impossible`: what no execution of the plan reports.
    """
    result = Comparison()
    rows = report.get("sessions") if isinstance(report, Mapping) else None
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes) or len(rows) != len(plan.sessions):
        _impossible(
            result, -1, f"a report of something else: {rows if rows is None else type(rows).__name__}"
        )
        return result
    times = (report.get("begun"), report.get("ended"))
    if not all(_is_time(time) for time in times) or times[0] > times[1]:
        _impossible(result, -1, f"from {str(times[0])[:20]} to {str(times[1])[:20]}")
        return result
    for session, row in zip(plan.sessions, rows, strict=True):
        _compare_session(plan, session, row, times, result)
    return result


def _compare_session(plan: MeshPlan, session: Session, row: Any, times: Any, result: Comparison) -> None:
    if not isinstance(row, Mapping) or row.get("id") != session.id or not isinstance(row.get("rows"), list):
        _impossible(result, session.id, f"told as {str(row)[:_MOST_TEXT]}")
        return
    if row.get("remote") != _joined(session.server):
        _impossible(result, session.id, f"went to {str(row.get('remote'))[:_MOST_TEXT]}")
        return
    if failed := row.get("failed"):
        result.overloaded.append(Deviation(session.id, f"{session.kind}: {str(failed)[:_MOST_TEXT]}"))
        return
    per_handshake = session.kind in ("tls", "openssl")
    if not per_handshake and not _from_there(row.get("local"), session):
        _impossible(result, session.id, f"from {str(row.get('local'))[:_MOST_TEXT]}, which cannot be")
        return
    left = {n: _times(exchange) for n, exchange in enumerate(session.exchanges)}
    for told in row["rows"]:
        text = _compare_row(plan, session, told, times, left, per_handshake, result)
        if text:
            _impossible(result, session.id, text)
            return
    if any(left.values()):
        _impossible(result, session.id, f"{sum(left.values())} exchanges are not in the report")


def _compare_row(
    plan: MeshPlan,
    session: Session,
    told: Any,
    times: tuple[float, float],
    left: dict[int, int],
    per_handshake: bool,
    result: Comparison,
) -> str:
    """What cannot be about it; "" when it can."""
    if not isinstance(told, Mapping) or not isinstance(told.get("said"), str):
        return f"told as {str(told)[:_MOST_TEXT]}"
    number, said, at = told.get("exchange"), told["said"], told.get("at")
    if type(number) is not int or left.get(number, 0) < 1:
        return f"an exchange {str(number)[:20]} that was not planned"
    if not _is_time(at) or not times[0] <= float(str(at)) <= times[1]:
        return f"at {str(at)[:20]}, which is not within the plan's time"
    left[number] -= 1
    exchange = session.exchanges[number]
    if said.startswith("failed: "):
        text = f"{session.kind} {exchange.ask}: {said[8 : 8 + _MOST_TEXT]}"
        result.overloaded.append(Deviation(session.id, text))
        return ""
    if per_handshake:
        local, _, said = said.partition(" ")
        if not _from_there(local, session):
            return f"from {local[:_MOST_TEXT]}, which cannot be"
    wanted = outcome(session, plan.server(session.server), exchange)
    if said == wanted:
        return ""
    if said == "silent":  # a busy machine may make any handshake late
        result.overloaded.append(Deviation(session.id, f"{session.fate}: too late"))
        return ""
    return f"{exchange.ask} ended by {said[:_MOST_TEXT]!r}, not by {wanted!r}"


def outcome(session: Session, server: Server, exchange: Exchange) -> str:
    """How the guest's client tells of an exchange that went as planned."""
    match exchange.ask:
        case "cancel":
            return f"{exchange.status} canceled"
        case "abort":
            return f"{exchange.status} reset 2"
        case "call":
            return f"grpc {exchange.status}"
        case "call_cancel":
            return "grpc canceled"
        case "broken":
            return "broken ff 80 10"
        case "reset":
            return f"200 reset {exchange.count} times"
        case "round":
            return "back"
        case "handshake":
            return _handshake(session, server)
        case _:
            return str(exchange.status)


def _handshake(session: Session, server: Server) -> str:
    if session.fate == "good":
        return f"good {server.tls}"
    if session.fate == "no_certificate":
        return "alert 116" if server.tls == "1.3" else "alert 40"
    return _TOLD.get(session.fate, session.fate)


def _times(exchange: Exchange) -> int:
    return 1 if exchange.ask == "reset" else exchange.count


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LATEST


def _from_there(local: Any, session: Session) -> bool:
    """Whether a connection of the session can have come from there.

    Another may have come from there as well: a reset, or a server that closes first, frees the port at once.
    """
    match = _LOCAL.fullmatch(local) if isinstance(local, str) else None
    return match is not None and match[1] == session.source and 0 < int(match[2]) < 65536


def _joined(place: tuple[str, int]) -> str:
    return f"{place[0]}:{place[1]}"


def _impossible(result: Comparison, id_: int, text: str) -> None:
    result.impossible.append(Deviation(id_, text))
