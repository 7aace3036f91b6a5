"""A run's seed: drawn for it when it is submitted, so that no program can hold the right numbers of its plan."""

from __future__ import annotations

import itertools
from typing import Any

import labs_of_one_trait
import pytest
from django.test import Client
from made import finished

from labs.harness.verdict import Verdict
from lastmile.accounts.models import User
from lastmile.practice import lifecycle, work
from lastmile.practice.models import Run, Submission

pytestmark = pytest.mark.usefixtures("fake_labs", "servers")
SAME = "package main\n"


def _submit(user: User) -> Run:
    client = Client()
    client.force_login(user)
    files = {"files": {"main.go": SAME}}
    answer = client.post("/labs/fakes/quick/submit", files, content_type="application/json")
    assert answer.status_code == 201, answer.content
    return Run.objects.get(pk=answer.json()["id"])


def test_it_works(owner: User, classmate: User) -> None:
    """The same files, sent by one learner again and again and by another: a seed for each."""
    runs = [*(finished(owner, text=SAME) for _ in range(3)), _submit(owner), _submit(classmate)]
    assert len(set(Submission.objects.values_list("digest", flat=True))) == 1
    seeds = {run.seed for run in runs}
    assert len(seeds) == 5
    assert seeds <= set(Run.objects.values_list("seed", flat=True))


def test_seeds_do_not_follow_from_each_other(owner: User, classmate: User) -> None:
    """A learner sees the seeds of earlier runs."""
    seeds = [finished(user).seed for user in (owner, classmate, owner, classmate, owner)]
    steps = {later - earlier for earlier, later in itertools.pairwise(seeds)}
    assert len(steps) == 4
    assert max(seeds) > 1 << 24, "numbers of 32 bits: five below that come once in 2^40 times"


@pytest.mark.django_db(transaction=True)
def test_the_engine_grades_by_the_seed_of_the_run(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def grade(lab: Any, given: Any, emit: Any, cancel: Any = None, seed: int = 0) -> Verdict:
        seen.append(seed)
        return labs_of_one_trait.grade(lab, given, emit, cancel, seed)

    monkeypatch.setattr(work.engine, "grade", grade)
    monkeypatch.setattr(work.spares, "ask_for", lambda labs: 0)
    run = _submit(owner)
    claim = lifecycle.claim(run.pk, run.attempt, "worker")
    assert claim is not None
    work.Attempt(claim).run()
    run.refresh_from_db()
    assert run.verdict == "pass"
    assert seen == [run.seed]
