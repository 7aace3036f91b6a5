"""What a guest passed on reaches a check as what it should be, or as a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from labs.harness.channel import GuestRefused
from labs.harness.guest import Guest

ROW = {"at": 1.5, "method": "POST", "path": "/", "headers": {"A": ["b"]}, "body": "x", "answered": 204}


def guest(answer: dict[str, Any]) -> Guest:
    return Guest("6.1", lambda do, args, timeout: (answer, b""))


def test_it_works() -> None:
    [one] = guest({"received": [ROW]}).received()
    assert (one.at, one.headers, one.answered) == (1.5, {"a": "b"}, 204)
    assert guest({"received": None}).received() == ()
    assert guest({"pid": 7}).worker() == 7


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"received": 5},
        {"received": [5]},
        {"received": [{"headers": {}}]},
        {"received": [ROW | {"headers": []}]},
        {"received": [ROW | {"headers": {"a": []}}]},
        {"received": [ROW | {"at": "soon"}]},
        {"received": [ROW | {"at": "nan"}]},
        {"received": [ROW | {"at": 10**400}]},
        {"received": [ROW | {"answered": float("inf")}]},
    ],
)
def test_what_makes_no_sense_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(GuestRefused, match="makes no sense"):
        guest(answer).received()


@pytest.mark.parametrize("answer", [{}, {"pid": "x"}, {"pid": None}, {"pid": float("inf")}])
def test_a_worker_without_a_number_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(GuestRefused, match="makes no sense"):
        guest(answer).worker()
