"""The mesh probe's grader on both kernels: the right answers pass, the empty one does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from labs.harness import engine, manifest, submission
from labs.harness.verdict import Verdict

pytestmark = pytest.mark.system
LAB = manifest.load("tracers/mesh_probe")


@dataclass(frozen=True)
class Graded:
    verdict: Verdict
    events: list[dict[str, Any]]

    def missed(self) -> list[tuple[str, Any]]:
        return [(row.check, row.failure) for row in self.verdict.checks if row.status != "passed"]


def grade(folder: str, seed: int) -> Graded:
    events: list[dict[str, Any]] = []
    verdict = engine.grade(LAB, submission.read_dir(LAB.folder / folder), events.append, seed=seed)
    return Graded(verdict, events)


@pytest.fixture(scope="module")
def solution() -> Graded:
    return grade("solution", seed=1)


def test_it_works(solution: Graded) -> None:
    assert (solution.missed(), solution.verdict.log) == ([], "")
    assert (solution.verdict.verdict, solution.verdict.points) == ("pass", 100)


def test_each_check_passed_on_each_kernel(solution: Graded) -> None:
    wanted = dict.fromkeys(LAB.kernels, "passed")
    assert [row.kernels for row in solution.verdict.checks] == [wanted] * len(LAB.checks)


def test_a_probe_of_another_make_passes_too() -> None:
    """A socket filter that copies into a ring buffer, tcp_probe for round trips, http2.Framer, the format by hand."""
    ring = grade("solutions/ring", seed=2)
    assert (ring.missed(), ring.verdict.log) == ([], "")


def test_the_starter_fails_the_first_check_and_nothing_else_is_tried() -> None:
    verdict = grade("starter", seed=3).verdict
    assert verdict.verdict == "fail"
    first, *others = verdict.checks
    assert first.status == "failed"
    assert {row.status for row in others} == {"skipped"}


def test_the_cost_of_foreign_traffic_is_told(solution: Graded) -> None:
    steps = [e["text"]["en"] for e in solution.events if e["type"] == "step"]
    assert sum(text.startswith("watched") and "foreign" in text for text in steps) == len(LAB.kernels)


def test_each_step_tells_what_is_tried_in_both_languages(solution: Graded) -> None:
    steps = [e["text"] for e in solution.events if e["type"] == "step" and e["source"] == "grader"]
    assert len(steps) > len(LAB.checks)
    assert all(step["zh"] and step["en"] for step in steps)
