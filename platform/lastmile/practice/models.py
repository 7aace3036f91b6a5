"""What learners hand in and what becomes of it. The rules that change a run are in lifecycle.py."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from lastmile.accounts.models import Role, User


class State(models.TextChoices):
    QUEUED = "queued", _("Queued")
    BUILDING = "building", _("Building")
    LEASING = "leasing", _("Waiting for a sandbox")
    GRADING = "grading", _("Grading")
    DONE = "done", _("Done")


WORKING = (State.BUILDING, State.LEASING, State.GRADING)


class Outcome(models.TextChoices):
    """`error` is theirs: it does not build or start. `internal` is ours and never counts against them.

    `withdrawn`: the learner did not want it any more.
    """

    PASS = "pass", _("Passed")
    FAIL = "fail", _("Not yet")
    ERROR = "error", _("Did not run")
    INTERNAL = "internal", _("Our fault")
    WITHDRAWN = "withdrawn", _("Withdrawn")


UNCOUNTED = (Outcome.INTERNAL, Outcome.WITHDRAWN)


class Source(models.TextChoices):
    EDITOR = "editor", _("Editor")
    UPLOAD = "upload", _("Upload")
    API = "api", _("Command line")


class Submission(models.Model):
    """One state of a learner's files for one lab. Never changes once stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="submissions")
    lab = models.CharField(max_length=80)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.EDITOR)
    idempotency_key = models.CharField(max_length=80)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "idempotency_key"], name="a_key_submits_once"),
        ]

    def contents(self) -> dict[str, bytes]:
        return {file.path: bytes(file.content) for file in self.files.all()}


class SubmissionFile(models.Model):
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=400)
    content = models.BinaryField()

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(fields=["submission", "path"], name="a_path_once_in_a_submission"),
        ]

    @classmethod
    def digests(cls, submissions: Iterable[uuid.UUID]) -> dict[uuid.UUID, dict[str, str]]:
        """The SHA-256 of each file by its path, by submission. The contents, up to a MiB each, stay in the database."""
        found: dict[uuid.UUID, dict[str, str]] = {}
        digest = Func(F("content"), function="sha256", output_field=models.BinaryField())
        rows = cls.objects.filter(submission__in=list(submissions)).annotate(digest=digest)
        for submission, path, sha in rows.values_list("submission_id", "path", "digest"):
            found.setdefault(submission, {})[path] = bytes(sha).hex()
        return found


class RunQuerySet(models.QuerySet["Run"]):
    def live(self) -> RunQuerySet:
        return self.exclude(state=State.DONE)

    def of_lab(self, user: User, lab: str) -> RunQuerySet:
        return self.filter(user=user, lab=lab)

    def counted(self) -> RunQuerySet:
        """Without those that say nothing about the learner. Those that go on are among them."""
        return self.exclude(verdict__in=UNCOUNTED)

    def visible_to(self, user: User) -> RunQuerySet:
        """A learner's own runs; for an instructor also those of the learners in the classes that they teach."""
        if user.is_superuser:
            return self
        taught = user.memberships.filter(role=Role.INSTRUCTOR).values("classroom")
        learners = Q(user__memberships__classroom__in=taught, user__memberships__role=Role.LEARNER)
        return self.filter(Q(user=user) | learners).distinct()


class Run(models.Model):
    """The grading of one submission.

    `attempt` is the fencing token: it grows with every claim, and a worker writes only where it is
    still its own. `failures` counts tries that ended in `internal` or with a dead worker; `due_at` is
    when the next try may be sent.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="runs")
    lab = models.CharField(max_length=80)
    queue = models.CharField(max_length=20)
    seed = models.BigIntegerField(default=0)

    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True, default="")
    queued_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    verdict = models.CharField(max_length=10, choices=Outcome.choices, blank=True, default="")
    quarantined = models.BooleanField(default=False)
    points = models.PositiveIntegerField(default=0)
    of = models.PositiveIntegerField(default=0)
    passed = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    reason_zh = models.TextField(blank=True, default="")
    reason_en = models.TextField(blank=True, default="")
    parts = models.JSONField(default=dict)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-queued_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "lab"], condition=~Q(state=State.DONE), name="one_live_run_per_lab"
            ),
            models.CheckConstraint(
                condition=Q(state=State.DONE, finished_at__isnull=False) & ~Q(verdict="")
                | ~Q(state=State.DONE) & Q(verdict=""),
                name="done_has_a_verdict",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "heartbeat_at"], name="run_by_state"),
            models.Index(fields=["user", "lab", "-queued_at"], name="run_by_learner_and_lab"),
        ]

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.pk])

    @property
    def is_done(self) -> bool:
        return self.state == State.DONE

    @property
    def is_live(self) -> bool:
        return self.state != State.DONE

    @property
    def waits_unpublished(self) -> bool:
        """Stored, but the broker has not taken it yet."""
        return self.state == State.QUEUED and self.published_at is None

    def position(self) -> int:
        """How many runs go before this one, for as long as it is queued."""
        ahead = Run.objects.filter(queue=self.queue, state=State.QUEUED, queued_at__lt=self.queued_at)
        return ahead.count()


class RunLog(models.Model):
    """The finished log of the attempt that gave the verdict: gzipped JSON lines.

    Bytes, not jsonb: a learner's output may hold what jsonb refuses, and nobody asks inside it.
    """

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="log")
    attempt = models.PositiveIntegerField()
    body = models.BinaryField()

    @staticmethod
    def pack(events: list[dict[str, Any]]) -> bytes:
        return gzip.compress("\n".join(json.dumps(event) for event in events).encode(), compresslevel=5)

    def events(self) -> list[dict[str, Any]]:
        text = gzip.decompress(bytes(self.body)).decode()
        return [json.loads(line) for line in text.splitlines()]


class CheckStatus(models.TextChoices):
    PASSED = "passed", _("Passed")
    FAILED = "failed", _("Not yet")
    SKIPPED = "skipped", _("Skipped")


class CheckResult(models.Model):
    """How one check of the lab ended. `failure` is that of checks.Failed.json(), or null."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="checks")
    check_id = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=8, choices=CheckStatus.choices)
    points = models.PositiveIntegerField(default=0)
    of = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    failure = models.JSONField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "check_id"], name="a_check_once_in_a_run"),
        ]


class Draft(models.Model):
    """What the learner has in the editor. `version` lets two tabs notice each other."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts")
    lab = models.CharField(max_length=80)
    files = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    saved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "lab"], name="one_draft_per_lab")]


class HintUse(models.Model):
    """The learner opened hint `level` (from 1) of `check_id`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="hints")
    lab = models.CharField(max_length=80)
    check_id = models.CharField(max_length=60)
    level = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["level"]
        constraints = [
            models.UniqueConstraint(fields=["user", "lab", "check_id", "level"], name="a_hint_opens_once"),
        ]
