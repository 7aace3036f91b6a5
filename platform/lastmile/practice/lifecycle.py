"""The rules by which a run changes. Every write by a worker is fenced by its attempt number.

queued ── claim ──> building/leasing/grading ── finish ──> done
   ^                          │
   └── release, lost, internal┘   (the third failure quarantines: done, internal)

withdraw ends it from any state but done; the worker learns of it by its next heartbeat.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from labs.harness.events import Event, Text
from labs.harness.verdict import MOST_TRIES
from lastmile.practice import streams
from lastmile.practice.models import (
    WORKING,
    CheckResult,
    Outcome,
    Run,
    RunLog,
    State,
)
from lastmile.practice.streams import clean
from lastmile.skills.models import CELLS, SkillEvidence

log = logging.getLogger(__name__)

GIVEN_UP = Text(
    zh="我们试了三次都没能完成评测。是我们的错，这次运行不计入你的成绩，讲师已经能看到它。",
    en="We tried three times and could not grade this. It is our fault, it does not count, and your "
    "instructor can see it.",
)


WITHDRAWN = Text(
    zh="这次运行已撤回，不计入成绩。",
    en="This run was withdrawn. It does not count.",
)


NO_WORDS = Text("", "")


@dataclass(frozen=True)
class Claim:
    """One worker's right to grade one run."""

    run_id: UUID
    attempt: int
    worker: str


@dataclass(frozen=True)
class Result:
    """What the engine found, in the terms of the tables. `checks` are rows for CheckResult."""

    verdict: str
    points: int = 0
    of: int = 0
    passed: int = 0
    total: int = 0
    seconds: float = 0.0
    reason: Text = NO_WORDS
    checks: tuple[dict[str, Any], ...] = ()
    parts: dict[str, float] = field(default_factory=dict)
    skills: tuple[str, ...] = ()


def claim(run_id: UUID | str, seen: int, worker: str) -> Claim | None:
    """Take a queued run whose attempt is still `seen`. None: somebody else has it, or it is done."""
    taken = Run.objects.filter(pk=run_id, attempt=seen, state=State.QUEUED).update(
        attempt=seen + 1,
        state=State.BUILDING,
        worker=worker,
        claimed_at=Now(),
        heartbeat_at=Now(),
    )
    return Claim(UUID(str(run_id)), seen + 1, worker) if taken else None


def beat(claim: Claim, state: State) -> bool:
    """Say that the worker lives and how far it is. False: the run is no longer this attempt's."""
    mine = Run.objects.filter(pk=claim.run_id, attempt=claim.attempt).live()
    return bool(mine.update(state=state, heartbeat_at=Now()))


def release(claim: Claim) -> bool:
    """Give the run back unharmed, as a worker does that is asked to stop."""
    mine = Run.objects.filter(pk=claim.run_id, attempt=claim.attempt).live()
    return bool(mine.update(state=State.QUEUED, published_at=None, heartbeat_at=None, worker=""))


@transaction.atomic
def finish(claim: Claim, result: Result, events: list[Event]) -> Run | None:
    """Store the verdict once. None: this attempt lost the run meanwhile, and nothing was stored.

    `internal` puts the run back into the queue until it has failed MOST_TRIES times; the answer then has
    the state `queued`.
    """
    mine = Run.objects.select_for_update().filter(pk=claim.run_id, attempt=claim.attempt).live()
    run = mine.first()
    if run is None:
        return None
    if result.verdict == Outcome.INTERNAL:
        return _fail(run, result, events)
    _store(run, result, events)
    return run


def withdraw(run_id: UUID) -> tuple[Run, bool]:
    """End a run that its learner does not want any more. False: it was over, and keeps its verdict.

    What is known of the attempt so far becomes its log. Raises Run.DoesNotExist.
    """
    known = Run.objects.get(pk=run_id)
    if known.is_done:
        return known, False
    events = streams.so_far(run_id, known.attempt)  # before the row is locked: Redis may be slow
    return _withdraw(run_id, known.attempt, events)


@transaction.atomic
def _withdraw(run_id: UUID, attempt: int, events: list[Event]) -> tuple[Run, bool]:
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.is_done:
        return run, False
    spent = 0.0
    if run.state in WORKING and run.claimed_at:
        spent = max(0.0, (timezone.now() - run.claimed_at).total_seconds())
    result = Result(Outcome.WITHDRAWN, seconds=spent, reason=WITHDRAWN)
    _store(run, result, events if run.attempt == attempt else [])
    return run, True


def _fail(run: Run, result: Result, events: list[Event]) -> Run:
    # an attempt fails once, also when the sweeper had counted it before its worker woke up
    run.failures = min(run.failures + 1, run.attempt)
    if run.failures >= MOST_TRIES:
        run.quarantined = True
        _store(run, result, events)
        return run
    _requeue(run)
    return run


def _requeue(run: Run) -> None:
    run.state, run.published_at, run.heartbeat_at, run.worker = State.QUEUED, None, None, ""
    run.due_at = timezone.now() + timedelta(seconds=settings.PAUSES_BETWEEN_TRIES[run.failures - 1])
    run.save(update_fields=["state", "published_at", "due_at", "heartbeat_at", "worker", "failures"])


def _store(run: Run, result: Result, events: list[Event]) -> None:
    reason = GIVEN_UP if run.quarantined else result.reason
    run.state, run.verdict, run.finished_at = State.DONE, result.verdict, timezone.now()
    run.points, run.of, run.passed, run.total = result.points, result.of, result.passed, result.total
    run.seconds, run.parts = result.seconds, dict(result.parts)
    run.reason_zh, run.reason_en = clean(reason.zh), clean(reason.en)
    run.save()
    if not events or events[-1]["type"] != "verdict":
        events = [*events, _verdict_event(run, events[-1]["seq"] + 1 if events else 1)]
    RunLog.objects.create(run=run, attempt=run.attempt, body=RunLog.pack(events))
    CheckResult.objects.bulk_create(CheckResult(run=run, **clean(row)) for row in result.checks)
    if result.verdict == Outcome.PASS:
        cells = [cell for cell in result.skills if cell in CELLS]
        rows = [SkillEvidence(user_id=run.user_id, cell=cell, run=run) for cell in cells]
        SkillEvidence.objects.bulk_create(rows, ignore_conflicts=True)


def recover_lost() -> list[Run]:
    """Take back the runs whose worker has been quiet for too long. Returns them, in their new state."""
    quiet = Run.objects.filter(_is_quiet())
    taken = []
    for pk in quiet.values_list("pk", flat=True):
        try:
            run = _recover(pk)
        except (DataError, IntegrityError):  # of this row; the others are not to wait for it
            log.exception("run %s could not be taken back", pk)
            continue
        if run is not None:
            taken.append(run)
    return taken


def _is_quiet() -> Q:
    return Q(state__in=WORKING, heartbeat_at__lt=Now() - timedelta(seconds=settings.QUIET_SECONDS))


@transaction.atomic
def _recover(pk: UUID) -> Run | None:
    still = Run.objects.select_for_update(skip_locked=True)
    run = still.filter(_is_quiet(), pk=pk).first()
    if run is None:
        return None
    log.warning("run %s: attempt %s on %s went quiet", run.pk, run.attempt, run.worker)
    lost = Result(Outcome.INTERNAL, seconds=0.0)
    return _fail(run, lost, [])


def _verdict_event(run: Run, seq: int) -> Event:
    """The end of a log whose worker or engine could not write it."""
    return {
        "seq": seq,
        "at": run.seconds,
        "type": "verdict",
        "verdict": run.verdict,
        **{name: getattr(run, name) for name in ("passed", "total", "points", "of", "seconds")},
        "reason": {"zh": run.reason_zh, "en": run.reason_en},
    }
