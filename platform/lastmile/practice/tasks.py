"""The seam to the engine: claim the row, call the engine, store what it says."""

from __future__ import annotations

import logging
import os
import socket

from celery import shared_task

from lastmile.practice import lifecycle
from lastmile.practice.work import Attempt

log = logging.getLogger(__name__)


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@shared_task(name="practice.grade", acks_late=True, ignore_result=True)
def grade(run_id: str, seen: int) -> str:
    """Grade the run if its attempt is still `seen`. Says in a word what came of it, for the worker's log."""
    claim = lifecycle.claim(run_id, seen, worker_name())
    if claim is None:
        return "not ours"
    return Attempt(claim).run()
