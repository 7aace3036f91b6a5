"""Evidence behind the skill matrix: which run showed which cell. Derived marks are never stored."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

DIMENSIONS = ("language", "engineering", "domain")
LEVELS = ("junior", "senior", "architect")
CELLS = tuple(f"{dimension}.{level}" for dimension in DIMENSIONS for level in LEVELS)


class SkillEvidence(models.Model):
    """Run `run` of `user` passed, and its lab names `cell`, such as "engineering.senior"."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="evidence")
    cell = models.CharField(max_length=40, choices=[(cell, cell) for cell in CELLS])
    run = models.ForeignKey("practice.Run", on_delete=models.CASCADE, related_name="evidence")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "cell", "run"], name="a_run_shows_a_cell_once"),
        ]
        indexes = [models.Index(fields=["user", "cell"], name="evidence_by_cell")]

    @property
    def dimension(self) -> str:
        return self.cell.partition(".")[0]

    @property
    def level(self) -> str:
        return self.cell.partition(".")[2]
