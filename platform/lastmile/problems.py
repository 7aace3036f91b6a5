"""Errors that a learner reads, in both languages, with the code that programs go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import JsonResponse
from django.utils.translation import get_language

from labs.harness.events import Text

JSON = dict[str, Any]


def reader_is_chinese() -> bool:
    return (get_language() or "zh-hans").startswith("zh")


def pick(text: Text) -> str:
    """The sentence in the language of the page that is being made."""
    return text.zh if reader_is_chinese() else text.en


@dataclass
class Trouble(Exception):
    """Something the learner asked for cannot be done. Says what happened, whether work is safe, what to do.

    `places` are the files and lines concerned, if any.
    """

    code: str
    text: Text
    status: int = 400
    places: Sequence[JSON] = ()
    extra: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.code)

    def json(self) -> JSON:
        """{"code", "text", "zh", "en", "problems": [{"file", "line", "text", "zh", "en"}], …extra}."""
        rows = [row | {"text": row["zh"] if reader_is_chinese() else row["en"]} for row in self.places]
        if not rows:
            rows = [{"file": "", "line": 0, "text": pick(self.text), **self.text.json()}]
        return {
            "code": self.code,
            "text": pick(self.text),
            **self.text.json(),
            "problems": rows,
            **self.extra,
        }

    def response(self) -> JsonResponse:
        answer = JsonResponse(self.json(), status=self.status, content_type="application/problem+json")
        if "retry_after" in self.extra:
            answer.headers["Retry-After"] = str(self.extra["retry_after"])
        return answer
