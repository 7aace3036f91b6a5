"""The instructor's dashboard and its live stream."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio
import redis.exceptions
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from labs.harness.events import Text
from lastmile.accounts.models import User
from lastmile.api.auth import reader_of
from lastmile.classroom.capacity import capacity
from lastmile.classroom.models import Classroom
from lastmile.classroom.standings import Standings
from lastmile.http import AuthedRequest, HttpRequest
from lastmile.practice.follow import KEEP_ALIVE, entries_of, event_stream, give_back, message
from lastmile.practice.streams import NEWS
from lastmile.problems import pick

BLOCK_MS = 10_000
AUTHORISED_SECONDS = 600.0  # after which an open stream ends, and its reader has to come again


def _get_classroom_for_instructor(slug: str, user: User) -> Classroom:
    classroom = get_object_or_404(Classroom, slug=slug)
    if not classroom.is_taught_by(user):
        raise Http404(slug)
    return classroom


@login_required
@never_cache
@require_GET
def dashboard(request: AuthedRequest, slug: str) -> HttpResponse:
    """The whole page, or its table alone when htmx asks."""
    classroom = _get_classroom_for_instructor(slug, request.user)
    standings = Standings(classroom)
    view = "checks" if request.GET.get("view") == "checks" else "table"
    context = {
        "classroom": {"name": pick(Text(classroom.title_zh, classroom.title_en)), "slug": classroom.slug},
        "labs": standings.columns(),
        "rows": standings.rows() if view == "table" else [],
        "stuck": standings.stuck(),
        "live": standings.live(),
        "by_check": standings.by_check() if view == "checks" else [],
        "capacity": capacity(),
        "view": view,
        "projector": "projector" in request.GET,
    }
    template = "classroom/_table.html" if request.htmx else "classroom/dashboard.html"
    return render(request, template, context)


@require_GET
async def events(request: HttpRequest, slug: str) -> HttpResponseBase:
    """SSE for instructors: at each change `event: run` {run, user, lab, state, verdict, attempt, …}.

    401 for nobody, 404 for somebody who does not teach the class.
    """
    learners = await sync_to_async(_learners_for)(request, slug)
    if learners is None:
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return event_stream(
        _news(learners, request.headers.get("Last-Event-ID", "") or request.GET.get("after", ""))
    )


def _learners_for(request: HttpRequest, slug: str) -> set[int] | None:
    """The learners' ids, None for nobody signed in. Raises Http404 for who does not teach the class."""
    try:
        user = reader_of(request)
        if user is None:
            return None
        classroom = _get_classroom_for_instructor(slug, user)
        return set(classroom.learners().values_list("pk", flat=True))
    finally:
        give_back()


async def _news(learners: set[int], last: str) -> AsyncIterator[bytes]:
    """The news of these learners' runs from `last` on, or from now."""
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_connect_timeout=2,
        socket_timeout=BLOCK_MS / 1000 + 5,
    )
    try:
        yield b"retry: 2000\n\n"
        place = last if _is_entry_id(last) else await _newest(client)
        yield message("hello", {}, place)
        until = time.monotonic() + AUTHORISED_SECONDS
        while time.monotonic() < until:  # EventSource comes again, and who may look is asked anew
            found = await client.xread({NEWS: place}, count=100, block=BLOCK_MS)
            if not found:
                yield KEEP_ALIVE
            for place, fields in entries_of(found):
                news: dict[str, Any] = json.loads(fields["news"])
                if news["user"] in learners:
                    yield message("run", news, place)
        yield b"retry: 100\n\n"
    except (redis.exceptions.RedisError, OSError):
        return  # EventSource comes again by itself and resumes
    finally:
        await client.aclose()


async def _newest(client: redis.asyncio.Redis) -> str:
    entries: Any = await client.xrevrange(NEWS, count=1)
    return str(entries[0][0]) if entries else "0-0"


def _is_entry_id(text: str) -> bool:
    first, _, second = text.partition("-")
    return all(part.isascii() and part.isdigit() and len(part) < 20 for part in (first, second))
