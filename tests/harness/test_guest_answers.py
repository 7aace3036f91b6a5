"""What a guest passed on reaches a check as what it should be, or as a refusal."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from labs.harness import guest as looking
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


def clock(*said: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> Guest:
    """A guest whose clock says so, `seconds` of the host's apart."""
    answers, now = iter(said), iter(seconds * n for n in range(9))
    monkeypatch.setattr(looking, "time", SimpleNamespace(monotonic=lambda: next(now)))
    return Guest("6.1", lambda *_: ({"code": 0, "late": False}, next(answers).encode()))


@pytest.mark.parametrize("said", ["", "nan 0.00\n", "inf 1.00\n", "-1.00 0.00\n", "12.00\n", "1e9 0.0\n"])
def test_a_clock_that_is_none_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GuestRefused, match="its clock says"):
        clock(said, seconds=1.0, monkeypatch=monkeypatch).run("cat", "/proc/uptime")


def test_a_clock_may_be_slow_and_does_not_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = clock("5.00 0.00\n", "5.10 0.00\n", "6.10 0.00\n", seconds=1.0, monkeypatch=monkeypatch)
    assert [steady.run("cat", "/proc/uptime")[0] for _ in range(3)] == [0, 0, 0]
    for second in ("4.99 0.00\n", "99999.00 0.00\n"):
        jumps = clock("5.00 0.00\n", second, seconds=1.0, monkeypatch=monkeypatch)
        jumps.run("cat", "/proc/uptime")
        with pytest.raises(GuestRefused, match="its clock went from 5"):
            jumps.run("cat", "/proc/uptime")
