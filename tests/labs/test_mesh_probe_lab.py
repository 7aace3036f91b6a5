"""The mesh probe's grader on both kernels: the right answers pass, the empty one does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from labs.harness import engine, manifest, submission
from labs.harness.submission import Submission
from labs.harness.verdict import Verdict

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
LAB = manifest.load("tracers/mesh_probe")
# where one is enough: `lastmile prove` runs every right answer on both
ON_ONE = replace(LAB, kernels=("6.1",))


@dataclass(frozen=True)
class Graded:
    verdict: Verdict
    events: list[dict[str, Any]]

    def missed(self) -> list[tuple[str, Any]]:
        return [(row.check, row.failure) for row in self.verdict.checks if row.status != "passed"]


def of(folder: str) -> Submission:
    return submission.read_dir(LAB.folder / folder)


def grade(files: Submission, seed: int, lab: manifest.Lab = LAB) -> Graded:
    events: list[dict[str, Any]] = []
    return Graded(engine.grade(lab, files, events.append, seed=seed), events)


@pytest.fixture(scope="module")
def solution() -> Graded:
    return grade(of("solution"), seed=1)


def test_it_works(solution: Graded) -> None:
    assert (solution.missed(), solution.verdict.log) == ([], "")
    assert (solution.verdict.verdict, solution.verdict.points) == ("pass", 100)


def test_each_check_passed_on_each_kernel(solution: Graded) -> None:
    wanted = dict.fromkeys(LAB.kernels, "passed")
    assert [row.kernels for row in solution.verdict.checks] == [wanted] * len(LAB.checks)


def test_a_probe_of_another_make_that_shows_its_counts_late_passes_too() -> None:
    """A packet ring whose blocks come 50 ms late, fexit for round trips, its own reassembly, the format by hand."""
    files = dict(of("solutions/packet_ring").files)
    at_once = b"time.Sleep(2 * retireAfter)\n\tif err := p.read(r.Context()); err != nil {"
    assert at_once in files["metrics.go"]
    files["metrics.go"] = files["metrics.go"].replace(
        at_once, b"time.Sleep(0)\n\tif err := r.Context().Err(); err != nil {"
    )
    late = grade(Submission(files), seed=2, lab=ON_ONE)
    assert (late.missed(), late.verdict.log) == ([], "")


def test_the_starter_fails_the_first_check_and_nothing_else_is_tried() -> None:
    verdict = grade(of("starter"), seed=3).verdict
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
