"""Whose fault it is when a sandbox falls, and that no event of a learner breaks the evidence."""

from __future__ import annotations

from typing import Any

import pytest

from labs.harness import ailing, audit, timeline
from labs.harness.protocol import encode


@pytest.mark.parametrize(
    ("ailments", "said"),
    [
        ({"kube-apiserver": "memory"}, "the API server ran out of memory"),
        ({"grader": "memory"}, "the grader that reads"),
        ({"store": "full"}, "etcd is full"),
        ({"audit": "full"}, "audit log is full"),
        ({"connections": "too many"}, "TCP connections"),
    ],
)
def test_a_limit_that_was_reached_is_the_programs_doing(ailments: dict[str, str], said: str) -> None:
    told = ailing.overload(ailments)
    assert told is not None
    assert said in told.en
    assert "informer" in told.zh


@pytest.mark.parametrize(
    "ailments", [{}, {"apigate": "ended"}, {"pool": "ended"}, {"etcd": "memory", "kube-apiserver": "ended"}]
)
def test_everything_else_is_ours(ailments: dict[str, str]) -> None:
    assert ailing.overload(ailments) is None


@pytest.mark.parametrize(
    "stamp", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"]
)
def test_an_event_of_any_year_has_a_place_in_the_time_line(stamp: str) -> None:
    event: dict[str, Any] = {"lastTimestamp": stamp, "involvedObject": {"kind": "Pod"}, "message": "m"}
    assert timeline._event(event)["source"] == "event"


def entry(uri: str, verb: str = "create") -> audit.Entry:
    raw = {"requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z", "verb": verb, "requestURI": uri}
    return audit._entry(raw | {"userAgent": "x" * 9000})


def test_a_dry_run_is_no_write() -> None:
    assert not entry("/api/v1/pods?fieldManager=me&dryRun=All").writes


@pytest.mark.parametrize(
    "query", ["fieldManager=dryRun=", "fieldManager=dryRun=All", "dryRun=", "x=?dryRun=All"]
)
def test_a_write_that_only_looks_like_a_dry_run_is_a_write(query: str) -> None:
    assert entry(f"/api/v1/pods?{query}").writes


def test_what_a_learner_words_is_kept_short() -> None:
    kept = entry("/api/v1/pods?labelSelector=" + "a" * 9000, "list")
    assert len(kept.uri) + len(kept.user_agent) <= 2 * audit._LONGEST


def test_a_name_that_a_learner_chose_is_cut_in_the_time_line() -> None:
    row = timeline._row(1.0, "audit", "x", "configmaps/default/" + "n" * 4000)
    assert len(row["object"]) == timeline.MAX_TEXT


def test_a_time_line_fits_into_a_message() -> None:
    rows = [timeline._row(float(n), "audit", "\x01" * 400, "\x01" * 400) for n in range(600)]
    kept = timeline._newest(rows)
    assert 0 < len(kept) < 600
    assert kept == rows[-len(kept) :]
    encode({"type": "event", "event": "timeline", "fields": {"entries": kept}})
    few = rows[:3]
    assert timeline._newest(few) == few


def test_a_name_that_a_learner_chose_is_kept_short() -> None:
    raw = {"requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z", "objectRef": {"name": "n" * 9000}}
    assert len(audit._entry(raw).name) == audit._LONGEST
