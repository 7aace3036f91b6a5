"""What Django calls when a request cannot even be read: a broken multipart body, a host that is not served."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from labs.harness.events import Text
from lastmile.problems import Trouble

UNREADABLE = Text(
    zh="这个请求读不出来，没有处理。你的草稿还在；刷新页面后再试。",
    en="This request could not be read, and nothing was done. Your draft is safe; reload the page and try again.",
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 in both languages: whose request it is may not be known yet. JSON for programs."""
    if request.path.startswith("/api/") or request.headers.get("Accept", "").startswith("application/json"):
        return Trouble("unreadable", UNREADABLE, 400).response()
    return HttpResponse(render_to_string("400.html"), status=400)
