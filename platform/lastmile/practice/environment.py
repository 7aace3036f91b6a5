"""Whether a fresh sandbox waits for a lab, and whether there can be one, as far as this machine can say."""

from __future__ import annotations

import logging
import time
from typing import Any

from labs.harness.leasing import sandbox_specs
from labs.harness.manifest import Lab
from lastmile.practice import presence
from lastmile.practice.models import Run, State
from lastmile.practice.outbox import queue_for
from sandboxes.interface import Spec, Unavailable
from sandboxes.pool import client
from sandboxes.providers import provider

log = logging.getLogger(__name__)

PROBE_SECONDS = 30.0  # what is missing comes with `make setup`, not by the second
_probed: dict[str, tuple[float, str]] = {}


def pool_status(spec: Spec | None = None) -> dict[str, int] | None:
    """What the pool says, or None when it does not answer or runs on other machines."""
    try:
        return client.status(spec)
    except (OSError, ValueError) as error:
        log.info("the pool of sandboxes does not answer: %s", error)
        return None


def of_lab(lab: Lab) -> dict[str, Any]:
    """{state, queued}.

    `state`: ready, warming, busy (a run would wait), cold (it starts with the run), away (no worker takes runs of
    this lab), unknown.
    """
    queued = Run.objects.filter(state=State.QUEUED).count()
    return {"state": _state(lab, queued), "queued": queued}


def _state(lab: Lab, queued: int) -> str:
    if presence.unserved([queue_for(lab.sandbox)]):
        return "away"
    states = [pool_status(spec) for spec in sandbox_specs(lab).values()]
    known = [status for status in states if status is not None]
    if not known or len(known) < len(states):
        return "unknown"
    if queued or any(not _has_room(status, len(known)) for status in known):
        return "busy"
    if all(status["warm"] for status in known):
        return "ready"
    return "warming" if any(status["starting"] for status in known) else "cold"


def _has_room(status: dict[str, int], wanted: int) -> bool:
    """Whether `wanted` sandboxes could be leased at once: a run on two kernels takes two."""
    return status["leased"] + min(wanted, status["capacity"]) <= status["capacity"]


def unavailable(lab: Lab) -> str:
    """Why no run of the lab can have its sandbox here, for a log; "" when it can, and where the workers are elsewhere.

    The sandboxes are on this machine when its pool is.
    """
    if lab.sandbox == "none" or not client.is_here():
        return ""
    at, reason = _probed.get(lab.sandbox, (0.0, ""))
    if not at or time.monotonic() - at > PROBE_SECONDS:
        reason = _probe(lab.sandbox)
        _probed[lab.sandbox] = time.monotonic(), reason
    return reason


def _probe(kind: str) -> str:
    try:
        provider(kind).probe()
    except Unavailable as error:
        log.warning("labs with %s cannot be graded: %s", kind, error)
        return str(error) or kind
    return ""
