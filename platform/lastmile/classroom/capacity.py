"""How much the machine can take, from the pool of sandboxes and from the queue."""

from __future__ import annotations

import logging
from typing import Any

from lastmile.practice.models import WORKING, Run, State
from sandboxes.pool import client

log = logging.getLogger(__name__)


def capacity() -> dict[str, Any]:
    """{running, queued, warm, slots, memory_available (bytes), pool}; `pool` False: it does not answer."""
    known: dict[str, Any] = {"warm": 0, "slots": 0, "memory_available": 0, "pool": False}
    status = _pool_status()
    if status is not None:
        known |= {
            "warm": status.get("warm", 0),
            "slots": status.get("capacity", 0),
            "memory_available": status.get("memory_available_bytes", 0),
            "pool": True,
        }
    known["running"] = Run.objects.filter(state__in=WORKING).count()
    known["queued"] = Run.objects.filter(state=State.QUEUED).count()
    return known


def _pool_status() -> dict[str, int] | None:
    try:
        return client.status()
    except (OSError, ValueError) as error:
        log.info("the pool of sandboxes does not answer: %s", error)
        return None
