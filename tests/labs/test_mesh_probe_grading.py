"""What the mesh probe's grader makes of plans, pages and calls, without a machine."""

from __future__ import annotations

import ipaddress
import json
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from labs.harness.checks import Failed
from labs.harness.exposition import parse
from labs.harness.guest import Received
from labs.harness.mesh import Exchange, MeshPlan, Server, Session
from labs.tracers.mesh_probe.grading import calls, clues, ledger, plans, tls
from labs.tracers.mesh_probe.grading.ledger import (
    ALERTS,
    ERRORS,
    FAILURES,
    RESETS,
    RESPONSES,
    UNDECODABLE,
    Counts,
)
from labs.tracers.mesh_probe.grading.network import Network
from labs.tracers.mesh_probe.grading.world import WINDOW, Seen, World

A = Server("10.20.3.4", 21000, "h2c")
PLACE = "10.20.3.4:21000"


def world(seed: int = 7) -> World:
    return World(cast("Any", SimpleNamespace(random=random.Random(seed), metrics="")))


def plan(*exchanges: Exchange, kind: str = "h2", server: Server = A, **more: Any) -> MeshPlan:
    session = Session(1, cast("Any", kind), "192.168.1.2", server.place, exchanges, **more)
    return MeshPlan((server,), (session,))


def counted(made: MeshPlan) -> Counts:
    return ledger.expected(made, made.truth())


def received(body: object, **more: Any) -> Received:
    text = body if isinstance(body, str) else json.dumps(body)
    given = {"method": "POST", "path": "/hook", "headers": {"content-type": "application/json"}, **more}
    return Received(at=1.0, body=text, answered=204, **given)


GOOD = {"kind": "reset_streams", "dst": PLACE, "value": 3, "window_seconds": WINDOW}


def heard(one: Received) -> list[calls.Call]:
    lab = SimpleNamespace(guest=SimpleNamespace(received=lambda since=0: (one,)))
    return calls.new(cast("Any", SimpleNamespace(lab=lab, window=WINDOW)), 0)


def test_it_works() -> None:
    made = plan(Exchange("status", 503, 4), Exchange("status", 500), Exchange("status", 200, 2))
    assert counted(made) == {
        (RESPONSES, PLACE): 7,
        (ERRORS, PLACE, "503"): 4,
        (ERRORS, PLACE, "500"): 1,
    }


def test_four_errors_are_not_exported() -> None:
    assert counted(plan(Exchange("status", 503, 4))) == {(RESPONSES, PLACE): 4}


def test_what_is_from_before_the_probe_is_not_decoded() -> None:
    made = plan(Exchange("status", 503, 6), Exchange("abort", 200, 2))
    assert ledger.expected(made, made.truth(), old={1}) == {}


def test_resets_have_their_sender_and_code() -> None:
    made = counted(plan(Exchange("abort", 200, 2), Exchange("cancel", 200, 3)))
    assert Counter({key: n for key, n in made.items() if key[0] == RESETS}) == {
        (RESETS, PLACE, "server", "INTERNAL_ERROR"): 2,
        (RESETS, PLACE, "client", "CANCEL"): 3,
    }


@pytest.mark.parametrize(
    ("kind", "version", "fate", "wanted"),
    [
        ("tls", "1.2", "good", {}),
        ("tls", "1.3", "good", {}),
        (
            "tls",
            "1.2",
            "distrust",
            {(FAILURES, PLACE, "1.2", "bad_certificate"): 1, (ALERTS, "bad_certificate"): 1},
        ),
        ("tls", "1.3", "distrust", {(ALERTS, "bad_certificate"): 1}),
        ("openssl", "1.2", "distrust", {(FAILURES, PLACE, "1.2", "unknown_ca"): 1}),
        ("openssl", "1.3", "distrust", {}),
        (
            "openssl",
            "1.3",
            "no_version",
            {(FAILURES, PLACE, "none", "protocol_version"): 1, (ALERTS, "protocol_version"): 1},
        ),
    ],
)
def test_a_handshake_is_counted_where_it_can_be_seen(
    kind: str, version: str, fate: str, wanted: Counts
) -> None:
    server = Server(A.address, A.port, "tls", tls=cast("Any", version))
    assert counted(plan(Exchange("handshake"), kind=kind, server=server, fate=fate)) == wanted


def test_a_connection_is_given_up_at_the_block_that_cannot_be_decoded() -> None:
    odd = Server(A.address, A.port, "made")
    asked = (Exchange("padded", 503, 2), Exchange("broken"), Exchange("padded", 503, 6))
    made = plan(*asked, kind="framer", server=odd)
    wanted = counted(made)
    assert wanted == {(RESPONSES, PLACE): 2, (UNDECODABLE, PLACE, "gap"): 1}
    goes_on = Seen(made, made.truth(), Counter({(RESPONSES, PLACE): 8, (ERRORS, PLACE, "503"): 8}), wanted)
    assert "refers to an entry" in clues.clue(goes_on.wrong(), goes_on).en
    too_much = Counter({**wanted, (RESPONSES, PLACE): 8})
    counts_on = Seen(made, made.truth(), too_much, wanted)
    assert "6 responses after that" in clues.clue(counts_on.wrong(), counts_on).en


def test_who_is_stuck_gets_no_hello() -> None:
    server = Server(A.address, A.port, "silent")
    made = counted(plan(Exchange("handshake"), kind="tls", server=server, fate="stuck", keep=True))
    assert made == {(FAILURES, PLACE, "none", "no_server_hello"): 1}


def test_the_clue_tells_silence_that_was_missed_from_silence_told_twice() -> None:
    server = Server(A.address, A.port, "silent")
    made = plan(Exchange("handshake"), kind="tls", server=server, fate="stuck", keep=True)
    wanted = counted(made)
    missed = Seen(made, made.truth(), Counter(), wanted)
    assert "No packet will remind you" in clues.clue(missed.wrong(), missed).en
    twice = Seen(made, made.truth(), Counter(dict.fromkeys(wanted, 2)), wanted)
    assert "not counted again" in clues.clue(twice.wrong(), twice).en


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_hanging_leaves_nothing_when_it_ends(seed: int) -> None:
    stays, ends = plans.hanging(world(seed))
    places = [f"{server.address}:{server.port}" for server in ends.servers]
    assert counted(stays) == {(FAILURES, places[0], "none", "no_server_hello"): 1}
    assert counted(ends) == {(FAILURES, places[1], "none", "no_server_hello"): 1}


def test_a_server_that_leaves_gave_no_hello() -> None:
    server = Server(A.address, A.port, "closing")
    made = counted(plan(Exchange("handshake", count=2), kind="tls", server=server, fate="closing"))
    assert made == {(FAILURES, PLACE, "none", "no_server_hello"): 2}


def test_counters_are_compared_by_growth_and_gauges_as_they_are() -> None:
    before = Counter({(RESPONSES, PLACE): 4, (ERRORS, PLACE, "503"): 6})
    now = Counter({(RESPONSES, PLACE): 9, (ERRORS, PLACE, "503"): 7})
    assert ledger.grown(before, now) == {(RESPONSES, PLACE): 5, (ERRORS, PLACE, "503"): 7}


def test_failures_of_1_3_are_not_looked_at() -> None:
    page = parse(
        f'# TYPE {FAILURES} counter\n{FAILURES}{{dst="{PLACE}",version="1.3",reason="alert"}} 3\n'.encode()
    )
    assert ledger.counts_of(page) == {}


@pytest.mark.parametrize("seed", range(20))
def test_addresses_are_where_the_rules_say(seed: int) -> None:
    network = Network(random.Random(seed))
    pod, stranger = (ipaddress.IPv4Address(text) for text in (network.pod(), network.stranger()))
    first, last, beyond = (ipaddress.IPv4Address(text) for text in network.edges())
    assert pod in network.pods
    assert pod not in network.excepted
    assert network.single.subnet_of(network.excepted)
    assert first in network.uneven
    assert last in network.uneven
    assert not any(address in net for address in (stranger, beyond) for net in (network.pods, network.uneven))
    assert sorted(network.cidrs.replace("!", "").split(",")) == sorted(network.rules)


@pytest.mark.parametrize("seed", range(10))
def test_every_plan_can_be_carried_out(seed: int) -> None:
    """The constructor of MeshPlan refuses what the guest would."""
    made = world(seed)
    for draw in (plans.standing, plans.first, plans.frames, plans.nonsense, plans.disorder, plans.handshakes):
        assert draw(made).sessions


@pytest.mark.parametrize("seed", range(10))
def test_every_server_of_the_first_plan_has_enough_to_export(seed: int) -> None:
    made = plans.first(world(seed))
    sums: Counter[str] = Counter()
    for series, count in counted(made).items():
        if series[0] == ERRORS:
            sums[series[1]] += count
    assert len(sums) == 3  # gRPC has none


def test_a_call_is_read() -> None:
    assert heard(received(GOOD)) == [calls.Call(1.0, "reset_streams", PLACE, 3.0)]


@pytest.mark.parametrize(
    "wrong",
    [
        received(GOOD, method="GET"),
        received(GOOD, headers={"content-type": "text/plain"}),
        received("not JSON"),
        received([GOOD]),
        received({**GOOD, "more": 1}),
        received({**GOOD, "value": "3"}),
        received({**GOOD, "value": True}),
        received({**GOOD, "window_seconds": WINDOW + 1}),
        received({**GOOD, "kind": "resets"}),
    ],
)
def test_a_call_that_is_not_the_contracts_is_told(wrong: Received) -> None:
    with pytest.raises(Failed):
        heard(wrong)


def test_the_clue_names_what_is_missing() -> None:
    made = plan(Exchange("status", 503, 6))
    wanted = counted(made)
    seen = Seen(made, made.truth(), Counter({(RESPONSES, PLACE): 6}), wanted)
    assert "status=503" in clues.clue(seen.wrong(), seen).en
    nothing = Seen(made, made.truth(), Counter(), wanted)
    assert "Nothing was counted" in clues.clue(nothing.wrong(), nothing).en


def test_the_clue_knows_a_client_for_a_client() -> None:
    made = plan(Exchange("status", 503, 6))
    strange = Counter({**counted(made), (RESPONSES, "192.168.1.2:40000"): 6})
    seen = Seen(made, made.truth(), strange, counted(made))
    assert "is no server" in clues.clue(seen.wrong(), seen).en


def test_a_series_is_named_as_on_the_page() -> None:
    series = (FAILURES, PLACE, "none", "no_server_hello")
    assert ledger.name(series) == f'{FAILURES}{{dst="{PLACE}",version="none",reason="no_server_hello"}}'


def test_only_a_surplus_of_alerts_may_be_the_uprobe_s_own() -> None:
    server = Server(A.address, A.port, "tls", tls="1.3")
    made = plan(Exchange("handshake", count=3), kind="tls", server=server, fate="distrust")
    wanted, alert = counted(made), (ALERTS, "bad_certificate")

    def surplus(**counts: int) -> bool:
        return tls._surplus(Seen(made, made.truth(), Counter({**wanted, alert: counts["n"]}), wanted))

    assert [surplus(n=n) for n in (2, 3, 4)] == [False, False, True]
