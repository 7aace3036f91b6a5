"""HTTP API v1, which the command line uses: bearer tokens, JSON, errors in both languages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from labs.harness.events import Text
from labs.harness.manifest import Lab
from lastmile.accounts.models import User
from lastmile.api.auth import bearer
from lastmile.practice import catalog, forms, pages, receiving, withdrawing
from lastmile.practice.models import Run, Source
from lastmile.practice.views_lab import received
from lastmile.problems import Trouble

NO_TOKEN = Text(
    zh="需要有效的 API 令牌：登录网站，在账号菜单的“命令行”页面生成一个，放在 Authorization: Bearer 里。",
    en="A valid API token is needed: make one on the tokens page and send it as Authorization: Bearer.",
)
NOT_FOUND = Text(zh="没有这个资源，或者它不是你的。", en="There is nothing here, or it is not yours.")


def for_token(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Ask for a token, never for a session: no browser can be tricked into sending one, so no CSRF token."""

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = bearer(request)
        if user is None:
            refused = Trouble("no_token", NO_TOKEN, 401).response()
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        request.user = user
        try:
            return view(request, user, *args, **kwargs)
        except Trouble as trouble:
            return trouble.response()
        except Http404:
            return Trouble("not_found", NOT_FOUND, 404).response()

    return wrapped


@for_token
@require_GET
def labs(request: HttpRequest, user: User) -> HttpResponse:
    return JsonResponse({"labs": [_lab(lab) for lab in catalog.everything()]})


def _lab(lab: Lab) -> dict[str, Any]:
    return {
        "slug": lab.slug,
        "title": lab.title.json(),
        "level": lab.level,
        "minutes": lab.minutes,
        "editable": list(lab.editable),
        "checks": [{"id": c.id, "title": c.title.json(), "points": c.points} for c in lab.checks],
        "url": reverse("lab", args=lab.slug.split("/")),
    }


@for_token
@require_POST
def submissions(request: HttpRequest, user: User) -> HttpResponse:
    """JSON {lab, files} or multipart `lab` and `archive`; header Idempotency-Key. 201, or 200 when known."""
    found = forms.body(request) if forms.is_json(request) else None
    slug = found.get("lab") if found is not None else request.POST.get("lab")
    lab = catalog.get_or_404(slug if isinstance(slug, str) else "")
    given = forms.submission(request, lab, found)
    receipt = receiving.receive(user, lab, given, request.headers.get("Idempotency-Key", ""), Source.API)
    told = received(receipt) | _urls(receipt.run)
    return JsonResponse(told, status=201 if receipt.fresh else 200)


def _urls(run: Run) -> dict[str, str]:
    return {
        "api_url": reverse("api-run", args=[run.pk]),
        "events_url": reverse("api-run-events", args=[run.pk]),
    }


@for_token
@require_GET
def run(request: HttpRequest, user: User, run_id: UUID) -> HttpResponse:
    shown = Run.objects.visible_to(user).filter(pk=run_id).first()
    if shown is None:
        raise Http404
    return JsonResponse(_run(shown))


@for_token
@require_POST
def withdraw(request: HttpRequest, user: User, run_id: UUID) -> HttpResponse:
    """End a run of one's own; one that is over already stays as it is."""
    return JsonResponse(_run(withdrawing.withdraw(user, run_id)))


def _run(shown: Run) -> dict[str, Any]:
    checks = [
        {
            "id": c.check_id,
            "status": c.status,
            "points": c.points,
            "of": c.of,
            "seconds": c.seconds,
            "failure": c.failure,
        }
        for c in shown.checks.all()
    ]
    return {
        "id": str(shown.pk),
        "lab": shown.lab,
        "state": shown.state,
        "verdict": shown.verdict or None,
        "attempt": shown.attempt,
        "position": shown.position() if shown.state == "queued" else None,
        "passed": shown.passed,
        "total": shown.total,
        "points": shown.points,
        "of": shown.of,
        "seconds": shown.seconds,
        "seed": shown.seed,
        "reason": {"zh": shown.reason_zh, "en": shown.reason_en},
        "queued_at": pages.iso(shown.queued_at),
        "finished_at": pages.iso(shown.finished_at),
        "checks": checks,
        "url": shown.get_absolute_url(),
        **_urls(shown),
    }
