"""The results of the graders of a run, one for each kernel, put together check by check.

A check passes when it passes on every kernel. While one of them is still at it, the event says how it
stands on each; the result is told once, when there is one for each kernel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from labs.harness.manifest import Lab
from labs.harness.verdict import CheckResult, Status

Fields = Mapping[str, Any]
_FINAL = ("passed", "failed", "skipped")


class Matrix:
    """`kernels` in the lab's order, ("",) for a lab without any; `tell` emits an event."""

    def __init__(self, lab: Lab, kernels: Sequence[str], tell: Callable[..., None]) -> None:
        self._lab, self._kernels, self._tell = lab, kernels, tell
        self._rows: dict[str, dict[str, Fields]] = {}
        self._lock = threading.Lock()
        self.results: dict[str, CheckResult] = {}

    def take(self, kernel: str, fields: Fields) -> None:
        """What the grader of one kernel says of one check. From any thread."""
        with self._lock:
            row = self._rows.setdefault(fields["check"], {})
            row[kernel] = fields
            if all(row.get(each, {}).get("status") in _FINAL for each in self._kernels):
                self._settle(fields["check"], [row[each] for each in self._kernels])
            elif any(told["status"] != "skipped" for told in row.values()):
                self._tell("check", check=fields["check"], status="running", **self._standing(row))

    def _settle(self, check: str, row: list[Fields]) -> None:
        status = _all_of(fields["status"] for fields in row)
        seconds = max(fields.get("seconds", 0.0) for fields in row)
        failure = next((fields["failure"] for fields in row if fields.get("failure")), None)
        standing = self._standing(dict(zip(self._kernels, row, strict=True)))
        self.results[check] = CheckResult(
            check,
            status,
            self._lab.check(check).points if status == "passed" else 0,
            seconds,
            failure,
            standing.get("kernels", {}),
        )
        extra = {"failure": failure} if failure else {}
        if status != "skipped":
            extra["seconds"] = seconds
        self._tell("check", check=check, status=status, **extra, **standing)

    def _standing(self, row: Mapping[str, Fields]) -> dict[str, Any]:
        if self._kernels == ("",):
            return {}
        return {"kernels": {each: row.get(each, {}).get("status", "waiting") for each in self._kernels}}


def _all_of(outcomes: Iterable[str]) -> Status:
    found = set(outcomes)
    return "failed" if "failed" in found else "skipped" if "skipped" in found else "passed"
