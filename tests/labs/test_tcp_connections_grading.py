"""What the TCP tracer's grader makes of plans and pages, without a machine."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from labs.harness.exposition import parse
from labs.harness.traffic import Connection
from labs.tracers.tcp_connections.grading import clues, ledger, plans
from labs.tracers.tcp_connections.grading.ledger import CLOSED, CONN, Counts

A = "127.0.0.2:20001"


def connection(kind: str, *, address: str = "127.0.0.2", port: int = 20001, source: int = 0) -> Connection:
    return Connection(0, kind, address, port, 0, kind, source)  # type: ignore[arg-type]


def counted(kind: str, source: int = 0) -> Counts:
    return ledger.expected([connection(kind, source=source)])


def off_by(grown: Counts, wanted: Counts, scrapes: int) -> ledger.Difference:
    return ledger.difference(ledger.compared(grown, wanted, scrapes))


def draft(seed: int = 7) -> plans.Draft:
    source = random.Random(seed)
    return plans.Draft(source, plans.ports(source))


def test_it_works() -> None:
    assert counted("client_close", source=20500) == {
        (CONN, "syn_sent", A): 1,
        (CONN, "established", A): 1,
        (CONN, "accepted", A): 1,
        (CLOSED, "local", "20500"): 1,
        (CLOSED, "remote", "20001"): 1,
    }


@pytest.mark.parametrize(
    ("kind", "client", "server"),
    [
        ("server_close", "remote", "local"),
        ("client_reset", "aborted", "reset"),
        ("server_reset", "reset", "aborted"),
        ("client_unread", "aborted", "reset"),
        ("refused", "refused", ""),
        ("timeout", "timeout", ""),
        ("give_up", "aborted", ""),
    ],
)
def test_each_end_has_its_reason_on_either_side(kind: str, client: str, server: str) -> None:
    closed = Counter({key: n for key, n in counted(kind).items() if key[0] == CLOSED})
    wanted = Counter({(CLOSED, client, "ephemeral"): 1})
    if server:
        wanted[CLOSED, server, "20001"] = 1
    assert closed == wanted


def test_who_connects_to_itself_is_one_socket() -> None:
    own = ledger.expected([connection("self_connect", source=20001)])
    assert own == {
        (CONN, "syn_sent", A): 1,
        (CONN, "established", A): 1,
        (CLOSED, "local", "20001"): 1,
    }


def test_what_stands_is_closed_only_when_it_is_released() -> None:
    held = [connection("half_open"), connection("queued", port=20002)]
    assert not [key for key in ledger.expected(held) if key[0] == CLOSED]
    assert ledger.released(held) == {
        (CLOSED, ledger.EITHER, "ephemeral"): 1,
        (CLOSED, ledger.EITHER, "20001"): 1,
        (CLOSED, "reset", "ephemeral"): 1,
        (CLOSED, "aborted", "20002"): 1,
    }


def test_ipv6_is_in_brackets() -> None:
    assert ledger.destination("::1", 80) == "[::1]:80"


def test_what_scrapes_add_is_no_difference_and_nothing_else_is_forgiven() -> None:
    wanted = counted("client_close", source=20500)
    scrape = Counter(
        {
            (CONN, "syn_sent", ledger.SCRAPED): 1,
            (CONN, "accepted", ledger.SCRAPED): 1,
            (CLOSED, "local", "9435"): 1,
            (CLOSED, "remote", "ephemeral"): 1,
        }
    )
    assert not off_by(wanted + scrape, wanted, scrapes=1)
    assert off_by(wanted + scrape, wanted, scrapes=0).surplus.total() == 1
    stray: Counts = Counter({(CONN, "syn_sent", "127.0.0.9:1"): 1})
    assert off_by(wanted + stray, wanted, scrapes=9).surplus == stray
    assert off_by(wanted - Counter({(CONN, "accepted", A): 1}), wanted, scrapes=9).missing.total() == 1


def test_what_is_shown_is_without_what_scrapes_add() -> None:
    wanted = counted("client_close", source=20500)
    scrape = Counter({(CLOSED, "local", "9435"): 1, (CLOSED, "remote", "ephemeral"): 1})
    shown = ledger.compared(wanted + scrape, wanted, 1)
    assert shown == {series: (count, count) for series, count in wanted.items()}


def test_a_series_that_fell_is_a_difference() -> None:
    grown: Counts = Counter({(CONN, "syn_sent", A): -3})
    assert "fell" in clues.clue(off_by(grown, Counter(), 0), grown, 0).en


@pytest.mark.parametrize(
    ("seen", "wanted", "words"),
    [
        ({}, {(CONN, "syn_sent", A): 2}, "Nothing grew"),
        ({(CONN, "syn_sent", "127.0.0.2:8526"): 1}, {(CONN, "syn_sent", A): 1}, "bytes swapped"),
        ({(CONN, "syn_sent", "[::ffff:127.0.0.2]:20001"): 1}, {(CONN, "syn_sent", A): 1}, "netip.Addr.Unmap"),
        ({(CONN, "syn_sent", A): 6}, {(CONN, "syn_sent", A): 3}, "MPTCP"),
        ({(CLOSED, "aborted", "20001"): 2}, {(CLOSED, "reset", "20001"): 2}, "ECONNRESET or EPIPE"),
        ({(CLOSED, "local", "0"): 2}, {(CLOSED, "local", "20001"): 2}, "inet_sport"),
        ({(CLOSED, "local", "40000"): 2}, {(CLOSED, "reset", "ephemeral"): 2}, "from 32768"),
        ({(CONN, "accepted", A): 1}, {(CONN, "established", A): 1}, "how the socket began"),
        ({(CONN, "accepted", "127.0.0.1:40000"): 1}, {(CONN, "accepted", A): 1}, "a client's own end"),
    ],
)
def test_the_clue_fits_what_is_off(seen: Counts, wanted: Counts, words: str) -> None:
    off = off_by(Counter(seen), Counter(wanted), 0)
    told = clues.clue(off, Counter(seen), 0)
    assert words in told.en
    assert told.zh


def test_missed_runs_are_told_when_nothing_else_explains_it() -> None:
    wanted: Counts = Counter({(CONN, "syn_sent", A): 9})
    seen: Counts = Counter({(CONN, "syn_sent", A): 7})
    assert "recursion_misses" in clues.clue(off_by(seen, wanted, 0), seen, 2).en


def test_a_page_is_read_by_its_labels_alone() -> None:
    page = parse(
        b"# TYPE tcp_conn_total counter\n"
        b'tcp_conn_total{dst="127.0.0.2:20001",state="accepted"} 3\n'
        b'tcp_conn_total{dst="x",state="accepted",more="y"} 5\n'
        b"# TYPE tcp_tracer_lost_total counter\ntcp_tracer_lost_total 4\n"
    )
    assert ledger.counts_of(page) == {(CONN, "accepted", A): 3}
    assert ledger.lost_of(page) == 4
    assert ledger.lost_of(parse(b"")) is None


@pytest.mark.parametrize("seed", range(20))
def test_no_port_is_used_for_two_purposes_and_the_bounds_are_kept_until_the_scan(seed: int) -> None:
    one = draft(seed)
    drawn = [
        make(plans.Draft(one.random, one.ports))
        for make in (plans.standing, plans.little, plans.first, plans.families, plans.errors, plans.little,
                     plans.queue, plans.others, plans.little)
    ]  # fmt: skip
    drawn.append(plans.burst(plans.Draft(one.random, one.ports), 1000))
    listening = [listener.port for plan in drawn for listener in plan.listeners]
    assert len(set(listening)) == len(listening)
    connections = [c for plan in drawn for c in plan.connections]
    assert len({ledger.destination(*c.destination) for c in connections}) < ledger.MOST_DESTINATIONS // 2
    labels = {
        key[2] for key in ledger.expected(connections) + ledger.released(connections) if key[0] == CLOSED
    }
    assert len(labels) < ledger.MOST_PORTS
    assert sum(len(plan.connections) for plan in drawn[-1:]) == 1000


def test_a_scan_goes_beyond_both_bounds() -> None:
    counts = ledger.expected(plans.scan(draft(), 130, 70).connections)
    assert len({key[2] for key in counts if key[0] == CONN}) == 130
    assert len({key[2] for key in counts if key[0] == CLOSED} - {"ephemeral"}) == 70


def test_a_queue_takes_one_more_than_its_backlog() -> None:
    kinds = [c.outcome for c in plans.queue(draft()).connections if c.kind == "overflow"]
    assert kinds[: plans.BACKLOG + 1] == ["queued"] * (plans.BACKLOG + 1)
    assert set(kinds[plans.BACKLOG + 1 :]) == {"timeout"}


def test_from_one_port_to_one_place_there_is_one_connection() -> None:
    for make in (plans.first, plans.errors):
        pairs = [(c.source, c.destination) for c in make(draft()).connections if c.source]
        assert pairs
        assert len(set(pairs)) == len(pairs)
