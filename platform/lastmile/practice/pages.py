"""What the lab and run pages show, put together from rows and manifests. Shapes: templates/README.md."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import Any

from django.urls import reverse

from labs.harness.events import Text
from labs.harness.manifest import Lab
from lastmile.accounts.models import User
from lastmile.course import content
from lastmile.practice import catalog, drafts, environment, texts
from lastmile.practice.models import Draft, HintUse, Outcome, Run, SubmissionFile
from lastmile.practice.proof import proof_of
from lastmile.problems import pick

Row = dict[str, Any]
CONTEXT_LINES = 3
MOST_PAIRS = (
    400_000  # of lines that the comparisons of one page look at; some texts cost the cube of their length
)


def iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def lab_urls(lab: Lab) -> dict[str, str]:
    track, name = lab.slug.split("/")
    return {
        "draft": reverse("draft", args=[track, name]),
        "submit": reverse("submit", args=[track, name]),
        "upload": reverse("submit", args=[track, name]),
        "environment": reverse("environment", args=[track, name]),
        "hint": reverse("hints", args=[track, name, "CHECK"]),
        "events": _run_url("run-events"),
        "run": _run_url("run"),
        "withdraw": _run_url("run-withdraw"),
    }


def lab_row(lab: Lab) -> Row:
    track, name = lab.slug.split("/")
    return {
        "slug": lab.slug,
        "track": lab.track,
        "name": name,
        "title": pick(lab.title),
        "summary": texts.first_sentence(catalog.text(lab, "brief", texts.language())),
        "level": lab.level,
        "minutes": lab.minutes,
        "chapter": lab.chapter,
        "sandbox": lab.sandbox,
        "kernels": list(lab.kernels),
        "unavailable": bool(environment.unavailable(lab)),
        "checks": len(lab.checks),
        "url": reverse("lab", args=[track, name]),
    }


def labs_by_track(user: User | None) -> list[Row]:
    tracks: dict[str, Row] = {}
    titles = {track.slug: pick(track.title) for track in content.tracks()}
    best = _standings(user)
    drafted = set(Draft.objects.filter(user=user).values_list("lab", flat=True)) if user else set()
    for lab in catalog.everything():
        runs = best.get(lab.slug, [])
        track = tracks.setdefault(
            lab.track, {"slug": lab.track, "title": titles.get(lab.track, lab.track), "labs": []}
        )
        row = lab_row(lab) | standing(runs, lab.slug in drafted)
        track["labs"].append(
            row | {"proof": proof_of(lab), "chapter_url": reverse("chapter", args=[lab.chapter])}
        )
    return list(tracks.values())


def _standings(user: User | None) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    if user is not None:
        counted = Run.objects.filter(user=user).counted().exclude(verdict="")
        for run in counted.only("id", "lab", "verdict", "passed", "total"):
            found.setdefault(run.lab, []).append(run)
    return found


def standing(runs: list[Run], drafted: bool) -> Row:
    """How a learner stands with a lab, by the runs that count."""
    best = max(runs, key=lambda run: (run.verdict == Outcome.PASS, run.passed), default=None)
    if best is None:
        return {"status": "draft" if drafted else "none", "best": None}
    status = "passed" if best.verdict == Outcome.PASS else "failed"
    return {"status": status, "best": {"passed": best.passed, "total": best.total}}


def check_rows(lab: Lab, user: User | None) -> list[Row]:
    language = texts.language()
    hints = catalog.hints(lab, language)
    unlocked: dict[str, int] = {}
    if user is not None:
        for use in HintUse.objects.filter(user=user, lab=lab.slug):
            unlocked[use.check_id] = max(unlocked.get(use.check_id, 0), use.level)
    chapter = reverse("chapter", args=[lab.chapter])
    return [
        {
            "id": check.id,
            "title": pick(check.title),
            "points": check.points,
            "needs": list(check.needs),
            "section": check.section,
            "url": f"{chapter}#{check.section}",
            "hints": len(hints.get(check.id, [])),
            "unlocked": unlocked.get(check.id, 0),
            "opened": [
                {"level": level, "html": texts.html(text, language)}
                for level, text in enumerate(hints.get(check.id, [])[: unlocked.get(check.id, 0)], 1)
            ],
        }
        for check in lab.checks
    ]


def files_for_editor(lab: Lab, draft: Draft | None) -> list[Row]:
    starter = catalog.starter(lab)
    kept: dict[str, str] = dict(draft.files) if draft else {}
    rows = []
    for path in sorted(starter.keys() | kept.keys()):
        editable = catalog.is_editable(lab, path)
        original = starter.get(path, "")
        text = kept.get(path, original) if editable else original
        rows.append({"path": path, "text": text, "editable": editable, "starter": original})
    return sorted(rows, key=lambda row: not row["editable"])


def page_data(lab: Lab, user: User, run: Run | None, passed: bool) -> Row:
    draft = drafts.of(user, lab)
    return {
        "lab": lab.slug,
        "files": files_for_editor(lab, draft),
        "editable": list(lab.editable),
        "draft": {
            "saved_at": iso(draft.saved_at) if draft else None,
            "version": draft.version if draft else 0,
        },
        "urls": lab_urls(lab),
        "checks": check_rows(lab, user),
        "run": run_ref(run) if run else None,
        "passed": passed,
        "limit": lab.limits.seconds,
        "sandbox": lab.sandbox,
        "kernels": list(lab.kernels),
    }


def gone_row(slug: str) -> Row:
    """As lab_row(), of a lab that this installation no longer has."""
    return {"slug": slug, "title": slug, "url": "", "sandbox": "", "kernels": []}


def gone_data(run: Run) -> Row:
    """As page_data(), as far as the page of a finished run needs it."""
    return {
        "lab": run.lab,
        "checks": [],
        "run": run_ref(run),
        "sandbox": "",
        "kernels": [],
        "urls": {"withdraw": _run_url("run-withdraw")},
    }


def _run_url(name: str) -> str:
    """With RUN where the page puts a run's id."""
    nowhere = "00000000-0000-0000-0000-000000000000"
    return reverse(name, args=[nowhere]).replace(nowhere, "RUN")


def run_ref(run: Run) -> Row:
    return {
        "id": str(run.pk),
        "state": run.state,
        "verdict": run.verdict,
        "url": run.get_absolute_url(),
        "events_url": reverse("run-events", args=[run.pk]),
    }


def history(runs: list[Run], count: int) -> list[Row]:
    """The last of the learner's `count` runs of a lab, the newest first, each with the number of files it changed."""
    rows: list[Row] = []
    files = SubmissionFile.digests(run.submission_id for run in runs)
    before: dict[str, str] | None = None
    for number, run in enumerate(reversed(runs), count - len(runs) + 1):
        now = files.get(run.submission_id, {})
        changed = {path for path, _ in before.items() ^ now.items()} if before is not None else set()
        rows.append(run_row(run, number) | {"changed": len(changed)})
        before = now
    return rows[::-1]


def run_row(run: Run, number: int) -> Row:
    return {
        "id": str(run.pk),
        "number": number,
        "state": run.state,
        "verdict": run.verdict,
        "reason": pick(Text(run.reason_zh, run.reason_en)),
        "passed": run.passed,
        "total": run.total,
        "points": run.points,
        "of": run.of,
        "seconds": run.seconds,
        "created": run.queued_at,
        "finished": run.finished_at,
        "attempt": run.attempt,
        "seed": run.seed,
        "parts": run.parts,
        "quarantined": run.quarantined,
        "source": run.submission.source,
        "url": run.get_absolute_url(),
    }


def diff(old: str | None, new: str | None, room: int = MOST_PAIRS) -> list[Row]:
    """Lines of a unified view: {kind: same|add|del|skip|large, old, new, text}; numbers are 1-based or None.

    Comparing takes time for each pair of lines: what has more than `room` pairs that differ is one row, `large`.
    """
    before, after = (old or "").splitlines(), (new or "").splitlines()
    first, last = _alike(before, after)
    changed = before[first : len(before) - last], after[first : len(after) - last]
    if len(changed[0]) * len(changed[1]) > room:
        return [_line("large", None, None, "")]
    rows: list[Row] = []
    matcher = difflib.SequenceMatcher(None, *changed, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(CONTEXT_LINES)):
        if number or first + group[0][1] > 0:
            rows.append(_line("skip", None, None, ""))
        for tag, *ends in group:
            a, b, c, d = (first + end for end in ends)
            if tag == "equal":
                rows += [_line("same", a + n + 1, c + n + 1, before[a + n]) for n in range(b - a)]
                continue
            rows += [_line("del", n + 1, None, before[n]) for n in range(a, b)]
            rows += [_line("add", None, n + 1, after[n]) for n in range(c, d)]
    return rows


def _alike(before: list[str], after: list[str]) -> tuple[int, int]:
    """How many lines at the beginning and at the end are the same, less those that are shown around a change."""
    both = list(zip(before, after, strict=False))
    first = next((n for n, (a, b) in enumerate(both) if a != b), len(both))
    ends = zip(reversed(before[first:]), reversed(after[first:]), strict=False)
    last = next((n for n, (a, b) in enumerate(ends) if a != b), min(len(before), len(after)) - first)
    return max(first - CONTEXT_LINES, 0), max(last - CONTEXT_LINES, 0)


def _line(kind: str, old: int | None, new: int | None, text: str) -> Row:
    return {"kind": kind, "old": old, "new": new, "text": text}


def file_rows(run: Run, previous: Run | None) -> list[Row]:
    """The run's files, with what changed since the previous run of the same lab."""
    now = _texts(run)
    before = _texts(previous) if previous else {}
    rows = []
    paths = sorted(now.keys() | before.keys())
    differing = {path for path in paths if previous is not None and now.get(path) != before.get(path)}
    room = MOST_PAIRS // max(len(differing), 1)
    for path in paths:
        changed = path in differing
        rows.append(
            {
                "path": path,
                "text": now.get(path, ""),
                "gone": path not in now,
                "changed": changed,
                "diff": diff(before.get(path), now.get(path), room) if changed else [],
            }
        )
    return rows


def _texts(run: Run) -> dict[str, str]:
    return {path: content.decode("utf-8", "replace") for path, content in run.submission.contents().items()}
