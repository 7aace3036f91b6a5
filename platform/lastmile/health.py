"""GET /healthz for probes: whether PostgreSQL and Redis answer."""

from __future__ import annotations

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from redis.exceptions import RedisError

from lastmile.practice.streams import client


@never_cache
@require_GET
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when both do. Without Redis the site still works, so that alone is said but is no failure."""
    found = {"postgresql": _postgresql(), "redis": _redis()}
    return JsonResponse(found, status=200 if found["postgresql"] else 503)


def _postgresql() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _redis() -> bool:
    try:
        return bool(client().ping())
    except RedisError:
        return False
