"""What people read, from content/: the order of chapters, chapters, terms. No database."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from labs.harness.events import Text

ROOT = Path(__file__).resolve().parents[3]
CONTENT = ROOT / "content"
LANGUAGES = ("zh", "en")


class BadContent(Exception):
    """A file below content/ breaks docs/reference/content-markdown.md; the message names it."""


def say(text: Text, language: str) -> str:
    return text.zh if language == "zh" else text.en


def text_of(value: Any, where: str) -> Text:
    """A Text from a TOML table with `zh` and `en`; raises BadContent when one is missing."""
    if not isinstance(value, dict) or not value.get("zh") or not value.get("en"):
        raise BadContent(f"{where}: needs zh and en")
    return Text(str(value["zh"]), str(value["en"]))


@dataclass(frozen=True)
class ChapterEntry:
    """A chapter's place in the course. `slug` is empty while it is being written."""

    slug: str
    number: str
    title: Text


@dataclass(frozen=True)
class Track:
    slug: str
    number: int
    title: Text
    summary: Text
    chapters: tuple[ChapterEntry, ...]


@dataclass(frozen=True)
class Term:
    id: str
    name: Text
    text: Text


@dataclass(frozen=True)
class Chapter:
    """One chapter in one language; `body` is the Markdown below the front matter."""

    slug: str
    language: str
    title: str
    summary: str
    minutes: int
    updated: dt.date | None
    labs: tuple[str, ...]
    skills: tuple[str, ...]
    interview: tuple[str, ...]
    body: str


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadContent(f"{path.name}: {error}") from error


def changed(path: Path) -> int:
    """Another number after each change of the file; 0 while there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def tracks(content: Path = CONTENT) -> tuple[Track, ...]:
    path = content / "course.toml"
    return _tracks_at(path, changed(path))


@lru_cache(maxsize=16)
def _tracks_at(path: Path, _changed: int) -> tuple[Track, ...]:
    return tuple(
        Track(
            slug=str(row["slug"]),
            number=int(row.get("number", 0)),
            title=text_of(row.get("title"), f"course.toml, track {row['slug']}"),
            summary=text_of(row.get("summary"), f"course.toml, track {row['slug']}"),
            chapters=tuple(_entry(chapter) for chapter in row.get("chapters", [])),
        )
        for row in _read_toml(path).get("tracks", [])
    )


def _entry(row: dict[str, Any]) -> ChapterEntry:
    number = str(row.get("number", ""))
    return ChapterEntry(str(row.get("slug", "")), number, text_of(row.get("title"), f"course.toml, {number}"))


def written(content: Path = CONTENT) -> list[ChapterEntry]:
    """The chapters that can be read, in the order of the course."""
    return [entry for track in tracks(content) for entry in track.chapters if entry.slug]


def terms(content: Path = CONTENT) -> Mapping[str, Term]:
    path = content / "glossary.toml"
    return _terms_at(path, changed(path))


@lru_cache(maxsize=16)
def _terms_at(path: Path, _changed: int) -> Mapping[str, Term]:
    return {
        key: Term(
            key, text_of(row, f"glossary.toml, {key}"), text_of(row.get("text"), f"glossary.toml, {key}")
        )
        for key, row in _read_toml(path).items()
    }


def chapter_file(slug: str, language: str, content: Path = CONTENT) -> Path:
    return content / language / f"{slug}.md"


def chapter(slug: str, language: str, content: Path = CONTENT) -> Chapter:
    """Raises KeyError for a slug that course.toml does not list; nothing else is looked up on disk."""
    if slug not in {entry.slug for entry in written(content)}:
        raise KeyError(slug)
    path = chapter_file(slug, language, content)
    if not path.is_file():
        raise KeyError(slug)
    return _chapter_at(slug, language, path, path.stat().st_mtime_ns)


@lru_cache(maxsize=128)
def _chapter_at(slug: str, language: str, path: Path, _changed: int) -> Chapter:
    front, body = split_front_matter(path.read_text(encoding="utf-8"), str(path.name))
    if not front.get("title"):
        raise BadContent(f"{language}/{slug}.md: needs a title")
    return Chapter(
        slug=slug,
        language=language,
        title=str(front["title"]),
        summary=str(front.get("summary", "")),
        minutes=int(front.get("minutes", 0)),
        updated=front.get("updated"),
        labs=tuple(front.get("labs", ())),
        skills=tuple(front.get("skills", ())),
        interview=tuple(front.get("interview", ())),
        body=body,
    )


def split_front_matter(text: str, where: str) -> tuple[dict[str, Any], str]:
    """The TOML between the first two lines of +++, and what follows."""
    if not text.startswith("+++\n"):
        return {}, text
    front, found, body = text[4:].partition("\n+++\n")
    if not found:
        raise BadContent(f"{where}: the front matter is not closed by +++")
    try:
        return tomllib.loads(front), body
    except tomllib.TOMLDecodeError as error:
        raise BadContent(f"{where}: {error}") from error


def neighbours(slug: str, content: Path = CONTENT) -> tuple[ChapterEntry | None, ChapterEntry | None]:
    """The chapters before and after this one."""
    order = written(content)
    here = next((i for i, entry in enumerate(order) if entry.slug == slug), -1)
    if here < 0:
        return None, None
    before = order[here - 1] if here else None
    after = order[here + 1] if here + 1 < len(order) else None
    return before, after
