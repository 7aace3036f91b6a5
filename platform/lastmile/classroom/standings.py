"""The numbers of a class: who stands where, who is stuck, where the content loses people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.urls import reverse

from labs.harness.manifest import Lab
from lastmile.accounts.models import User
from lastmile.classroom.models import Classroom
from lastmile.course.models import ReadingPosition
from lastmile.practice import catalog
from lastmile.practice.models import UNCOUNTED, CheckResult, CheckStatus, Draft, Outcome, Run
from lastmile.problems import pick

Row = dict[str, Any]
STUCK_AFTER = 3


@dataclass(frozen=True)
class Stuck:
    """The learner's last `attempts` counted runs of the lab all failed first at `check`, since `since`."""

    check: str
    since: datetime
    attempts: int
    run: Run


class Standings:
    """Reads a class once, with a handful of queries, and answers from that."""

    def __init__(self, classroom: Classroom) -> None:
        self.classroom = classroom
        self.labs = catalog.everything()
        self.learners = list(classroom.learners())
        self.runs = _runs_of(self.learners)
        self.first_failure = _first_failures(self.learners)
        self.drafts = _drafts_of(self.learners)
        self.read = _last_read(self.learners)
        self.titles = {(lab.slug, check.id): pick(check.title) for lab in self.labs for check in lab.checks}
        self.stuck_now = {
            (learner.pk, lab.slug): stuck
            for learner in self.learners
            for lab in self.labs
            if (stuck := self._stuck_at(learner, lab))
        }

    def columns(self) -> list[Row]:
        return [{"slug": lab.slug, "title": pick(lab.title)} for lab in self.labs]

    def rows(self) -> list[Row]:
        return [self._row(learner) for learner in self.learners]

    def _row(self, learner: User) -> Row:
        cells = [self._cell(learner, lab) for lab in self.labs]
        seen = [learner.last_login, self.read.get(learner.pk), *(cell["at"] for cell in cells)]
        seen += [self.drafts.get((learner.pk, lab.slug)) for lab in self.labs]
        return {
            "learner": learner.name,
            "id": learner.pk,
            "cells": cells,
            "last_seen": max(filter(None, seen), default=None),
        }

    def _cell(self, learner: User, lab: Lab) -> Row:
        runs = [run for run in self.runs.get((learner.pk, lab.slug), []) if run.verdict != Outcome.WITHDRAWN]
        last = runs[0] if runs else None
        stuck = self.stuck_now.get((learner.pk, lab.slug))
        state = "draft" if (learner.pk, lab.slug) in self.drafts else "none"
        return {
            "state": _cell_state(runs) or state,
            "passed": max((run.passed for run in runs if run.verdict not in UNCOUNTED), default=0),
            "total": last.total if last and last.total else len(lab.checks),
            "attempts": len([run for run in runs if run.verdict not in UNCOUNTED]),
            "at": last.queued_at if last else None,
            "url": last.get_absolute_url() if last else "",
            "stuck": stuck is not None,
            "stuck_on": self._title(lab.slug, stuck.check) if stuck else "",
            "stuck_since": stuck.since if stuck else None,
        }

    def _stuck_at(self, learner: User, lab: Lab) -> Stuck | None:
        """Set when the last STUCK_AFTER counted runs or more failed at one and the same check."""
        counted = [
            r for r in self.runs.get((learner.pk, lab.slug), []) if r.verdict in (Outcome.PASS, Outcome.FAIL)
        ]
        if not counted or counted[0].verdict == Outcome.PASS:
            return None
        check = self.first_failure.get(counted[0].pk, "")
        same: list[Run] = []
        for run in counted:
            if run.verdict != Outcome.FAIL or self.first_failure.get(run.pk) != check:
                break
            same.append(run)
        return Stuck(check, same[-1].queued_at, len(same), same[0]) if len(same) >= STUCK_AFTER else None

    def stuck(self) -> list[Row]:
        found = [
            (learner, lab, s)
            for learner in self.learners
            for lab in self.labs
            if (s := self.stuck_now.get((learner.pk, lab.slug)))
        ]
        return [
            {
                "learner": learner.name,
                "lab": pick(lab.title),
                "check": self._title(lab.slug, s.check),
                "since": s.since,
                "attempts": s.attempts,
                "url": s.run.get_absolute_url(),
            }
            for learner, lab, s in sorted(found, key=lambda row: row[2].since)
        ]

    def live(self) -> list[Row]:
        names = {learner.pk: learner.name for learner in self.learners}
        live = Run.objects.live().filter(user__in=self.learners).order_by("queued_at")
        return [
            {
                "id": str(run.pk),
                "learner": names[run.user_id],
                "lab": pick(catalog.title(run.lab)),
                "state": run.state,
                "attempt": run.attempt,
                "since": run.claimed_at or run.queued_at,
                "url": run.get_absolute_url(),
                "events_url": reverse("run-events", args=[run.pk]),
            }
            for run in live
        ]

    def by_check(self) -> list[Row]:
        """For each check of each lab: learners who tried, passed it at last, failed it at last, are stuck on it."""
        last = self._last_results()
        stuck: dict[tuple[str, str], int] = defaultdict(int)
        for (_, slug), found in self.stuck_now.items():
            stuck[slug, found.check] += 1
        return [
            {
                "lab": pick(lab.title),
                "slug": lab.slug,
                "checks": [
                    {
                        "id": c.id,
                        "title": pick(c.title),
                        "stuck": stuck[lab.slug, c.id],
                        **last[lab.slug, c.id],
                    }
                    for c in lab.checks
                ],
            }
            for lab in self.labs
        ]

    def _last_results(self) -> dict[tuple[str, str], dict[str, int]]:
        latest = {
            key: next((r for r in runs if r.verdict in (Outcome.PASS, Outcome.FAIL)), None)
            for key, runs in self.runs.items()
        }
        ids = [run.pk for run in latest.values() if run]
        found: dict[tuple[str, str], dict[str, int]] = defaultdict(
            lambda: {"tried": 0, "passed": 0, "failed": 0}
        )
        for lab, check, status in CheckResult.objects.filter(run__in=ids).values_list(
            "run__lab", "check_id", "status"
        ):
            if status != CheckStatus.SKIPPED:
                found[lab, check]["tried"] += 1
                found[lab, check][status] += 1
        return found

    def _title(self, lab: str, check: str) -> str:
        return self.titles.get((lab, check), check)


def _runs_of(learners: Iterable[User]) -> dict[tuple[int, str], list[Run]]:
    """Runs by learner and lab, the newest first, with nothing read of them but what is shown here."""
    shown = ("user_id", "lab", "state", "verdict", "passed", "total", "queued_at")
    found: dict[tuple[int, str], list[Run]] = defaultdict(list)
    for run in Run.objects.filter(user__in=learners).only(*shown).order_by("-queued_at"):
        found[run.user_id, run.lab].append(run)
    return found


def _drafts_of(learners: Iterable[User]) -> dict[tuple[int, str], datetime]:
    """When each learner saved a draft of a lab last."""
    rows = Draft.objects.filter(user__in=learners).values_list("user_id", "lab", "saved_at")
    return {(user, lab): at for user, lab, at in rows}


def _last_read(learners: Iterable[User]) -> dict[int, datetime]:
    """When each learner read on in a chapter last."""
    places = ReadingPosition.objects.filter(user__in=learners)
    return dict(places.order_by("user").values_list("user").annotate(Max("at")))


def _first_failures(learners: Iterable[User]) -> dict[Any, str]:
    """The first failed check of each run that has one."""
    failed = CheckResult.objects.filter(run__user__in=learners, status=CheckStatus.FAILED)
    rows = failed.order_by("run", "position").distinct("run").values_list("run", "check_id")
    return dict(rows)


def _cell_state(runs: list[Run]) -> str:
    """A live run shows first, then a pass once reached, then how the last one ended; "" without runs."""
    if not runs:
        return ""
    if runs[0].is_live:
        return "queued" if runs[0].state == "queued" else "running"
    if any(run.verdict == Outcome.PASS for run in runs):
        return "passed"
    return {"fail": "failed", "error": "error", "internal": "internal"}[runs[0].verdict]
