"""Markdown of labs as HTML, with the course's renderer."""

from __future__ import annotations

import re
from functools import lru_cache

from lastmile.course import content, render
from lastmile.problems import reader_is_chinese

_SENTENCE = re.compile(r".*?(?:。|[.?!](?=\s|$))", re.DOTALL)


def first_sentence(markdown: str) -> str:
    """The first sentence below the headings, as plain text; "" where there is none."""
    paragraphs = (part.strip() for part in markdown.split("\n\n"))
    first = next((part for part in paragraphs if part and not part.startswith("#")), "")
    plain = " ".join(first.replace("`", "").split())
    found = _SENTENCE.match(plain)
    return found.group() if found else plain


def language() -> str:
    """The reader's, as content/ and labs/ call it."""
    return "zh" if reader_is_chinese() else "en"


def html(markdown: str, of: str) -> str:
    """Safe HTML in the language `of`: the renderer escapes what is not Markdown."""
    return _rendered(markdown, of) if markdown else ""


@lru_cache(maxsize=256)
def _rendered(markdown: str, of: str) -> str:
    return render.render(markdown, of, content.terms()).html
