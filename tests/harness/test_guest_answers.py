"""What a guest passed on reaches a check as what it should be, or as a refusal."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("body", ["[" * 16_000, '{"value": ' + "9" * 400 + "}" + " " * 900, '{"a":' * 100])
def test_a_body_that_would_break_its_reader_is_cut(body: str) -> None:
    [one] = guest({"received": [ROW | {"body": body}]}).received()
    assert body.startswith(one.body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(one.body)


def test_a_command_that_had_to_be_killed_is_refused() -> None:
    assert guest({"code": 1, "late": False}).run("false") == (1, "")
    with pytest.raises(GuestRefused, match="cat /x did not end within 10 s"):
        guest({"code": None, "late": True}).run("cat", "/x")
