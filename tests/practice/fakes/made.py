"""Rows for tests: submissions and finished runs, made by the platform's own rules."""

from __future__ import annotations

import secrets
from typing import Any

from labs.harness.events import Text
from lastmile.accounts.models import User
from lastmile.practice import lifecycle, receiving
from lastmile.practice.catalog import find
from lastmile.practice.lifecycle import Result
from lastmile.practice.models import Run, Source

FAILURE = {key: {"zh": f"{key} 中", "en": f"{key} en"} for key in ("tried", "saw", "expected", "hint")}


def a_run(user: User, slug: str = "fakes/quick", text: str = "package main\n") -> Run:
    """A queued run. The task is sent when the transaction commits, which in a test is never."""
    lab = find(slug)
    assert lab is not None
    given = receiving.from_files(lab, {"main.go": text.encode()})
    return receiving.receive(user, lab, given, secrets.token_hex(8), Source.EDITOR).run


def result(verdict: str, failed: str = "second") -> Result:
    rows: list[dict[str, Any]] = []
    for position, id_ in enumerate(("first", "second")):
        status = "failed" if verdict == "fail" and id_ == failed else "passed"
        failure = {**FAILURE, "command": "kubectl get db"} if status == "failed" else None
        rows.append({"check_id": id_, "position": position, "status": status, "failure": failure})
    passed = sum(row["status"] == "passed" for row in rows)
    reason = Text("说明", "reason")
    skills = ("engineering.senior", "domain.junior")
    return Result(verdict, passed, 2, passed, 2, 1.0, reason, tuple(rows), {"build": 0.5}, skills)


def finished(
    user: User, verdict: str = "pass", slug: str = "fakes/quick", failed: str = "second", text: str = ""
) -> Run:
    """A run that a worker has claimed and brought to its end."""
    run = a_run(user, slug, text or f"package main\n\n// {secrets.token_hex(4)}\n")
    claim = lifecycle.claim(run.pk, run.attempt, "a worker")
    assert claim is not None
    log = [
        {"seq": 1, "at": 0.1, "type": "log", "stream": "operator", "text": "</script><b>hello"},
        {
            "seq": 2,
            "at": 0.2,
            "type": "timeline",
            "entries": [{"at": 1, "source": "audit", "text": "create"}],
        },
    ]
    done = lifecycle.finish(claim, result(verdict, failed), log)
    assert done is not None
    return done
