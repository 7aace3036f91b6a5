"""What is told of a check when two graders, one for each kernel, are at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labs.harness import manifest
from labs.harness.matrix import Matrix

LAB = manifest.load("services/echo", Path(__file__).with_name("labs"))
FAILURE = {"saw": {"zh": "不", "en": "no"}}


class Told:
    def __init__(self, *kernels: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.matrix = Matrix(LAB, kernels, lambda event, **fields: self.events.append(fields))

    def say(self, kernel: str, status: str, **fields: Any) -> dict[str, Any] | None:
        """The event that comes of it, if any."""
        before = len(self.events)
        self.matrix.take(kernel, {"check": "speaks", "status": status, **fields})
        return self.events[-1] if len(self.events) > before else None


def test_it_works() -> None:
    two = Told("6.1", "6.12")
    assert two.say("6.1", "running") == {
        "check": "speaks",
        "status": "running",
        "kernels": {"6.1": "running", "6.12": "waiting"},
    }
    two.say("6.12", "running")
    standing = two.say("6.1", "passed", seconds=1.0)
    assert standing == {
        "check": "speaks",
        "status": "running",
        "kernels": {"6.1": "passed", "6.12": "running"},
    }
    assert not two.matrix.results
    ended = two.say("6.12", "passed", seconds=2.0)
    assert ended == {
        "check": "speaks",
        "status": "passed",
        "seconds": 2.0,
        "kernels": {"6.1": "passed", "6.12": "passed"},
    }
    assert two.matrix.results["speaks"].points == LAB.check("speaks").points


def test_one_failure_makes_it_failed_and_is_told() -> None:
    two = Told("6.1", "6.12")
    two.say("6.12", "failed", seconds=1.0, failure=FAILURE)
    ended = two.say("6.1", "passed", seconds=3.0)
    assert ended is not None
    assert (ended["status"], ended["failure"]) == ("failed", FAILURE)
    assert two.matrix.results["speaks"].points == 0


def test_the_first_kernel_s_failure_goes_first() -> None:
    two = Told("6.1", "6.12")
    two.say("6.12", "failed", failure={"saw": "newer"})
    ended = two.say("6.1", "failed", failure={"saw": "older"})
    assert ended is not None
    assert ended["failure"] == {"saw": "older"}


def test_a_check_that_only_was_skipped_so_far_does_not_run() -> None:
    two = Told("6.1", "6.12")
    assert two.say("6.1", "skipped") is None
    running = two.say("6.12", "running")
    assert running is not None
    assert running["kernels"] == {"6.1": "skipped", "6.12": "running"}
    ended = two.say("6.12", "passed", seconds=1.0)
    assert ended is not None
    assert ended["status"] == "skipped"


def test_a_lab_without_kernels_has_no_matrix() -> None:
    one = Told("")
    assert one.say("", "running") == {"check": "speaks", "status": "running"}
    assert one.say("", "passed", seconds=0.5) == {"check": "speaks", "status": "passed", "seconds": 0.5}


@given(st.permutations([("6.1", "running"), ("6.1", "end"), ("6.12", "running"), ("6.12", "end")]))
def test_in_whatever_order_there_is_one_result_and_it_comes_last(order: list[tuple[str, str]]) -> None:
    two, ended = Told("6.1", "6.12"), set()
    for kernel, what in order:
        if what == "running" and kernel in ended:
            continue  # a grader does not begin a check that it has ended
        ended |= {kernel} if what == "end" else set()
        two.say(kernel, "passed" if what == "end" else "running", seconds=1.0)
    assert [event["status"] for event in two.events].count("passed") == 1
    assert two.events[-1]["status"] == "passed"
