"""What a learner is told when a mesh's traffic did not come about."""

from __future__ import annotations

from typing import Any

import pytest

from labs.harness.checks import Failed
from labs.harness.guest import Guest, GuestRefused
from labs.harness.mesh.carrying import carry_out
from tests.harness.test_mesh_comparing import PLAN, report


def guest(answer: Any) -> Guest:
    """A guest whose agent answers so."""

    def ask(operation: str, args: dict[str, Any], timeout: float) -> tuple[dict[str, Any], bytes]:
        assert operation == "mesh_do"
        assert set(args["plan"]) >= {"servers", "sessions", "parallel"}
        assert timeout == PLAN.seconds
        if isinstance(answer, Exception):
            raise answer
        return answer, b""

    return Guest("6.12", ask)


def failure(answer: Any) -> Failed:
    with pytest.raises(Failed) as caught:
        carry_out(guest(answer), PLAN)
    return caught.value


def test_it_works() -> None:
    assert carry_out(guest(report()), PLAN) == report()


def test_load_and_lies_are_told_apart() -> None:
    slow, forged = report(), report()
    slow["sessions"][0]["rows"][0]["said"] = "failed: deadline exceeded"
    forged["sessions"][0]["rows"][0]["said"] = "200"
    assert "1 did not go as planned:\n  #1 h2 status: deadline exceeded" in str(failure(slow).saw.en)
    assert "must not disturb" in str(failure(slow).hint)
    assert "the machine reports what cannot be" in str(failure(forged).saw.en)
    assert "plan that the host keeps" in str(failure(forged).hint)


def test_a_program_that_was_killed_is_told_of() -> None:
    told = failure(GuestRefused("the mesh has ended: EOF"))
    assert "the mesh has ended" in told.saw.en
    assert "没有完成" in told.saw.zh
