"""How a lab's grader.py says what it checks.

    @check("children")
    def children(lab: OperatorLab) -> None:
        ...
        raise Failed(tried=Text(...), saw=Text(...), expected=Text(...), hint=Text(...))

lab.toml lists the checks in order, with titles, points and needs; grader.py gives each a function
of the same id. A check that returns has passed. A check that raises Failed has failed; one that
raises anything else is our fault and makes the verdict `internal`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labs.harness.events import Text

MAX_TEXT = 12_000  # letters, of which one takes six bytes of JSON at most
CheckFunction = Callable[[Any], None]
_registry: dict[str, CheckFunction] = {}
_preparations: list[CheckFunction] = []


@dataclass
class Failed(Exception):
    """The learner's program did not do what the brief asks.

    `tried` is what the grader did, `saw` what came of it, `expected` what the brief promises, and
    `hint` one sentence computed from the learner's own state. `command` is what a person could
    paste into a shell in the sandbox to see the same. `kernel` is filled in by the runner.
    """

    tried: Text
    saw: Text
    expected: Text
    hint: Text
    command: str = ""
    kernel: str = ""

    def json(self) -> dict[str, Any]:
        """What a learner's program said may be part of each text: all of it together fits a message."""
        return {
            "tried": _cut(self.tried).json(),
            "saw": _cut(self.saw).json(),
            "expected": _cut(self.expected).json(),
            "hint": _cut(self.hint).json(),
            "command": self.command[:MAX_TEXT],
            **({"kernel": self.kernel} if self.kernel else {}),
        }


def _cut(text: Text) -> Text:
    zh, en = (said if len(said) <= MAX_TEXT else said[:MAX_TEXT] + "…" for said in (text.zh, text.en))
    return Text(zh, en)


class NotInTime(TimeoutError):
    """A wait of the grader ran out because the learner's program did not do its part.

    A check that lets it through has failed, with `what` as what was seen.
    """

    def __init__(self, what: Text) -> None:
        super().__init__(what.en)
        self.what = what


def check(id_: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register the function that decides check `id_` of the lab being loaded."""

    def register(function: CheckFunction) -> CheckFunction:
        if id_ in _registry:
            raise ValueError(f"check {id_!r} is defined twice")
        _registry[id_] = function
        return function

    return register


def registered() -> dict[str, CheckFunction]:
    return dict(_registry)


def prepare(function: CheckFunction) -> CheckFunction:
    """Register what runs once before the first check, say to install the lab's CRD. Its failure is ours."""
    if _preparations:
        raise ValueError("a lab has one @prepare function")
    _preparations.append(function)
    return function


def preparation() -> CheckFunction | None:
    return _preparations[0] if _preparations else None


def forget() -> None:
    """Empty the registry, before another lab's grader is loaded into the same process."""
    _registry.clear()
    _preparations.clear()
