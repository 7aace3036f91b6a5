"""What the grader.py of an operator lab works with: one API server, one operator, and their evidence.

    @check("children")
    def children(lab: OperatorLab) -> None:
        ns = lab.namespace()
        lab.kube.create(DATABASES, {...})
        lab.eventually(
            lambda: lab.kube.find(STATEFULSETS, ns, "main"),
            want={"spec": {"replicas": 3}},
            tried=Text(...), expected=Text(...), hint=lambda last: Text(...),
        )

The operator is not running until a check (as a rule the first) calls `lab.operator.start()`; it
keeps running from check to check until one stops it. Each check makes namespaces of its own, so that
one check's objects never decide another check. All waiting here is bounded.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from labs.harness import pace
from labs.harness.audit import Audit, Entry, Mark
from labs.harness.checks import Failed
from labs.harness.diff import differs, show, show_difference
from labs.harness.events import Text
from labs.harness.gate import Gate
from labs.harness.kube import NAMESPACES, Kube
from labs.harness.kubelet import Kubelet
from labs.harness.process import Operator

T = TypeVar("T")
Hint = Text | Callable[[Any], Text]
Step = Callable[[Text, str], None]

LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(kw_only=True)
class ProgramLab:
    """A learner's program and ways to look at it. `random` is seeded: draw names from it."""

    operator: Operator
    random: random.Random
    seed: int
    tell: Step
    on_step: Callable[[Text], None] = lambda _text: None

    def step(self, zh: str, en: str, command: str = "") -> None:
        """Tell the learner what is being tried now, with a command that shows the same."""
        text = Text(zh, en)
        self.on_step(text)
        self.tell(text, command)

    def name(self, prefix: str) -> str:
        """A name that no other check of this run uses, drawn from the seed."""
        return f"{prefix}-{''.join(self.random.choices(LETTERS, k=5))}"

    def eventually(
        self,
        look: Callable[[], T],
        *,
        want: Any,
        tried: Text,
        expected: Text,
        hint: Hint,
        timeout: float = 10.0,
        command: str = "",
    ) -> T:
        """What `look()` gives as soon as it is as wanted; raises Failed with what was last seen if not.

        `want` is a predicate, or a value: then a dict is satisfied by an object that holds at least
        its keys, a list must match item by item, None means "not there". With a value, `saw` is a
        difference with a caret under the first deviation; with a predicate, what was last seen.
        """
        deadline = pace.now() + timeout
        while True:
            seen = look()
            if _satisfied(seen, want):
                return seen
            if pace.now() >= deadline:
                self.fail(seen, want=want, tried=tried, expected=expected, hint=hint, command=command)
            time.sleep(0.05)

    def always(
        self,
        look: Callable[[], T],
        *,
        want: Any,
        seconds: float,
        tried: Text,
        expected: Text,
        hint: Hint,
        command: str = "",
    ) -> T:
        """Like eventually, but it must hold now and for `seconds` from now."""
        deadline = pace.now() + seconds
        while True:
            seen = look()
            if not _satisfied(seen, want):
                self.fail(seen, want=want, tried=tried, expected=expected, hint=hint, command=command)
            if pace.now() >= deadline:
                return seen
            time.sleep(0.05)

    def fail(
        self, seen: Any, *, tried: Text, expected: Text, hint: Hint, want: Any = None, command: str = ""
    ) -> NoReturn:
        """Raise Failed; `seen` may be a Text already, else it is rendered like YAML."""
        saw = seen if isinstance(seen, Text) else _describe(seen, want)
        told = hint(seen) if callable(hint) else hint
        raise Failed(tried=tried, saw=saw, expected=expected, hint=told, command=command)


@dataclass(kw_only=True)
class OperatorLab(ProgramLab):
    """A ProgramLab whose program is an operator of a real control plane."""

    kube: Kube
    gate: Gate
    audit: Audit
    kubelet: Kubelet

    def namespace(self, prefix: str = "lab") -> str:
        """A fresh namespace; its name is not to be guessed. It goes with the sandbox."""
        name = self.name(prefix)
        self.kube.create(NAMESPACES, {"metadata": {"name": name}})
        return name

    def quiet(
        self,
        seconds: float,
        *,
        tried: Text,
        expected: Text,
        hint: Hint,
        within: float = 10.0,
        namespace: str = "",
        command: str = "",
    ) -> tuple[Mark, Mark]:
        """Await a window of `seconds` in which the operator asks for no write; gives its two ends.

        Raises Failed, with the writes of the last window, when there is none `within` that time.
        The hint may be computed from the list of audit entries.
        """
        deadline = pace.now() + within
        begin = self.audit.mark()
        opened = pace.now()
        while True:
            time.sleep(min(0.1, seconds))
            now = self.audit.mark()
            writes = self.audit.writes(begin, now, namespace=namespace)
            if not writes and pace.now() - opened >= seconds:
                return begin, now
            if writes and pace.now() >= deadline:
                self.fail_writes(writes, tried=tried, expected=expected, hint=hint, command=command)
            if writes:
                begin, opened = now, pace.now()

    def no_writes(
        self,
        seconds: float,
        *,
        tried: Text,
        expected: Text,
        hint: Hint,
        namespace: str = "",
        command: str = "",
    ) -> tuple[Mark, Mark]:
        """The operator asks for no write from now on for `seconds`; raises Failed with them if it does."""
        begin = self.audit.mark()
        pace.sleep(seconds)
        end = self.audit.mark()
        writes = self.audit.writes(begin, end, namespace=namespace)
        if writes:
            self.fail_writes(writes, tried=tried, expected=expected, hint=hint, command=command)
        return begin, end

    def fail_writes(
        self, writes: list[Entry], *, tried: Text, expected: Text, hint: Hint, command: str = ""
    ) -> NoReturn:
        """Raise Failed whose `saw` lists these writes, at most eight of them."""
        rows = "\n".join(f"  {entry}" for entry in writes[:8])
        saw = Text(f"{len(writes)} 次写请求：\n{rows}", f"{len(writes)} writes:\n{rows}")
        told = hint(writes) if callable(hint) else hint
        raise Failed(tried=tried, saw=saw, expected=expected, hint=told, command=command)


def _satisfied(seen: Any, want: Any) -> bool:
    return bool(want(seen)) if callable(want) else not differs(seen, want)


def _describe(seen: Any, want: Any) -> Text:
    if seen is None:
        return Text("不存在", "not there")
    if want is None or callable(want):
        text = show(seen)
    else:
        text = show_difference(seen, want)
    return Text(text, text)
