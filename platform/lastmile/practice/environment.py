"""Whether a fresh sandbox waits for a lab, as far as the pool of this machine can say."""

from __future__ import annotations

import logging
from typing import Any

from labs.harness.leasing import sandbox_specs
from labs.harness.manifest import Lab
from lastmile.practice.models import Run, State
from sandboxes.interface import Spec
from sandboxes.pool import client

log = logging.getLogger(__name__)


def pool_status(spec: Spec | None = None) -> dict[str, int] | None:
    """What the pool says, or None when it does not answer or runs on other machines."""
    try:
        return client.status(spec)
    except (OSError, ValueError) as error:
        log.info("the pool of sandboxes does not answer: %s", error)
        return None


def of_lab(lab: Lab) -> dict[str, Any]:
    """{state, queued}. `state`: ready, warming, busy (a run would wait), cold (it starts with the run), unknown."""
    queued = Run.objects.filter(state=State.QUEUED).count()
    return {"state": _state(lab, queued), "queued": queued}


def _state(lab: Lab, queued: int) -> str:
    states = [pool_status(spec) for spec in sandbox_specs(lab).values()]
    known = [status for status in states if status is not None]
    if not known or len(known) < len(states):
        return "unknown"
    if queued or any(status["leased"] >= status["capacity"] for status in known):
        return "busy"
    if all(status["warm"] for status in known):
        return "ready"
    return "warming" if any(status["starting"] for status in known) else "cold"
