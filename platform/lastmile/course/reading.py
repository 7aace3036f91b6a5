"""A chapter's page but for what belongs to its reader: made once, and again when a file of it changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe

from lastmile.course import content, pages
from lastmile.practice import catalog


@dataclass(frozen=True)
class Reading:
    """`html` is the table of contents and the article."""

    chapter: content.Chapter
    number: str
    html: SafeString


def reading(slug: str, language: str) -> Reading:
    """In `language`, zh or en. Raises KeyError for a slug that course.toml does not list."""
    found = content.chapter(slug, language)
    files = (content.CONTENT / "course.toml", content.CONTENT / "glossary.toml")
    versions = (*map(content.changed, files), *map(catalog.changed, found.labs), hash(found.body))
    return _made(slug, language, versions)


@lru_cache(maxsize=64)
def _made(slug: str, language: str, _versions: tuple[int, ...]) -> Reading:
    with translation.override("zh-hans" if language == "zh" else "en"):
        return _make(content.chapter(slug, language))


def _make(found: content.Chapter) -> Reading:
    slug, language = found.slug, found.language
    text = pages.rendered(found)
    before, after = content.neighbours(slug)
    entry = next(entry for entry in content.written() if entry.slug == slug)
    tracks = pages.track_rows()
    context = {
        "chapter": found,
        "number": entry.number,
        "track": next(track for track in tracks if any(row["slug"] == slug for row in track["chapters"])),
        "html": text.html,
        "headings": [heading for heading in text.headings if heading.level in (2, 3)],
        "terms": pages.term_rows(text.terms, language),
        "labs": pages.lab_rows(found.labs),
        "before": pages.entry_row(before),
        "after": pages.entry_row(after),
    }
    return Reading(found, entry.number, mark_safe(render_to_string("course/_reading.html", context)))
