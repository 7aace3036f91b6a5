"""Plans, the truth that follows from them, and reports that do not fit."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness.reports import compare
from labs.harness.traffic import KINDS, MAX_TIMEOUTS, Plan

counts = st.fixed_dictionaries({}, optional={kind: st.integers(0, 12) for kind in KINDS})
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def draw(seed: int = 7, **more: Any) -> Plan:
    return Plan.draw(random.Random(seed), **more)


def report(plan: Plan) -> dict[str, Any]:
    """What an honest guest says when everything went as planned."""
    rows = []
    for number, c in enumerate(plan.connections):
        host = f"[{c.address}]" if ":" in c.address else c.address
        rows.append(
            {
                "id": c.id,
                "errno": c.errno,
                "open": c.open,
                "local": f"{host}:{40000 + number}" if c.established else "",
                "remote": f"{host}:{c.port}",
                "ms": 1.0,
            }
        )
    return {"outcomes": rows, "seconds": 1.0}


def test_it_works() -> None:
    plan = draw(client_close=4, server_close=3, refused=2, timeout=1, half_open=2)
    truth = plan.truth()
    assert truth.closed == {"client_close": 4, "server_close": 3, "refused": 2, "timeout": 1}
    assert truth.established.total() == 9
    assert truth.attempts.total() == 12
    assert truth.open.total() == 2
    assert compare(plan, report(plan)).fits


def test_the_same_seed_is_the_same_plan_and_another_is_another() -> None:
    assert draw(client_close=9) == draw(client_close=9)
    assert draw(client_close=9) != draw(8, client_close=9)


def test_both_families_are_used_unless_one_is_not_wanted() -> None:
    assert {":" in c.address for c in draw(client_close=4).connections} == {True, False}
    assert {":" in c.address for c in draw(client_close=4, ipv6=False).connections} == {False}


def test_the_guest_is_not_told_how_it_ends() -> None:
    sent = draw(overflow=5).fields()
    known = {"id", "kind", "address", "port", "bytes", "source", "mapped", "mptcp"}
    assert set(sent["connections"][0]) == known


def test_a_queue_of_n_takes_one_more_than_n() -> None:
    truth = draw(overflow=7, backlog=3).truth()
    assert [c.outcome for c in truth.connections] == ["queued"] * 4 + ["timeout"] * 3


def test_states_are_those_of_the_clients_socket() -> None:
    plan = draw(refused=2, ipv6=False)
    [port] = plan.truth().ports
    assert plan.truth().states == {("close", "syn_sent", port): 2, ("syn_sent", "close", port): 2}


@pytest.mark.parametrize(
    "wanted", [{"explode": 1}, {"client_close": 2001}, {"refused": -1}, {"timeout": MAX_TIMEOUTS + 1}]
)
def test_more_than_a_guest_can_do_is_refused(wanted: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        draw(**wanted)


@given(counts, st.integers(), st.integers(1, 4), st.booleans())
def test_a_plan_keeps_its_promises(wanted: dict[str, int], seed: int, destinations: int, ipv6: bool) -> None:
    plan = draw(seed, destinations=destinations, ipv6=ipv6, **wanted)
    truth = plan.truth()
    assert len(plan.connections) == sum(wanted.values())
    assert sorted(c.id for c in plan.connections) == list(range(len(plan.connections)))
    assert truth.closed.total() + truth.open.total() == len(plan.connections)
    served = {(listener.address, listener.port) for listener in plan.listeners}
    assert len(served) == len(plan.listeners)
    for c in plan.connections:
        alone = c.kind in ("refused", "timeout", "give_up", "self_connect")
        assert (c.destination in served) == (not alone)
        assert c.established == ("established" in {new for _, new in c.states})
    assert compare(plan, report(plan)).fits


@given(anything)
def test_whatever_a_guest_reports_is_judged_and_never_believed(said: Any) -> None:
    assert not compare(draw(client_close=2), said).fits
    assert not compare(draw(client_close=2), {"outcomes": said}).fits
    assert not compare(draw(client_close=2), {"outcomes": [said, said]}).fits


@given(st.sampled_from(["id", "errno", "local", "remote", "open"]), anything)
def test_nonsense_in_an_outcome_raises_nothing(field: str, value: Any) -> None:
    plan = draw(half_open=2, client_close=1)
    said = report(plan)
    said["outcomes"][0][field] = value
    compare(plan, said)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 99),
        ("id", True),
        ("remote", "10.0.0.1:80"),
        ("local", ""),
        ("local", None),
        ("local", []),
        ("local", {}),
    ],
)
def test_what_cannot_be_is_told_apart(field: str, value: Any) -> None:
    plan = draw(client_close=3)
    said = report(plan)
    said["outcomes"][1][field] = value
    result = compare(plan, said)
    assert (len(result.impossible), len(result.overloaded)) == (1, 0)


@pytest.mark.parametrize(("kind", "may_be"), [("half_open", False), ("client_close", True)])
def test_two_connections_from_one_port_to_one_place_can_only_be_one_after_the_other(
    kind: str, may_be: bool
) -> None:
    plan = draw(**{kind: 2}, ipv6=False)
    said = report(plan)
    said["outcomes"][1]["local"] = said["outcomes"][0]["local"]
    assert compare(plan, said).fits == may_be


def test_what_a_busy_stack_may_do_is_told_apart() -> None:
    plan = draw(client_close=3)
    said = report(plan)
    said["outcomes"][0]["errno"] = "ETIMEDOUT"
    result = compare(plan, said)
    assert [str(deviation) for deviation in result.overloaded] == ["#0 client_close: ETIMEDOUT"]
    assert not result.impossible


def test_who_connects_to_itself_does_it_from_the_port_that_it_connects_to() -> None:
    for c in draw(self_connect=3).connections:
        assert (c.source, c.states[2]) == (c.port, ("syn_recv", "established"))


def test_who_gives_up_was_never_established() -> None:
    truth = draw(give_up=2, client_unread=1).truth()
    assert truth.established.total() == 1
    assert truth.closed == {"give_up": 2, "client_unread": 1}
