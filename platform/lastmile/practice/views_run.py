"""The permanent page of one run, which outlives its lab."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from labs.harness.events import Event
from lastmile.accounts.models import User
from lastmile.http import AuthedRequest
from lastmile.practice import catalog, pages, texts, withdrawing
from lastmile.practice.answers import answers_json
from lastmile.practice.models import CheckResult, Outcome, Run, RunLog
from lastmile.practice.proof import proof_of
from lastmile.problems import pick


def _get_run_for_user(run_id: UUID, user: User) -> Run:
    """404 for a run that is not theirs to see, the same as for one that is not there."""
    visible = Run.objects.visible_to(user).select_related("submission", "user")
    run = visible.filter(pk=run_id).first()
    if run is None:
        raise Http404(str(run_id))
    return run


@login_required
@never_cache
@require_GET
def run(request: AuthedRequest, run_id: UUID) -> HttpResponse:
    shown = _get_run_for_user(run_id, request.user)
    lab = catalog.find(shown.lab)
    is_owner = shown.user_id == request.user.pk
    before = Run.objects.of_lab(shown.user, shown.lab).filter(queued_at__lt=shown.queued_at)
    previous = before.select_related("submission").first()
    number = before.count() + 1
    passed = Run.objects.of_lab(request.user, shown.lab).filter(verdict=Outcome.PASS).exists()
    events = _events(shown)
    context = {
        "run": pages.run_row(shown, number),
        "lab": pages.lab_row(lab) if lab else pages.gone_row(shown.lab),
        "learner": shown.user.name,
        "is_owner": is_owner,
        "checks": check_results(shown, events),
        "diagnostics": _diagnostics(events),
        "all_diagnostics": [event for event in events if event["type"] == "diagnostic"],
        "measures": [event for event in events if event["type"] in ("traffic", "cost")],
        "files": pages.file_rows(shown, previous),
        "previous": pages.run_row(previous, number - 1) if previous else None,
        "timeline": [row for event in events if event["type"] == "timeline" for row in event["entries"]],
        "log": [_log_row(event) for event in events if event["type"] in ("log", "step")],
        "log_gone": shown.is_done and not events,
        "proof": proof_of(lab) if lab else None,
        "command": f"lastmile grade {shown.lab} . --seed {shown.seed}",
        "page_data": pages.page_data(lab, request.user, shown, passed) if lab else pages.gone_data(shown),
    }
    return render(request, "practice/run.html", context)


def _events(shown: Run) -> list[Event]:
    log = RunLog.objects.filter(run=shown).first()
    return log.events() if log else []


def _diagnostics(events: list[Event]) -> list[dict[str, Any]]:
    """One row for each place and sentence, whichever kernels said so; as byPlace() of refusals.js."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for event in events:
        if event["type"] == "diagnostic":
            text = event.get("text") if event["tool"] == "verifier" else None
            key = (
                event["tool"],
                event["file"],
                event["line"],
                event["column"],
                text["en"] if text else event["message"],
            )
            rows.setdefault(key, event | {"sentence": text[texts.language()] if text else ""})
    return list(rows.values())


def _log_row(event: Event) -> dict[str, Any]:
    common = {"at": event["at"], "kernel": event.get("kernel", "")}
    if event["type"] == "log":
        return common | {"stream": event["stream"], "text": event["text"], "command": ""}
    text = event["text"][texts.language()]
    return common | {"stream": event["source"], "text": text, "command": event.get("command", "")}


def check_results(shown: Run, events: list[Event]) -> list[dict[str, Any]]:
    """The ladder of a finished run, in the reader's language. `kernels` is the status on each, from its log."""
    kernels = {event["check"]: event.get("kernels", {}) for event in events if event["type"] == "check"}
    lab = catalog.find(shown.lab)
    titles = {check.id: pick(check.title) for check in lab.checks} if lab else {}
    sections = {row["id"]: row["url"] for row in pages.check_rows(lab, None)} if lab else {}
    return [
        {
            "id": check.check_id,
            "title": titles.get(check.check_id, check.check_id),
            "url": sections.get(check.check_id, ""),
            "status": check.status,
            "points": check.points,
            "of": check.of,
            "seconds": check.seconds,
            "kernels": kernels.get(check.check_id, {}),
            "failure": _failure(check),
        }
        for check in shown.checks.all()
    ]


def _failure(check: CheckResult) -> dict[str, str] | None:
    if not check.failure:
        return None
    language = texts.language()
    said = {key: check.failure[key][language] for key in ("tried", "saw", "expected", "hint")}
    return said | {"command": check.failure.get("command", "")}


@answers_json
@require_POST
def withdraw(request: AuthedRequest, run_id: UUID) -> HttpResponse:
    """End a run of one's own. Answers with the run, which has another verdict when it was over already."""
    return JsonResponse(pages.run_ref(withdrawing.withdraw(request.user, run_id)))


@login_required
@never_cache
@require_GET
def archive(request: AuthedRequest, run_id: UUID) -> HttpResponse:
    """The run's files as a zip, for `lastmile grade` elsewhere."""
    shown = _get_run_for_user(run_id, request.user)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, content in shown.submission.contents().items():
            packed.writestr(path, content)
    name = f"{shown.lab.replace('/', '-')}-{shown.pk}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(out.getvalue(), content_type="application/zip", headers=headers)
