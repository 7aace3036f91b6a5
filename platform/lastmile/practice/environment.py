"""Whether a fresh sandbox waits for a lab, as far as the pool of this machine can say."""

from __future__ import annotations

import logging
from typing import Any

from labs.harness.leasing import sandbox_spec
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
    status = None if lab.sandbox == "none" else pool_status(sandbox_spec(lab))
    if status is None:
        return "unknown"
    if queued or status["leased"] >= status["capacity"]:
        return "busy"
    if status["warm"]:
        return "ready"
    return "warming" if status["starting"] else "cold"
