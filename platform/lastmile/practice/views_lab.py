"""The lab page and what it sends: drafts, submissions, hints."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labs.harness.events import Text
from labs.harness.manifest import Lab
from lastmile.accounts.models import User
from lastmile.http import AuthedRequest, HttpRequest
from lastmile.practice import catalog, drafts, forms, pages, receiving, texts
from lastmile.practice.answers import answers_json
from lastmile.practice.environment import of_lab
from lastmile.practice.models import HintUse, Outcome, Run, Source
from lastmile.practice.proof import proof_of
from lastmile.problems import Trouble, pick

HISTORY = 40  # runs that the lab page lists


@never_cache
@require_GET
def labs(request: HttpRequest) -> HttpResponse:
    user = request.user if isinstance(request.user, User) else None
    return render(request, "practice/labs.html", {"tracks": pages.labs_by_track(user)})


@login_required
@never_cache
@require_GET
def lab(request: AuthedRequest, track: str, name: str) -> HttpResponse:
    chosen = catalog.get_or_404(f"{track}/{name}")
    mine = Run.objects.of_lab(request.user, chosen.slug)
    runs = list(mine.select_related("submission")[:HISTORY])
    passed = _has_passed(request.user, chosen)
    language = texts.language()
    context = {
        "lab": pages.lab_row(chosen) | {"checks": pages.check_rows(chosen, request.user)},
        "brief": texts.html(catalog.text(chosen, "brief", language), language),
        "debrief": texts.html(catalog.text(chosen, "debrief", language), language) if passed else "",
        "solution": _files(catalog.solution(chosen)) if passed else [],
        "other_solutions": catalog.other_solutions(chosen) if passed else [],
        "proof": proof_of(chosen),
        "history": pages.history(runs, mine.count()),
        "page_data": pages.page_data(chosen, request.user, runs[0] if runs else None, passed),
    }
    return render(request, "practice/lab.html", context)


def _has_passed(user: User, chosen: Lab) -> bool:
    return Run.objects.of_lab(user, chosen.slug).filter(verdict=Outcome.PASS).exists()


def _files(texts_by_path: dict[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "text": text} for path, text in texts_by_path.items()]


@login_required
@never_cache
@require_GET
def solution(request: AuthedRequest, track: str, name: str, other: str) -> HttpResponse:
    """Another right answer. 404 before a pass, as for one that is not there."""
    chosen = catalog.get_or_404(f"{track}/{name}")
    if other not in catalog.other_solutions(chosen) or not _has_passed(request.user, chosen):
        raise Http404(other)
    files = _files(catalog.solution(chosen, other))
    context = {"lab": pages.lab_row(chosen), "name": other, "solution": files}
    return render(request, "practice/solution.html", context)


@answers_json
@require_http_methods(["PUT"])
def draft(request: AuthedRequest, track: str, name: str) -> HttpResponse:
    chosen = catalog.get_or_404(f"{track}/{name}")
    found = forms.body(request)
    kept = drafts.save(request.user, chosen, forms.texts(found), forms.version(found))
    return JsonResponse({"saved_at": kept.saved_at.isoformat(), "version": kept.version})


@answers_json
@require_POST
def submit(request: AuthedRequest, track: str, name: str) -> HttpResponse:
    """JSON `files` or a multipart `archive`. 201 for a new run, 200 for one that was received before."""
    chosen = catalog.get_or_404(f"{track}/{name}")
    key = request.headers.get("Idempotency-Key", "") or request.POST.get("key", "")
    source = Source.EDITOR if forms.is_json(request) else Source.UPLOAD
    given = forms.submission(request, chosen)
    receipt = receiving.receive(request.user, chosen, given, key, source)
    if not forms.is_json(request) and not request.accepts("application/json"):
        return redirect(receipt.run)
    return JsonResponse(received(receipt), status=201 if receipt.fresh else 200)


def received(receipt: receiving.Receipt) -> dict[str, Any]:
    """What the learner is told once their work is safe."""
    run = receipt.run
    waits = Text(
        zh="已收到，正在等队列恢复；不用重新提交。",
        en="Received; waiting for the queue to come back. No need to submit again.",
    )
    words = waits if run.waits_unpublished else Text(zh="已收到。", en="Received.")
    return pages.run_ref(run) | {
        "lab": run.lab,
        "queued": not run.waits_unpublished,
        "text": pick(words),
        **words.json(),
    }


@answers_json
@never_cache
@require_GET
def environment(request: AuthedRequest, track: str, name: str) -> HttpResponse:
    """What a run would find now: see lastmile.practice.environment."""
    return JsonResponse(of_lab(catalog.get_or_404(f"{track}/{name}")))


@answers_json
@require_POST
def hints(request: AuthedRequest, track: str, name: str, check: str) -> HttpResponse:
    """Open hint `level` of a check; the levels before it must be open. Recorded."""
    chosen = catalog.get_or_404(f"{track}/{name}")
    language = texts.language()
    levels = catalog.hints(chosen, language).get(check, [])
    level = request.GET.get("level", "1")
    if level not in map(str, range(1, len(levels) + 1)):
        raise Http404(check)
    number = int(level)
    opened = HintUse.objects.filter(user=request.user, lab=chosen.slug, check_id=check, level=number - 1)
    if number > 1 and not opened.exists():
        text = Text(zh=f"先打开第 {number - 1} 级提示。", en=f"Open hint {number - 1} first.")
        raise Trouble("hint_locked", text, 409)
    HintUse.objects.get_or_create(user=request.user, lab=chosen.slug, check_id=check, level=number)
    return JsonResponse(
        {"level": number, "of": len(levels), "html": texts.html(levels[number - 1], language)}
    )
