"""A small linter for Chinese text: where a space belongs, and where the wrong punctuation stands."""

from __future__ import annotations

import re

_HAN = r"[\u4e00-\u9fff]"
_LATIN = r"[A-Za-z0-9]"
_CODE = re.compile(r"`[^`\n]+`")
_TERM = re.compile(r"\[\[[\w.-]+(?:\|([^\]\n]+))?\]\]")
_LINK = re.compile(r"\[([^\]\n]*)\]\([^)\n]*\)")
_RULES = (
    (re.compile(rf"{_HAN}{_LATIN}"), "no space before a Latin word"),
    (re.compile(rf"{_LATIN}{_HAN}"), "no space after a Latin word"),
    (re.compile(rf"{_HAN}[,;:?!]"), "half-width punctuation after a Han character"),
    (re.compile(r"[，。；：？！、] "), "a space after full-width punctuation"),
    (re.compile(r" [，。；：？！、]"), "a space before full-width punctuation"),
    (re.compile(r"！"), "an exclamation mark"),
    (re.compile(r"您"), "您 instead of 你"),
    (re.compile(rf"{_HAN} {_HAN}"), "a space between Han characters"),
)


def problems(text: str) -> list[str]:
    """One line each: what is wrong and where. Markup is looked through, code counts as a Latin word."""
    plain = _LINK.sub(r"\1", _TERM.sub(lambda m: m[1] or "x", _CODE.sub("x", text)))
    # Markdown wants the space behind a full stop that is bold; a reader does not see it
    plain = re.sub(r"\{#[\w-]+\}", "", plain).replace("。** ", "。").replace("**", "")
    found = []
    for line in plain.splitlines():
        for rule, words in _RULES:
            found += [
                f"{words}: …{line[max(0, m.start() - 8) : m.end() + 8]}…" for m in rule.finditer(line.strip())
            ]
    return found
