"""What goes through Redis: the events of runs that go on, and the news that classes follow.

Nothing here is the truth; PostgreSQL is. A lost broker costs the live view, never a verdict.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from labs.harness.events import Event
from lastmile.practice.models import Run

log = logging.getLogger(__name__)

NEWS = "news"  # one stream for the installation: every change of every run
KEEP_EVENTS = 20_000
KEEP_NEWS = 2_000
KEEP_SECONDS = 3_600
KEEP_ENDED_SECONDS = 60  # whoever reads on finds the rest in PostgreSQL


def run_key(run_id: UUID | str, attempt: int) -> str:
    return f"run:{run_id}:{attempt}"


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """This process's client. It gives up quickly: callers go on without Redis."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=5, retry=Retry(NoBackoff(), 1)
    )


def clean(value: Any) -> Any:
    """The same value with what PostgreSQL's jsonb and UTF-8 refuse replaced: NUL and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {clean(key): clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [clean(inner) for inner in value]
    return value


def append(run_id: UUID | str, attempt: int, event: Event) -> bool:
    """Add one event to the attempt's stream; its entry id is `<seq>-0`. False: Redis could not be reached."""
    key = run_key(run_id, attempt)
    try:
        pipe = client().pipeline(transaction=False)
        fields: dict[Any, Any] = {"event": json.dumps(event, ensure_ascii=False)}
        pipe.xadd(key, fields, id=f"{event['seq']}-0", maxlen=KEEP_EVENTS, approximate=True)
        pipe.expire(key, KEEP_SECONDS)
        pipe.execute()
    except redis.ResponseError as error:
        # An earlier try had arrived after all; only its answer was lost.
        return "equal or smaller" in str(error)
    except redis.RedisError as error:
        log.warning("event %s of run %s was not sent: %s", event["seq"], run_id, error)
        return False
    return True


def so_far(run_id: UUID | str, attempt: int) -> list[Event]:
    """What is there of an attempt, in order, but for a verdict. Best effort: [] without Redis."""
    try:
        entries: Any = client().xrange(run_key(run_id, attempt))
    except redis.RedisError as error:
        log.warning("the events of run %s could not be read: %s", run_id, error)
        return []
    events = [json.loads(fields[b"event"]) for _, fields in entries]
    return [event for event in events if event["type"] != "verdict"]


def let_go(run_id: UUID | str, attempt: int) -> None:
    """Let the events of an attempt that has ended go soon. Best effort."""
    try:
        client().expire(run_key(run_id, attempt), KEEP_ENDED_SECONDS)
    except redis.RedisError as error:
        log.warning("the events of run %s stay for an hour: %s", run_id, error)


def tell_of(run: Run, **more: Any) -> None:
    """Announce the state of a run to whom it concerns. Best effort."""
    news = {
        "run": str(run.pk),
        "user": run.user_id,
        "lab": run.lab,
        "attempt": run.attempt,
        "state": run.state,
        "verdict": run.verdict,
        "passed": run.passed,
        "total": run.total,
        **more,
    }
    try:
        client().xadd(NEWS, {"news": json.dumps(news)}, maxlen=KEEP_NEWS, approximate=True)
    except redis.RedisError as error:
        log.warning("news of run %s was not sent: %s", run.pk, error)
