"""The rules of a run: claims, fences, tries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from made import a_run, finished, result

from lastmile.accounts.models import User
from lastmile.practice import lifecycle
from lastmile.practice.models import Run, RunLog, State
from lastmile.skills.models import SkillEvidence

pytestmark = pytest.mark.usefixtures("fake_labs")


def _quiet(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))


def test_it_works(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, 0, "one")
    assert claim is not None
    assert lifecycle.beat(claim, State.GRADING)
    done = lifecycle.finish(claim, result("pass"), [])
    assert done is not None
    assert (done.state, done.verdict, done.attempt) == ("done", "pass", 1)
    cells = SkillEvidence.objects.filter(user=owner).values_list("cell", flat=True)
    assert set(cells) == {"engineering.senior", "domain.junior"}


def test_a_run_is_claimed_once(owner: User) -> None:
    run = a_run(owner)
    assert lifecycle.claim(run.pk, 0, "one")
    assert lifecycle.claim(run.pk, 0, "two") is None
    assert lifecycle.claim(run.pk, 1, "two") is None


def test_the_verdict_of_an_older_attempt_is_dropped(owner: User) -> None:
    run = a_run(owner)
    late = lifecycle.claim(run.pk, 0, "late")
    assert late is not None
    _quiet(run)
    lifecycle.recover_lost()
    second = lifecycle.claim(run.pk, 1, "second")
    assert second is not None
    assert not lifecycle.beat(late, State.GRADING)
    assert lifecycle.finish(late, result("fail"), []) is None
    assert not lifecycle.release(late)
    done = lifecycle.finish(second, result("pass"), [])
    assert done is not None
    assert lifecycle.finish(second, result("fail"), []) is None
    assert RunLog.objects.get(run=run).attempt == 2
    run.refresh_from_db()
    assert run.verdict == "pass"


def test_a_worker_that_comes_back_before_another_took_over_keeps_the_run(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, 0, "slow")
    assert claim is not None
    _quiet(run)
    (recovered,) = lifecycle.recover_lost()
    assert recovered.state == "queued"
    assert lifecycle.beat(claim, State.GRADING)
    assert lifecycle.claim(run.pk, 1, "other") is None
    assert lifecycle.finish(claim, result("pass"), []) is not None


def test_a_lively_worker_is_left_alone(owner: User) -> None:
    run = a_run(owner)
    lifecycle.claim(run.pk, 0, "one")
    assert lifecycle.recover_lost() == []


def test_internal_is_tried_three_times_and_never_counts(owner: User) -> None:
    run = a_run(owner)
    for attempt in range(3):
        claim = lifecycle.claim(run.pk, attempt, "one")
        assert claim is not None
        run = lifecycle.finish(claim, result("internal"), [])  # type: ignore[assignment]
    assert (run.state, run.verdict, run.quarantined) == ("done", "internal", True)
    assert "三次" in run.reason_zh
    assert not SkillEvidence.objects.exists()
    assert RunLog.objects.get(run=run).events()[-1]["verdict"] == "internal"


def test_a_pause_precedes_each_further_try(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, 0, "one")
    assert claim is not None
    again = lifecycle.finish(claim, result("internal"), [])
    assert again is not None
    assert again.due_at > timezone.now()


def test_giving_back_counts_as_no_failure(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, 0, "one")
    assert claim is not None
    assert lifecycle.release(claim)
    run.refresh_from_db()
    assert (run.state, run.failures, run.published_at) == ("queued", 0, None)


def test_a_failed_run_is_no_evidence(owner: User) -> None:
    finished(owner, "fail")
    assert not SkillEvidence.objects.exists()


def test_the_database_itself_refuses_a_second_live_run(owner: User) -> None:
    run = a_run(owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(submission=run.submission, user=owner, lab=run.lab, queue="build")


def test_the_database_itself_refuses_an_end_without_a_verdict(owner: User) -> None:
    run = a_run(owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(state=State.DONE, finished_at=timezone.now())


def test_a_run_that_is_withdrawn_is_over_whoever_grades_it(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, 0, "one")
    assert claim is not None
    ended, by_this = lifecycle.withdraw(run.pk)
    assert by_this
    assert (ended.state, ended.verdict, ended.failures) == ("done", "withdrawn", 0)
    assert not lifecycle.beat(claim, State.GRADING)
    assert lifecycle.finish(claim, result("pass"), []) is None
    assert not lifecycle.release(claim)
    assert not SkillEvidence.objects.exists()
    assert RunLog.objects.get(run=run).events()[-1]["verdict"] == "withdrawn"
    a_run(owner)  # the lab is free again


def test_a_run_that_is_withdrawn_in_the_queue_is_never_graded(owner: User) -> None:
    run = a_run(owner)
    assert lifecycle.withdraw(run.pk)[0].seconds == 0
    assert lifecycle.claim(run.pk, 0, "one") is None


def test_what_is_over_cannot_be_withdrawn(owner: User) -> None:
    run = finished(owner, "fail")
    over, by_this = lifecycle.withdraw(run.pk)
    assert (over.verdict, by_this) == ("fail", False)
    other = a_run(owner)
    assert [lifecycle.withdraw(other.pk)[1] for _ in range(2)] == [True, False]
    assert RunLog.objects.filter(run=other).count() == 1


def test_an_attempt_fails_once_however_often_it_is_noticed(owner: User) -> None:
    run = a_run(owner)
    claim = lifecycle.claim(run.pk, 0, "worker")
    assert claim is not None
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    lifecycle.recover_lost()
    lifecycle.finish(claim, lifecycle.Result("internal"), [])
    run.refresh_from_db()
    assert (run.attempt, run.failures, run.quarantined) == (1, 1, False)
