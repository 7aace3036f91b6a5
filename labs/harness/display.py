"""Shows a run in a terminal, live: one rung for each check, with what was tried, seen and expected."""

from __future__ import annotations

import os
import sys
from typing import Any, Literal, TextIO

from labs.harness.events import Event
from labs.harness.manifest import Lab

Language = Literal["zh", "en"]
_COLOURS = {"green": "32", "red": "31", "yellow": "33", "dim": "2", "bold": "1"}
_MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "dim")}
_VERDICTS = {
    "pass": ("通过", "pass", "green"),
    "fail": ("还没通过", "fail", "red"),
    "error": ("没能运行", "error", "red"),
    "internal": ("我们的错", "internal", "yellow"),
    "withdrawn": ("已撤回", "withdrawn", "yellow"),  # on the site, while somebody follows the run here
}
_PARTS = (
    ("tried", "做了什么", "tried"),
    ("saw", "看到什么", "saw"),
    ("expected", "应当怎样", "expected"),
    ("hint", "提示", "hint"),
)
_STATES = {
    "building": ("编译中", "building"),
    "leasing": ("等待沙箱", "waiting for a sandbox"),
    "grading": ("评测中", "grading"),
}


def language_of(named: str | None) -> Language:
    """The reader's language: --lang, else what LC_ALL, LC_MESSAGES or LANG says, else English."""
    variables = ("LC_ALL", "LC_MESSAGES", "LANG")
    told = named or next((os.environ[name] for name in variables if os.environ.get(name)), "")
    return "zh" if told.lower().startswith("zh") else "en"


class Display:
    """A sink of events. `log` also shows what the learner's program prints."""

    def __init__(
        self, lab: Lab | None, language: Language, log: bool = False, out: TextIO = sys.stdout
    ) -> None:
        self._lab, self._language, self._show_log, self._out = lab, language, log, out
        self._colour = out.isatty() and "NO_COLOR" not in os.environ

    def __call__(self, event: Event) -> None:
        shower = getattr(self, f"_on_{event['type']}", None)
        if shower:
            shower(event)

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colour else text

    def pick(self, text: Any) -> str:
        """The reader's half of {zh, en}; a plain string is both."""
        return str(text.get(self._language, "")) if isinstance(text, dict) else str(text)

    def words(self, zh: str, en: str) -> str:
        return zh if self._language == "zh" else en

    def _on_state(self, event: Event) -> None:
        if event["state"] in _STATES:
            self.say(self.paint(f"  … {self.words(*_STATES[event['state']])}", "dim"))

    def _on_step(self, event: Event) -> None:
        if event["source"] == "grader" and not event.get("seconds"):
            return  # the rung tells it when it fails
        took = f"  {event['seconds']:.1f} s" if event.get("seconds") else ""
        self.say(self.paint(f"    {self.pick(event['text'])}{took}", "dim"))

    def _on_diagnostic(self, event: Event) -> None:
        place = f"{event['file']}:{event['line']}:{event['column']}" if event["line"] else event["file"]
        colour = "red" if event["tool"] in ("build", "submission") else "yellow"
        message = self.pick(event.get("text") or event["message"])
        self.say(f"  {self.paint(event['tool'], colour)} {place}{': ' if place else ''}{message}")

    def _on_log(self, event: Event) -> None:
        if self._show_log and event["stream"] == "operator":
            for line in event["text"].split("\n"):
                self.say(self.paint(f"    │ {line}", "dim"))

    def _on_check(self, event: Event) -> None:
        if event["status"] == "running":
            return
        mark, colour = _MARKS[event["status"]]
        took = f"{event['seconds']:6.1f} s" if event.get("seconds") is not None else "        "
        self.say(f"  {self.paint(mark, colour)} {took}  {self._title(event['check'])}")
        if event.get("failure"):
            self._explain(event["check"], event["failure"])

    def _explain(self, check: str, failure: dict[str, Any]) -> None:
        wide = 2 if self._language == "zh" else 1  # columns of a character
        for key, zh, en in _PARTS:
            label = self.words(zh, en)
            first, *rest = self.pick(failure[key]).split("\n") or [""]
            self.say(f"        {self.paint(label, 'bold')}{' ' * (10 - wide * len(label))}{first}")
            for line in rest:
                self.say(f"        {' ' * 10}{line}")
        if failure.get("command"):
            self.say(self.paint(f"        $ {failure['command']}", "dim"))
        if self._lab:
            section = f"{self._lab.chapter}#{self._lab.check(check).section}"
            self.say(self.paint(f"        {self.words('阅读', 'read')}: {section}", "dim"))

    def _on_verdict(self, event: Event) -> None:
        zh, en, colour = _VERDICTS[event["verdict"]]
        word = self.paint(self.words(zh, en), colour)
        points = self.words("分", "points")
        score = f"{event['passed']}/{event['total']}, {event['points']}/{event['of']} {points}"
        self.say(f"\n  {word}  {score}, {event['seconds']:.1f} s")
        self.say(f"  {self.pick(event['reason'])}")

    def _title(self, check: str) -> str:
        known = next((c for c in self._lab.checks if c.id == check), None) if self._lab else None
        return f"{self.pick(known.title.json())} ({check})" if known else check
