"""From the row to the queue. The row is the truth; a message only says "look at it"."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from lastmile.practice.models import Run, State

log = logging.getLogger(__name__)

QUEUES = {"controlplane": "cluster", "vm": "vm", "none": "build"}


def queue_for(sandbox: str) -> str:
    """The Celery queue whose workers can serve labs with this sandbox."""
    return QUEUES.get(sandbox, sandbox)


def publish(run: Run) -> bool:
    """Send the task for a queued run. False when the broker does not take it; the sweeper tries again."""
    from lastmile.practice.tasks import grade

    try:
        grade.apply_async((str(run.pk), run.attempt), queue=run.queue, retry=False, ignore_result=True)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("run %s is stored but not yet in the queue: %s", run.pk, error)
        return False
    waiting = Run.objects.filter(pk=run.pk, attempt=run.attempt, state=State.QUEUED)
    waiting.update(published_at=Now())
    return True


def publish_waiting() -> int:
    """Send what was never sent, and again what was sent long ago; a claim makes the second message void."""
    overdue = Q(published_at__isnull=True) | Q(
        published_at__lt=Now() - timedelta(seconds=settings.REPUBLISH_SECONDS)
    )
    sent = 0
    for run in Run.objects.filter(overdue, state=State.QUEUED, due_at__lte=Now()).order_by("queued_at")[:500]:
        if not publish(run):
            break
        sent += 1
    return sent
