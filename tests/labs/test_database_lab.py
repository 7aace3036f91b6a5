"""The Database operator's grader on the real control plane: the right answer passes, the empty one does not."""

from __future__ import annotations

from typing import Any

import pytest

from labs.harness import engine, manifest, submission
from labs.harness.verdict import Verdict

pytestmark = pytest.mark.system
LAB = manifest.load("operators/database")


def grade(folder: str, seed: int = 1) -> tuple[Verdict, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    verdict = engine.grade(LAB, submission.read_dir(LAB.folder / folder), events.append, seed=seed)
    return verdict, events


def test_it_works() -> None:
    verdict, _ = grade("solution")
    missed = [(row.check, row.failure) for row in verdict.checks if row.status != "passed"]
    assert missed == []
    assert (verdict.verdict, verdict.points) == ("pass", 100)


def test_the_starter_fails_the_first_check_and_nothing_else_is_tried() -> None:
    verdict, _ = grade("starter")
    assert verdict.verdict == "fail"
    first, *others = verdict.checks
    assert first.status == "failed"
    assert {row.status for row in others} == {"skipped"}


def test_the_time_line_shows_the_operators_writes() -> None:
    _, events = grade("solution", seed=2)
    entries = next(event["entries"] for event in events if event["type"] == "timeline")
    told = " ".join(
        entry["text"] if isinstance(entry["text"], str) else entry["text"]["en"] for entry in entries
    )
    assert "statefulsets" in told
