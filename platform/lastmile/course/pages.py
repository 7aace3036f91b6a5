"""What the home and chapter pages show, put together from content/, labs/ and rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.urls import reverse
from django.utils.translation import get_language

from lastmile.accounts.models import User
from lastmile.course import content, render
from lastmile.course.models import ReadingPosition
from lastmile.practice import catalog
from lastmile.practice.models import Draft, Run
from lastmile.practice.proof import proof_of
from lastmile.problems import pick

Row = dict[str, Any]
RECORDED = content.CONTENT / "recorded_verdict.json"


def reader_language() -> str:
    """The page's language as content/ calls it: zh or en."""
    return "zh" if (get_language() or "zh-hans").startswith("zh") else "en"


def link(kind: str, target: str) -> str:
    slug, _, anchor = target.partition("#")
    if kind == "lab":
        track, _, name = slug.partition("/")
        place = reverse("lab", args=[track, name])
    else:
        place = reverse("chapter", args=[slug])
    return f"{place}#{anchor}" if anchor else place


@lru_cache(maxsize=64)
def _rendered(slug: str, language: str, _body: int, _terms: int) -> render.Rendered:
    return render.render(content.chapter(slug, language).body, language, content.terms(), link)


def rendered(chapter: content.Chapter) -> render.Rendered:
    """Keeps what was rendered until the text or the glossary changes."""
    glossary = hash(tuple(content.terms().values()))
    return _rendered(chapter.slug, chapter.language, hash(chapter.body), glossary)


def entry_row(entry: content.ChapterEntry | None) -> Row | None:
    if entry is None:
        return None
    url = reverse("chapter", args=[entry.slug]) if entry.slug else ""
    return {"slug": entry.slug, "number": entry.number, "title": pick(entry.title), "url": url}


def track_rows(user: User | None = None) -> list[Row]:
    read = {row.chapter: row.furthest for row in ReadingPosition.objects.filter(user=user)} if user else {}
    return [
        {
            "slug": track.slug,
            "number": track.number,
            "title": pick(track.title),
            "summary": pick(track.summary),
            "chapters": [
                (entry_row(entry) or {}) | {"read": read.get(entry.slug, 0)} for entry in track.chapters
            ],
        }
        for track in content.tracks()
    ]


def lab_rows(slugs: tuple[str, ...]) -> list[Row]:
    """The labs that exist among these, found by their manifests."""
    found = [catalog.find(slug) for slug in slugs]
    return [
        {
            "slug": lab.slug,
            "title": pick(lab.title),
            "minutes": lab.minutes,
            "level": lab.level,
            "checks": len(lab.checks),
            "sandbox": lab.sandbox,
            "url": link("lab", lab.slug),
        }
        for lab in found
        if lab
    ]


def first_with_lab() -> Row | None:
    """Where a newcomer may begin: the first chapter that has a lab, with its labs."""
    for entry in content.written():
        labs = lab_rows(content.chapter(entry.slug, reader_language()).labs)
        row = entry_row(entry)
        if labs and row:
            return row | {"labs": labs}
    return None


def term_rows(ids: tuple[str, ...], language: str) -> list[Row]:
    terms = content.terms()
    return [{"id": id_, "html": render.term_card(terms[id_], language)} for id_ in ids]


@dataclass(frozen=True)
class Stop:
    """A place to go on from; `kind` is chapter or lab."""

    kind: str
    title: str
    url: str
    at: Any
    part: float = 0
    passed: int = 0
    total: int = 0
    check: str = ""
    submitted: bool = False


def last_stop(user: User) -> Stop | None:
    """Where the learner stopped: the lab or the chapter that they touched last."""
    stops = [stop for stop in (_lab_stop(user), _chapter_stop(user)) if stop]
    return max(stops, key=lambda stop: stop.at, default=None)


def _chapter_stop(user: User) -> Stop | None:
    row = ReadingPosition.objects.filter(user=user).first()
    titles = {entry.slug: entry for entry in content.written()}
    if row is None or row.chapter not in titles:
        return None
    entry = titles[row.chapter]
    anchor = f"#{row.anchor}" if row.anchor else ""
    return Stop(
        "chapter",
        f"{entry.number} {pick(entry.title)}",
        link("chapter", row.chapter) + anchor,
        row.at,
        row.part,
    )


def _lab_stop(user: User) -> Stop | None:
    draft = Draft.objects.filter(user=user).order_by("-saved_at").first()
    run = Run.objects.filter(user=user).counted().first()
    touched = [(draft.saved_at, draft.lab)] if draft else []
    touched += [(run.finished_at or run.queued_at, run.lab)] if run else []
    if not touched:
        return None
    at, slug = max(touched)
    lab = catalog.find(slug)
    if lab is None:
        return None
    latest = Run.objects.of_lab(user, slug).filter(state="done").counted().first()
    failed = latest.checks.filter(status="failed").first() if latest else None
    titles = {check.id: pick(check.title) for check in lab.checks}
    return Stop(
        "lab",
        pick(lab.title),
        link("lab", slug),
        at,
        passed=latest.passed if latest else 0,
        total=latest.total if latest else len(lab.checks),
        check=titles.get(failed.check_id, "") if failed else "",
        submitted=latest is not None,
    )


def recorded_verdict() -> Row | None:
    """A run that was really graded, as its events, for the page that strangers see."""
    if not RECORDED.is_file():
        return None
    found: Row = json.loads(RECORDED.read_text(encoding="utf-8"))
    lab = catalog.find(str(found["lab"]))
    if lab is None:
        return None
    checks = [{"id": check.id, "title": pick(check.title)} for check in lab.checks]
    seconds = next((event["seconds"] for event in found["events"] if event["type"] == "verdict"), 0.0)
    more = {"title": pick(lab.title), "checks": checks, "seconds": seconds, "proof": proof_of(lab)}
    return found | more
