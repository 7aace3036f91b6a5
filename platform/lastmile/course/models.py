"""Where a reader stopped."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class ReadingPosition(models.Model):
    """The heading that `user` read last in a chapter, and how far down the page it was (0 to 1).

    `furthest` is the largest `part` that there was: to look something up again takes nothing away.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reading")
    chapter = models.CharField(max_length=120)
    anchor = models.CharField(max_length=80, blank=True, default="")
    part = models.FloatField(default=0)
    furthest = models.FloatField(default=0)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "chapter"], name="one_position_per_chapter"),
            models.CheckConstraint(condition=models.Q(part__gte=0, part__lte=1), name="part_is_a_fraction"),
        ]
