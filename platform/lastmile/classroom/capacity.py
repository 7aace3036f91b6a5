"""How much the machine can take, from the pool of sandboxes and from the queue."""

from __future__ import annotations

import logging
from typing import Any

from lastmile.practice.models import WORKING, Run, State

log = logging.getLogger(__name__)


def capacity() -> dict[str, Any]:
    """{running, queued, warm, slots, memory_used, memory_total, pool}. `pool` is False while it cannot be asked."""
    known: dict[str, Any] = {"warm": 0, "slots": 0, "memory_used": 0, "memory_total": 0, "pool": False}
    status = _pool_status()
    if status is not None:
        known |= {key: status[key] for key in known if key in status}
        known["slots"] = status.get("slots", status.get("capacity", 0))
        known["pool"] = True
    known["running"] = Run.objects.filter(state__in=WORKING).count()
    known["queued"] = Run.objects.filter(state=State.QUEUED).count()
    return known


def _pool_status() -> dict[str, Any] | None:
    from sandboxes.pool import client

    try:
        return dict(client.status())
    except (OSError, ValueError) as error:
        log.info("the pool of sandboxes does not answer: %s", error)
        return None
