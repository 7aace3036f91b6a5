"""Order, needs, times and what a check may raise."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from labs.harness import manifest, pace
from labs.harness.channel import GuestLost
from labs.harness.checks import CheckFunction, Failed, NotInTime
from labs.harness.events import Text
from labs.harness.manifest import Lab
from labs.harness.runner import OutOfStep, Runner, Starved

LAB = manifest.load("services/echo", Path(__file__).with_name("labs"))
NO = Text("不", "no")


def run(
    speaks: CheckFunction, ends: CheckFunction = lambda lab: None, lab: Lab = LAB, **more: Any
) -> tuple[list[Any], list[Any]]:
    told: list[Any] = []
    runner = Runner(
        lab, {"speaks": speaks, "ends": ends}, lambda event, **fields: told.append(fields), **more
    )
    runner.run(None)
    return [(fields["check"], fields["status"]) for fields in told], told


def fails(lab: object) -> None:
    raise Failed(tried=NO, saw=NO, expected=NO, hint=NO)


def test_it_works() -> None:
    seen, _ = run(lambda lab: None)
    assert seen == [("speaks", "running"), ("speaks", "passed"), ("ends", "running"), ("ends", "passed")]


def test_what_needs_a_failed_check_is_skipped() -> None:
    seen, _ = run(fails)
    assert seen == [("speaks", "running"), ("speaks", "failed"), ("ends", "skipped")]


def test_a_wait_that_ran_out_has_failed() -> None:
    def late(lab: object) -> None:
        raise NotInTime(Text("没来", "it did not come"))

    _, told = run(late)
    assert told[1]["failure"]["saw"] == {"zh": "没来", "en": "it did not come"}
    assert told[1]["failure"]["expected"]["en"] == "Prints ready"


def test_any_other_exception_goes_up() -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda lab: 1 / 0)  # type: ignore[arg-type, return-value]


def test_a_check_that_catches_everything_is_stopped_too() -> None:
    def stubborn(lab: object) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                time.sleep(20)
            except Exception:  # noqa: BLE001  the point of the test
                pass

    hurried = dataclasses.replace(
        LAB, checks=(dataclasses.replace(LAB.checks[0], timeout=0.2), LAB.checks[1])
    )
    begun = time.monotonic()
    seen, told = run(stubborn, lab=hurried)
    assert time.monotonic() - begun < 5
    assert seen[1] == ("speaks", "failed")
    assert "0.2 s" in told[1]["failure"]["saw"]["en"]


def test_after_the_deadline_the_rest_is_skipped() -> None:
    seen, _ = run(lambda lab: None, deadline=pace.now() - 1)
    assert seen == [("speaks", "skipped"), ("ends", "skipped")]


def test_a_machine_too_busy_to_judge_on_is_ours() -> None:
    """By the run's own clock there is time left, and by the wall's there is none."""
    with pytest.raises(Starved, match="speaks did not get its turn"):
        run(lambda lab: None, latest=time.monotonic() - 1)
    begun = time.monotonic()
    with pytest.raises(Starved, match="speaks was not done"):
        run(lambda lab: time.sleep(20), latest=time.monotonic() + 0.2)
    assert time.monotonic() - begun < 5


def test_what_a_late_check_left_undone_is_awaited_before_the_next() -> None:
    told: list[str] = []

    def settle(seconds: float) -> None:
        told.append("settled")
        assert 0 < seconds <= 60

    hurried = dataclasses.replace(
        LAB, checks=tuple(dataclasses.replace(one, timeout=0.2, needs=()) for one in LAB.checks)
    )
    run(
        lambda lab: time.sleep(20),
        lambda lab: told.append("ends"),
        hurried,
        settle=settle,
        latest=time.monotonic() + 60,
    )
    assert told == ["settled", "ends"]


def test_only_leaves_the_others_out() -> None:
    seen, _ = run(lambda lab: None, only=frozenset({"speaks"}))
    assert seen == [("speaks", "running"), ("speaks", "passed")]


def test_lab_toml_and_grader_must_name_the_same_checks() -> None:
    with pytest.raises(OutOfStep, match="lacks \\['ends'\\] and has \\['other'\\]"):
        Runner(LAB, {"speaks": fails, "other": fails}, lambda event, **fields: None).verify()


def on_the_newer(speaks: CheckFunction) -> list[dict[str, Any]]:
    """What is told at the end of each check, on the kernel 6.12."""
    _, told = run(speaks, kernel="6.12")
    return [fields for fields in told if fields["status"] != "running"]


def test_a_failure_names_its_kernel() -> None:
    speaks, _ = on_the_newer(fails)
    assert speaks["failure"]["kernel"] == "6.12"
    assert speaks["failure"]["saw"] == {"zh": "Linux 6.12：不", "en": "Linux 6.12: no"}


def test_on_a_lost_machine_the_rest_is_skipped() -> None:
    def powers_off(lab: Any) -> None:
        raise GuestLost(Text("关机了", "it is off"))

    without_needs = dataclasses.replace(
        LAB, checks=(LAB.checks[0], dataclasses.replace(LAB.checks[1], needs=()))
    )
    seen, told = run(powers_off, lab=without_needs, kernel="6.1")
    assert seen == [("speaks", "running"), ("speaks", "failed"), ("ends", "skipped")]
    assert told[1]["failure"]["saw"]["en"] == "Linux 6.1: it is off"
