"""Markdown of labs as HTML, with the course's renderer."""

from __future__ import annotations

from functools import lru_cache

from lastmile.course import content, render
from lastmile.problems import reader_is_chinese


def language() -> str:
    """The reader's, as content/ and labs/ call it."""
    return "zh" if reader_is_chinese() else "en"


def html(markdown: str, of: str) -> str:
    """Safe HTML in the language `of`: the renderer escapes what is not Markdown."""
    return _rendered(markdown, of) if markdown else ""


@lru_cache(maxsize=256)
def _rendered(markdown: str, of: str) -> str:
    return render.render(markdown, of, content.terms()).html
