"""How a run ends. The verdicts are described in docs/reference/verdicts.md; `withdrawn` is the site's alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from labs.harness.events import Text

Word = Literal["pass", "fail", "error", "internal"]
Status = Literal["passed", "failed", "skipped"]
MOST_TRIES = 3  # of a run that ends as `internal`
EXIT_CODES: dict[Word, int] = {"pass": 0, "fail": 1, "error": 2, "internal": 3}


@dataclass(frozen=True)
class CheckResult:
    """One check of the run; `failure` is checks.Failed.json() when it failed.

    `kernels` has the status on each kernel where the lab runs on several, `seconds` the time on the slower one.
    """

    check: str
    status: Status
    points: int
    seconds: float = 0.0
    failure: dict[str, Any] | None = None
    kernels: dict[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "status": self.status,
            "points": self.points,
            "seconds": self.seconds,
            "failure": self.failure,
            "kernels": self.kernels,
        }


@dataclass(frozen=True)
class Verdict:
    """`pass` and `fail` are about what the program does, `error` says that it cannot be judged
    (theirs), `internal` that we could not judge it (ours). `parts` are seconds by queue, lease, build and
    checks; they overlap, so they add up to more than `seconds`.
    """

    verdict: Word
    points: int
    of: int
    passed: int
    total: int
    seconds: float
    reason: Text
    checks: list[CheckResult] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)
    log: str = ""  # for operators of the site, never for learners: what broke on our side

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    def event(self) -> dict[str, Any]:
        """The fields of the `verdict` event."""
        return {
            "verdict": self.verdict,
            "points": self.points,
            "of": self.of,
            "passed": self.passed,
            "total": self.total,
            "seconds": self.seconds,
            "reason": self.reason.json(),
        }

    def json(self) -> dict[str, Any]:
        rows = [check.json() for check in self.checks]
        return {**self.event(), "checks": rows, "parts": self.parts, "log": self.log}
