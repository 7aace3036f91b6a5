"""GET /runs/<id>/events: a run as Server-Sent Events, live and afterwards.

id: `<attempt>-<seq>`; event: the type of labs/harness/events.py, or
- queue    {position, published, again, served}   how many runs go before this one; 0: next. Not published: it
                                 waits to be sent, either again after an attempt or until the broker is back. Not
                                 served: no worker that would take it is up
- attempt  {attempt, reason}      what follows starts again from nothing
- end      {state, verdict, url}  nothing more comes; the stream closes
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis.asyncio
import redis.exceptions
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from labs.harness.events import Event
from lastmile.accounts.models import User
from lastmile.api.auth import reader_of
from lastmile.http import HttpRequest
from lastmile.practice.models import Run, RunLog, State
from lastmile.practice.presence import served_key
from lastmile.practice.streams import run_key

IDLE_MS = 1_000
LOOK_SECONDS = 3  # between two looks at the row of a run that is being graded and says nothing
MOST_STREAMS = (
    20  # of one person in this process: as many tabs, and some that have not noticed that they are closed
)
KEEP_ALIVE = b": still here\n\n"
KEEP_ALIVE_SECONDS = 10


@dataclass(frozen=True)
class Place:
    """What the reader has: everything of `attempt` up to `seq`."""

    attempt: int = 0
    seq: int = 0

    @classmethod
    def parse(cls, text: str) -> Place:
        attempt, _, seq = text.partition("-")
        if attempt.isascii() and attempt.isdigit() and seq.isascii() and seq.isdigit() and len(text) < 30:
            return cls(int(attempt), int(seq))
        return cls()


@require_GET
async def run_events(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """404 for a run that the reader may not see; 204 when they have all of it, which ends EventSource."""
    place = Place.parse(request.headers.get("Last-Event-ID", "") or request.GET.get("after", ""))
    try:
        user = await sync_to_async(reader_of)(request)
        if user is None:
            return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
        run = await sync_to_async(_look)(run_id, user)
    except DatabaseError:
        return HttpResponse(status=503, headers={"Retry-After": "2"})
    if run is None:
        return HttpResponse(status=404)
    if run.is_done and await sync_to_async(_has_all)(run, place):
        return HttpResponse(status=204)
    if _streams[user.pk] >= MOST_STREAMS:
        return HttpResponse(status=429, headers={"Retry-After": "10"})
    return event_stream(_counted(user.pk, Follower(run, place).stream()))


_streams: Counter[int] = Counter()


async def _counted(user: int, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    _streams[user] += 1
    try:
        async for part in source:
            yield part
    finally:
        _streams[user] -= 1
        if not _streams[user]:
            del _streams[user]


def event_stream(source: AsyncIterator[bytes]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(source, content_type="text/event-stream; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def message(type_: str, data: Any, id_: str = "") -> bytes:
    """One event on the wire. JSON has no raw line breaks, so whatever a learner printed stays in its line."""
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {type_}\ndata: {json.dumps(data)}\n\n".encode()


def entries_of(found: Any) -> list[tuple[str, dict[str, str]]]:
    """The entries in an answer to XREAD of one stream; redis-py's types leave them open."""
    return [(id_, fields) for _, entries in found or [] for id_, fields in entries]


def give_back() -> None:
    """Close this thread's connection to the database: followers are many and wait long."""
    if not connection.in_atomic_block:
        connection.close()


def _look(run_id: UUID, user: User | None = None) -> Run | None:
    """The row as it is now."""
    try:
        rows = Run.objects.visible_to(user) if user else Run.objects.all()
        return rows.filter(pk=run_id).first()
    finally:
        give_back()


def _log_of(run: Run) -> tuple[int, list[Event]]:
    try:
        log = RunLog.objects.filter(run=run).first()
        return (log.attempt, log.events()) if log else (run.attempt, [])
    finally:
        give_back()


def _has_all(run: Run, place: Place) -> bool:
    attempt, events = _log_of(run)
    return place.attempt == attempt and bool(events) and place.seq == events[-1]["seq"]


def _position(run: Run) -> int:
    try:
        return run.position()
    finally:
        give_back()


class Follower:
    """Follows one run for one reader, from `place` on."""

    def __init__(self, run: Run, place: Place) -> None:
        self.run, self.place = run, place
        self.queued: dict[str, Any] = {}  # what the reader was told last of its place in the queue
        self.idle_seconds = 0.0
        self.judged = False  # the verdict has come, which is told once it is stored
        self.redis: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            decode_responses=True,
            socket_connect_timeout=2,
            socket_timeout=IDLE_MS / 1000 + 5,
        )

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 1000\n\n"
            while not self.run.is_done:
                async for part in self._step():
                    yield part
                if self._may_have_changed():
                    await self._refresh()
            async for part in self._rest():
                yield part
        finally:
            await self.redis.aclose()

    def _may_have_changed(self) -> bool:
        """Whether to look at the row: it says little that the events do not, and many readers would ask."""
        silent = self.idle_seconds > 0 and self.idle_seconds % LOOK_SECONDS == 0
        return self.run.state == State.QUEUED or self.judged or silent

    async def _step(self) -> AsyncIterator[bytes]:
        """What is new, after at most IDLE_MS."""
        if self.run.attempt:
            for part in self._turn_to(self.run.attempt):
                yield part
        for part in await self._in_line():
            yield part
        events = await self._read()
        for event in events:
            yield self._sent(event)
        self.idle_seconds = 0.0 if events else self.idle_seconds + IDLE_MS / 1000
        if self.idle_seconds >= KEEP_ALIVE_SECONDS:
            self.idle_seconds = 0.0
            yield KEEP_ALIVE

    async def _in_line(self) -> list[bytes]:
        """The place in the queue when it is another than the reader knows, as after the run went back to it."""
        if self.run.state != State.QUEUED:
            self.queued = {}
            return []
        try:
            position = await sync_to_async(_position)(self.run)
        except DatabaseError:
            return []
        now = {
            "position": position,
            "published": self.run.published_at is not None,
            "again": self.run.attempt > 0,
            "served": await self._is_served(),
        }
        if now == self.queued:
            return []
        self.queued = now
        return [message("queue", now)]

    async def _is_served(self) -> bool:
        """Also while Redis does not say."""
        try:
            return bool(await self.redis.exists(served_key(self.run.queue)))
        except (redis.exceptions.RedisError, OSError):
            return True

    def _turn_to(self, attempt: int) -> list[bytes]:
        """Announce a newer attempt than the reader has, and start it from nothing."""
        if attempt == self.place.attempt:
            return []
        reason = "again" if self.place.attempt or self.run.failures else "first"
        self.place = Place(attempt, 0)
        return [message("attempt", {"attempt": attempt, "reason": reason}, f"{attempt}-0")]

    async def _read(self) -> list[Event]:
        """The next events of the attempt from Redis; none within IDLE_MS, or without Redis."""
        key = run_key(self.run.pk, self.place.attempt)
        try:
            found = await self.redis.xread({key: f"{self.place.seq}-0"}, count=200, block=IDLE_MS)
        except (redis.exceptions.RedisError, OSError):
            await _pause()
            return []
        return [json.loads(fields["event"]) for _, fields in entries_of(found)]

    def _sent(self, event: Event) -> bytes:
        self.place = Place(self.place.attempt, int(event["seq"]))
        self.judged = event["type"] == "verdict"
        return message(str(event["type"]), event, f"{self.place.attempt}-{self.place.seq}")

    async def _refresh(self) -> None:
        try:
            now = await sync_to_async(_look)(self.run.pk)
        except DatabaseError:
            await _pause()
            return
        self.run = now or self.run

    async def _rest(self) -> AsyncIterator[bytes]:
        """What the reader lacks of the finished log, and the end."""
        attempt, events = await sync_to_async(_log_of)(self.run)
        for part in self._turn_to(attempt):
            yield part
        for event in events:
            # a worker whose run was withdrawn goes on for a moment: the reader may have more than was kept
            if event["seq"] > self.place.seq or (event["type"] == "verdict" and not self.judged):
                yield self._sent(event)
        end = {"state": self.run.state, "verdict": self.run.verdict, "url": self.run.get_absolute_url()}
        yield message("end", end)


async def _pause() -> None:
    """Redis or PostgreSQL is away: ask again in a moment. The one wait here that no condition can replace."""
    await asyncio.sleep(IDLE_MS / 1000)
