"""Order, needs, times and what a check may raise."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labs.harness import manifest, pace
from labs.harness.channel import GuestLost
from labs.harness.checks import CheckFunction, Failed, NotInTime
from labs.harness.events import Text
from labs.harness.manifest import Lab
from labs.harness.runner import OutOfStep, Runner

LAB = manifest.load("services/echo", Path(__file__).with_name("labs"))
NO = Text("不", "no")


def run(
    speaks: CheckFunction, ends: CheckFunction = lambda lab: None, lab: Lab = LAB, **more: Any
) -> tuple[list[Any], list[Any]]:
    told: list[Any] = []
    runner = Runner(
        lab, {"speaks": speaks, "ends": ends}, lambda event, **fields: told.append(fields), **more
    )
    runner.run({"": None})
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


def test_only_leaves_the_others_out() -> None:
    seen, _ = run(lambda lab: None, only=frozenset({"speaks"}))
    assert seen == [("speaks", "running"), ("speaks", "passed")]


def test_lab_toml_and_grader_must_name_the_same_checks() -> None:
    with pytest.raises(OutOfStep, match="lacks \\['ends'\\] and has \\['other'\\]"):
        Runner(LAB, {"speaks": fails, "other": fails}, lambda event, **fields: None).verify()


def run_on_two(**functions: CheckFunction) -> list[dict[str, Any]]:
    """What is told at the end of each check, with the kernels 6.1 and 6.12."""
    told: list[dict[str, Any]] = []
    checks = {"speaks": lambda lab: None, "ends": lambda lab: None, **functions}
    runner = Runner(LAB, checks, lambda event, **fields: told.append(fields))
    runner.run({kernel: SimpleNamespace(kernel=kernel) for kernel in ("6.1", "6.12")})
    return [fields for fields in told if fields["status"] != "running"]


def fails_on_the_newer(lab: Any) -> None:
    if lab.kernel == "6.12":
        raise Failed(tried=NO, saw=Text("见到", "seen"), expected=NO, hint=NO)


def test_a_check_passes_when_it_passes_on_each_kernel() -> None:
    speaks, ends = run_on_two()
    assert (speaks["status"], speaks["kernels"]) == ("passed", {"6.1": "passed", "6.12": "passed"})
    assert ends["status"] == "passed"


def test_a_failure_names_its_kernel() -> None:
    speaks, _ = run_on_two(speaks=fails_on_the_newer)
    assert (speaks["status"], speaks["kernels"]) == ("failed", {"6.1": "passed", "6.12": "failed"})
    assert speaks["failure"]["kernel"] == "6.12"
    assert speaks["failure"]["saw"] == {"zh": "Linux 6.12：见到", "en": "Linux 6.12: seen"}


def test_needs_are_looked_at_kernel_by_kernel() -> None:
    _, ends = run_on_two(speaks=fails_on_the_newer)
    assert (ends["status"], ends["kernels"]) == ("skipped", {"6.1": "passed", "6.12": "skipped"})


def test_on_a_lost_machine_the_rest_is_skipped() -> None:
    def powers_off(lab: Any) -> None:
        if lab.kernel == "6.1":
            raise GuestLost(Text("关机了", "it is off"))

    speaks, ends = run_on_two(speaks=powers_off)
    assert speaks["failure"]["saw"]["en"] == "Linux 6.1: it is off"
    assert ends["kernels"] == {"6.1": "skipped", "6.12": "passed"}
