"""Which queues are served: each worker says so in Redis for as long as it lives, also while it grades."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

import redis

from lastmile.practice.streams import client

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
# A worker that is gone is believed for so long; one that waits for the processor is not missed.
KEEP_SECONDS = 30


def served_key(queue: str) -> str:
    """There while a worker takes runs from the queue."""
    return f"served:{queue}"


def say(queues: Iterable[str]) -> None:
    """Say once that this process serves the queues. Best effort: without Redis it gets no runs either."""
    try:
        pipe = client().pipeline(transaction=False)
        for queue in queues:
            pipe.set(served_key(queue), 1, ex=KEEP_SECONDS)
        pipe.execute()
    except redis.RedisError as error:
        log.info("nobody learns that the queues are served: %s", error)


def keep_saying(queues: Iterable[str], until: threading.Event) -> threading.Thread:
    """Say it again and again, in a thread of its own: a worker that grades does nothing else."""
    names = tuple(queues)

    def run() -> None:
        say(names)
        while not until.wait(EVERY_SECONDS):
            say(names)

    thread = threading.Thread(target=run, name="presence", daemon=True)
    thread.start()
    return thread


def unserved(queues: Iterable[str]) -> list[str]:
    """Those that no worker serves; none while Redis cannot be asked."""
    names = list(queues)
    try:
        there = client().mget([served_key(queue) for queue in names]) if names else []
    except redis.RedisError:
        return []
    return [queue for queue, value in zip(names, there, strict=True) if value is None]
