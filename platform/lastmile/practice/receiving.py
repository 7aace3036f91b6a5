"""Taking a submission in: checked, stored with its run in one transaction, then sent to the queue."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from labs.harness import archive, submission
from labs.harness.events import Text
from labs.harness.manifest import Lab
from lastmile.accounts.models import User
from lastmile.practice import environment, outbox, streams
from lastmile.practice.models import Run, Source, Submission, SubmissionFile
from lastmile.problems import Trouble

MAX_KEY = 80


@dataclass(frozen=True)
class Receipt:
    """`fresh` is False when the same submission had been received before."""

    run: Run
    fresh: bool


def refuse(error: submission.BadSubmission) -> Trouble:
    """What the harness found wrong, for a page or for the API."""
    text = Text(
        zh="这份提交没有被接收，请按下面的说明修改后再提交。你的草稿还在。",
        en="This submission was not taken. Change what is listed below and submit again; your draft is safe.",
    )
    places = [{"file": p.file, "line": 0, "zh": p.text.zh, "en": p.text.en} for p in error.problems]
    return Trouble("bad_submission", text, 400, places)


def from_archive(lab: Lab, data: bytes, name: str) -> submission.Submission:
    """Raises Trouble."""
    try:
        return submission.accept(lab, archive.read_archive(data, name))
    except submission.BadSubmission as error:
        raise refuse(error) from error


def from_files(lab: Lab, files: Mapping[str, bytes]) -> submission.Submission:
    """Raises Trouble."""
    try:
        return submission.accept(lab, submission.from_files(files))
    except submission.BadSubmission as error:
        raise refuse(error) from error


def receive(user: User, lab: Lab, given: submission.Submission, key: str, source: Source) -> Receipt:
    """Store it and its run, then send the run to the queue. The same key answers with the same run.

    Raises Trouble: a key used for something else, a run of this lab still going on, too many runs, a
    lab that this installation cannot run.
    """
    key = check_key(key)
    with transaction.atomic():
        # One learner's submissions go one after another, so a double click meets the first one's row.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        known = Submission.objects.filter(user=user, idempotency_key=key).first()
        if known is not None:
            return Receipt(_same(known, lab, given), fresh=False)
        _check_limits(user, lab)
        run = _store(user, lab, given, key, source)
        transaction.on_commit(lambda: _announce(run))
    return Receipt(run, fresh=True)


def check_key(key: str) -> str:
    """An idempotency key the client chose, or one of our own when it chose none. Raises Trouble."""
    if not key:
        return f"none-{secrets.token_hex(16)}"
    if len(key) > MAX_KEY or not key.isprintable():
        zh, en = (
            f"Idempotency-Key 最长 {MAX_KEY} 个可见字符",
            f"Idempotency-Key is at most {MAX_KEY} printable characters",
        )
        raise Trouble("bad_key", Text(zh, en), 400)
    return key


def _same(known: Submission, lab: Lab, given: submission.Submission) -> Run:
    if known.lab != lab.slug or known.digest != given.digest():
        text = Text(
            zh="这个 Idempotency-Key 已经用于另一份提交，请换一个。",
            en="This Idempotency-Key was used for another submission; choose a new one.",
        )
        raise Trouble("key_reused", text, 409)
    run = known.runs.first()
    assert run is not None, "a submission is stored with its run"
    return run


def _check_limits(user: User, lab: Lab) -> None:
    if environment.unavailable(lab):
        text = Text(
            zh="本站暂时跑不了这个实验。你的草稿还在。",
            en="This installation cannot run this lab for now. Your draft is safe.",
        )
        raise Trouble("no_sandbox", text, 503)
    live = Run.objects.of_lab(user, lab.slug).live().first()
    if live is not None:
        text = Text(
            zh="这个实验还有一次运行没有结束，等它结束，或先撤回它，再重新提交。你的草稿还在。",
            en="A run of this lab is still going on. Wait for its end or withdraw it, then submit again; your draft is "
            "safe.",
        )
        raise Trouble("run_going_on", text, 429, extra={"run": str(live.pk), "url": live.get_absolute_url()})
    hour = Run.objects.filter(user=user, quarantined=False, queued_at__gt=Now() - timedelta(hours=1))
    if hour.count() >= settings.RUNS_PER_HOUR:
        limit = settings.RUNS_PER_HOUR
        text = Text(
            zh=f"一小时内最多提交 {limit} 次，过一会儿再试。你的草稿还在。",
            en=f"At most {limit} submissions an hour. Try again a little later; your draft is safe.",
        )
        raise Trouble("too_many_runs", text, 429, extra={"retry_after": 300})


def _store(user: User, lab: Lab, given: submission.Submission, key: str, source: Source) -> Run:
    stored = Submission.objects.create(
        user=user, lab=lab.slug, source=source, idempotency_key=key, digest=given.digest()
    )
    SubmissionFile.objects.bulk_create(
        SubmissionFile(submission=stored, path=path, content=content) for path, content in given.files.items()
    )
    return Run.objects.create(
        submission=stored,
        user=user,
        lab=lab.slug,
        queue=outbox.queue_for(lab.sandbox),
        seed=secrets.randbelow(1 << 32),
    )


def _announce(run: Run) -> None:
    streams.tell_of(run)  # first, or a quick worker's news would come before it
    if outbox.publish(run):
        # a worker may have it already: then it was never marked as published, and does not wait either
        run.refresh_from_db(fields=["published_at", "state"])
