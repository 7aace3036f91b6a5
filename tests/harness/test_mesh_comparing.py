"""Reports of a mesh that do not fit: load is told apart from lies."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness.mesh import Exchange, MeshPlan, Server, Session
from labs.harness.mesh.comparing import compare, outcome

CLIENT, POD = "10.244.0.1", "10.244.3.7"
WEB, TLS = Server(POD, 8080, "h2c"), Server(POD, 8450, "tls", mutual=True)
SILENT, MADE = Server(POD, 8452, "silent"), Server(POD, 8081, "made")
PLAN = MeshPlan(
    (WEB, TLS, SILENT, MADE),
    (
        Session(
            1,
            "h2",
            CLIENT,
            WEB.place,
            (Exchange("status", 503, count=3), Exchange("cancel"), Exchange("abort")),
        ),
        Session(2, "tls", CLIENT, TLS.place, (Exchange("handshake", count=2),), fate="no_certificate"),
        Session(3, "framer", CLIENT, WEB.place, (Exchange("reset", 8, count=12),)),
        Session(4, "tls", CLIENT, TLS.place, (Exchange("handshake"),)),
        Session(5, "tls", CLIENT, SILENT.place, (Exchange("handshake"),), fate="stuck", keep=True),
        Session(6, "framer", CLIENT, MADE.place, (Exchange("broken"), Exchange("padded", 503))),
    ),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def report(plan: MeshPlan = PLAN) -> dict[str, Any]:
    """What an honest guest says when everything went as planned."""
    sessions, port = [], 40_000
    for session in plan.sessions:
        rows = []
        for number, exchange in enumerate(session.exchanges):
            for _ in range(1 if exchange.ask == "reset" else exchange.count):
                said = outcome(session, plan.server(session.server), exchange)
                if session.kind == "tls":
                    said, port = f"{session.source}:{port} {said}", port + 1
                rows.append({"exchange": number, "at": 11.0, "said": said})
        local, port = ("" if session.kind == "tls" else f"{session.source}:{port}"), port + 1
        remote = f"{session.server[0]}:{session.server[1]}"
        sessions.append({"id": session.id, "local": local, "remote": remote, "rows": rows})
    return {"begun": 10.0, "ended": 12.0, "sessions": sessions}


def test_it_works() -> None:
    assert compare(PLAN, report()).fits


Change = Callable[[dict[str, Any]], Any]


def _row(session: int, row: int, **change: Any) -> Change:
    return lambda told: told["sessions"][session]["rows"][row].update(change)


def _session(session: int, **change: Any) -> Change:
    return lambda told: told["sessions"][session].update(change)


@pytest.mark.parametrize(
    "change",
    [
        _row(0, 0, said="failed: context deadline exceeded"),
        _row(1, 0, said="failed: connection reset by peer"),
        _row(1, 0, said="10.244.0.1:49000 silent"),
        _session(2, failed="connect: connection refused", local="", rows=[]),
    ],
)
def test_what_load_can_do_is_overload(change: Change) -> None:
    told = report()
    change(told)
    result = compare(PLAN, told)
    assert (len(result.overloaded), result.impossible) == (1, [])


@pytest.mark.parametrize(
    "change",
    [
        _row(0, 0, said="200"),
        _row(0, 3, said="200"),
        _row(0, 4, said="200 reset 8"),
        _row(1, 0, said="10.244.0.1:49000 good 1.3"),
        _row(1, 0, said="10.244.0.2:49000 alert 116"),
        _row(1, 0, said="alert 116"),
        _row(2, 0, said="200 reset 11 times"),
        _row(0, 0, exchange=7),
        _row(0, 0, exchange=1),
        _row(0, 0, exchange=True),
        _row(0, 0, exchange="0"),
        _row(0, 0, at=9.9),
        _row(0, 0, at=12.1),
        _row(0, 0, at=float("nan")),
        _row(0, 0, at=10**400),
        _row(0, 0, at="11"),
        _row(0, 0, said=503),
        _session(0, remote="10.244.3.7:8081"),
        _session(0, local="10.244.0.2:40000"),
        _session(0, local="10.244.0.1:0"),
        _session(0, local="10.244.0.1:99999"),
        _session(0, local=None),
        _session(0, id=9),
        _session(0, rows=None),
        lambda told: told["sessions"][0]["rows"].pop(),
        lambda told: told["sessions"][0]["rows"].append(copy.deepcopy(told["sessions"][0]["rows"][0])),
        lambda told: told["sessions"].pop(),
        lambda told: told["sessions"].reverse(),
        lambda told: told.update(begun=13.0),
        lambda told: told.update(ended=10**400),
        lambda told: told.update(ended=None),
        lambda told: told.update(sessions="four"),
    ],
)
def test_what_no_execution_gives_is_impossible(change: Change) -> None:
    told = report()
    change(told)
    result = compare(PLAN, told)
    assert result.impossible
    assert not result.fits


@pytest.mark.parametrize(
    "change", [_row(1, 0, said="10.244.0.1:40002 alert 116"), _session(2, local="10.244.0.1:40000")]
)
def test_a_port_may_serve_two_sessions_one_after_the_other(change: Change) -> None:
    told = report()
    change(told)
    assert compare(PLAN, told).fits


@given(anything)
def test_nonsense_is_never_a_fit(told: Any) -> None:
    assert not compare(PLAN, told).fits


@given(st.sampled_from(["begun", "ended", "sessions"]), anything)
def test_nonsense_in_a_field_raises_nothing(name: str, value: Any) -> None:
    compare(PLAN, {**report(), name: value})


@given(st.sampled_from(["id", "local", "remote", "rows", "failed"]), anything)
def test_nonsense_in_a_session_raises_nothing(name: str, value: Any) -> None:
    told = report()
    told["sessions"][0][name] = value
    compare(PLAN, told)


@given(st.sampled_from(["exchange", "at", "said"]), anything)
def test_nonsense_in_a_row_raises_nothing(name: str, value: Any) -> None:
    told = report()
    told["sessions"][1]["rows"][0][name] = value
    compare(PLAN, told)
