"""The life cycle lab's grader on both kernels: the right answers pass, the empty one does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from labs.harness import engine, manifest, submission
from labs.harness.verdict import Verdict

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
LAB = manifest.load("tracers/lifecycle")
# where one is enough: `lastmile prove` runs every right answer on both
ON_ONE = replace(LAB, kernels=("6.12",))


@dataclass(frozen=True)
class Graded:
    verdict: Verdict
    events: list[dict[str, Any]]

    def missed(self) -> list[tuple[str, Any]]:
        return [(row.check, row.failure) for row in self.verdict.checks if row.status != "passed"]


def grade(folder: str, seed: int, lab: manifest.Lab = LAB) -> Graded:
    events: list[dict[str, Any]] = []
    verdict = engine.grade(lab, submission.read_dir(LAB.folder / folder), events.append, seed=seed)
    return Graded(verdict, events)


@pytest.fixture(scope="module")
def solution() -> Graded:
    return grade("solution", seed=1)


def test_it_works(solution: Graded) -> None:
    assert (solution.missed(), solution.verdict.log) == ([], "")
    assert (solution.verdict.verdict, solution.verdict.points) == ("pass", 100)


def test_every_check_ran_on_both_kernels(solution: Graded) -> None:
    assert all(row.kernels == {"6.1": "passed", "6.12": "passed"} for row in solution.verdict.checks)


def test_each_step_tells_what_is_tried_in_both_languages(solution: Graded) -> None:
    steps = [e["text"] for e in solution.events if e["type"] == "step" and e["source"] == "grader"]
    assert len(steps) > len(LAB.checks)
    assert all(step["zh"] and step["en"] for step in steps)


def test_a_program_with_fentry_and_counters_per_processor_passes_too() -> None:
    fentry = grade("solutions/fentry", seed=2, lab=ON_ONE)
    assert (fentry.missed(), fentry.verdict.log) == ([], "")


def test_the_starter_is_refused_by_the_verifier_at_its_own_line() -> None:
    graded = grade("starter", seed=3)
    assert graded.verdict.verdict == "fail"
    first, *others = graded.verdict.checks
    assert first.status == "failed"
    assert {row.status for row in others} == {"skipped"}
    assert first.failure is not None
    assert "bpf/lifecycle.bpf.c" in first.failure["saw"]["en"]
    assert "*count += 1;" in first.failure["saw"]["en"]
    pointed = [e for e in graded.events if e["type"] == "diagnostic" and e["tool"] == "verifier"]
    assert {e["file"] for e in pointed} == {"bpf/lifecycle.bpf.c"}
