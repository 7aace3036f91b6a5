"""How much the machine can take, from the pool of sandboxes and from the queue."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lastmile.practice import presence
from lastmile.practice.environment import pool_status
from lastmile.practice.models import WORKING, Run, State


def capacity() -> dict[str, Any]:
    """{running, queued, warm, slots, memory_available (bytes), pool, unserved}.

    `pool` False: it does not answer. `unserved`: queues with runs for which no worker is up.
    """
    known: dict[str, Any] = {"warm": 0, "slots": 0, "memory_available": 0, "pool": False}
    status = pool_status()
    if status is not None:
        known |= {
            "warm": status.get("warm", 0),
            "slots": status.get("capacity", 0),
            "memory_available": status.get("memory_available_bytes", 0),
            "pool": True,
        }
    known["running"] = Run.objects.filter(state__in=WORKING).count()
    waiting = Counter(Run.objects.filter(state=State.QUEUED).values_list("queue", flat=True))
    known["queued"] = waiting.total()
    known["unserved"] = presence.unserved(sorted(waiting))
    return known
