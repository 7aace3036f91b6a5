"""Chinese text has a space between Han and Latin, its own punctuation, and a quiet voice."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.content.reading import CONTENT, Source, fences_of, slugs, source
from tests.content.spacing import problems


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("读 `spec` 的 Operator，第 3 次。", 0),
        ("读`spec`的 Operator", 2),
        ("第3次", 2),
        ("让 [[crd|CRD]] 本身", 0),
        ("让[[crd|CRD]]本身", 2),
        ("见[重试](chapter:x#y)一节", 0),
        ("好,不好", 1),
        ("太好了！", 1),
        ("**CRD**，以及", 0),
    ],
)
def test_the_linter_sees_what_it_should(text: str, count: int) -> None:
    assert len(problems(text)) == count, problems(text)


@pytest.mark.parametrize("chapter", [source(slug, "zh") for slug in slugs()], ids=slugs())
def test_chapters_keep_the_spacing(chapter: Source) -> None:
    titles = [chapter.front["title"], chapter.front["summary"], *chapter.front["interview"]]
    captions = [
        f.attributes["caption"].strip('"') for f in fences_of(chapter.body) if "caption" in f.attributes
    ]
    callouts = re.sub(r"^::: ?\w*", "", chapter.prose, flags=re.MULTILINE)
    # ` — ` and `|` are markup; the task list's remark follows the first
    assert problems("\n".join([*titles, *captions, callouts])) == []


def _chinese(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "zh" and isinstance(inner, str):
                yield inner
            else:
                yield from _chinese(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _chinese(inner)


@pytest.mark.parametrize("name", ["course.toml", "skills.toml", "glossary.toml"])
def test_data_keeps_the_spacing(name: str) -> None:
    texts = list(_chinese(tomllib.loads((CONTENT / name).read_text(encoding="utf-8"))))
    assert texts
    assert problems("\n".join(texts)) == []
