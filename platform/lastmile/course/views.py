"""Home, chapters and the frame that draws diagrams."""

from __future__ import annotations

import json
import math

from django.contrib.auth.decorators import login_required
from django.db.models import Value
from django.db.models.functions import Greatest
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from lastmile.accounts.models import User
from lastmile.course import content, pages
from lastmile.course.models import ReadingPosition
from lastmile.course.reading import reading
from lastmile.http import AuthedRequest, HttpRequest
from lastmile.practice import catalog
from lastmile.practice.models import Run
from lastmile.problems import pick
from lastmile.skills import matrix

# mermaid measures text with <style> elements of its own; nothing of a learner's is ever shown in the frame.
FRAME_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@never_cache
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if not isinstance(request.user, User):
        welcome = {
            "tracks": pages.track_rows(),
            "recorded": pages.recorded_verdict(),
            "labs": len(catalog.everything()),
        }
        return render(request, "course/welcome.html", welcome)
    user = request.user
    context: dict[str, object] = {
        "stop": pages.last_stop(user),
        "first": pages.first_with_lab(),
        "matrix": matrix.of(user),
        "tracks": pages.track_rows(user),
        "runs": [_run_row(run) for run in Run.objects.filter(user=user)[:5]],
    }
    return render(request, "course/home.html", context)


def _run_row(run: Run) -> dict[str, object]:
    title = pick(catalog.title(run.lab))
    return {"run": run, "title": title, "status": run.verdict or run.state}


@never_cache
@require_GET
def chapters(request: HttpRequest) -> HttpResponse:
    user = request.user if isinstance(request.user, User) else None
    return render(request, "course/chapters.html", {"tracks": pages.track_rows(user)})


@never_cache
@require_GET
def chapter(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        found = reading(slug, pages.reader_language())
    except KeyError as error:
        raise Http404(slug) from error
    user = request.user if isinstance(request.user, User) else None
    position = ReadingPosition.objects.filter(user=user, chapter=slug).first() if user else None
    return render(request, "course/chapter.html", {"reading": found, "position": position})


@login_required
@require_http_methods(["PUT"])
def position(request: AuthedRequest, slug: str) -> HttpResponse:
    """Keep where the reader is: {"anchor", "part"}. 204, or 400 when it is no such thing."""
    if slug not in {entry.slug for entry in content.written()}:
        raise Http404(slug)
    try:
        given = json.loads(request.body)
        anchor, part = str(given["anchor"])[:80], float(given["part"])
        anchor.encode()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return HttpResponse(status=400)
    if not math.isfinite(part) or "\0" in anchor:
        return HttpResponse(status=400)
    part = min(max(part, 0.0), 1.0)
    place = {"anchor": anchor, "part": part, "at": timezone.now()}
    ReadingPosition.objects.update_or_create(
        user=request.user,
        chapter=slug,
        defaults=place | {"furthest": Greatest("furthest", Value(part))},
        create_defaults=place | {"furthest": part},
    )
    return HttpResponse(status=204)


@require_GET
def diagram_frame(request: HttpRequest) -> HttpResponse:
    """A hidden frame with a policy of its own, so that every page can keep the strict one."""
    response = render(request, "course/diagram_frame.html")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
