"""What the tests of content/ look at: chapters in pairs, their fences, their call-outs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lastmile.course.content import split_front_matter

ROOT = Path(__file__).parents[2]
CONTENT = ROOT / "content"
EXAMPLES = CONTENT / "examples"
LANGUAGES = ("zh", "en")

_FENCE = re.compile(
    r"^(?P<ticks>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=ticks)\s*$", re.MULTILINE | re.DOTALL
)
_CALLOUT = re.compile(
    r"^::: (?P<kind>\w+) *(?P<title>[^\n]*)\n(?P<text>.*?)^:::\s*$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^(?P<level>##+) (?P<title>.*?)(?: \{#(?P<id>[\w-]+)\})?$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    language: str
    attributes: dict[str, str]
    text: str


@dataclass(frozen=True)
class Callout:
    kind: str
    title: str
    text: str


def fences_of(text: str) -> list[Fence]:
    found = []
    for match in _FENCE.finditer(text):
        language, _, rest = match["info"].strip().partition(" ")
        attributes = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', rest.strip("{} ")))
        found.append(Fence(language, attributes, match["text"]))
    return found


@dataclass(frozen=True)
class Source:
    """One chapter in one language, as its file has it."""

    path: Path

    @cached_property
    def front(self) -> dict[str, Any]:
        return split_front_matter(self.path.read_text(encoding="utf-8"), str(self.path))[0]

    @cached_property
    def body(self) -> str:
        return split_front_matter(self.path.read_text(encoding="utf-8"), str(self.path))[1]

    @cached_property
    def prose(self) -> str:
        """The body without code."""
        return _FENCE.sub("", self.body)

    @cached_property
    def headings(self) -> list[tuple[str, str]]:
        """(level, anchor); the anchor is empty where the heading has none."""
        return [(m["level"], m["id"] or "") for m in _HEADING.finditer(self.prose)]

    @cached_property
    def fences(self) -> list[Fence]:
        return fences_of(self.body)

    @cached_property
    def callouts(self) -> list[Callout]:
        return [Callout(m["kind"], m["title"], m["text"]) for m in _CALLOUT.finditer(self.body)]


def slugs() -> list[str]:
    """Of the files, whether or not course.toml lists them."""
    return sorted(str(p.relative_to(CONTENT / "zh").with_suffix("")) for p in (CONTENT / "zh").rglob("*.md"))


def source(slug: str, language: str) -> Source:
    return Source(CONTENT / language / f"{slug}.md")


def sources() -> list[Source]:
    return [source(slug, language) for slug in slugs() for language in LANGUAGES]
