"""One attempt at one run, in a worker: a heartbeat beside the engine, events forwarded, one fenced end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from labs.harness import engine
from labs.harness.events import Event
from labs.harness.submission import Submission
from labs.harness.verdict import CheckResult, Verdict
from lastmile.practice import catalog, lifecycle, spares, streams
from lastmile.practice.lifecycle import Claim, Result
from lastmile.practice.models import Outcome, Run, State

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_LOG_BYTES = 4 << 20
NEWS_SECONDS = 2.0
AWAY_SECONDS = 1.0
DATABASE_PATIENCE = 120.0
STOPPING_PATIENCE = 2.0  # a worker that is asked to end leaves the rest to the sweeper

stopping = threading.Event()  # set when this worker is asked to end
_current: set[threading.Event] = set()


def stop_all() -> None:
    """Ask every attempt of this process to end; each gives its run back."""
    stopping.set()
    for cancel in list(_current):
        cancel.set()


def patiently(action: Callable[[], T]) -> T:
    """Do something with the database, through a restart of it. Raises when it stays away."""
    began, pause = time.monotonic(), 0.2
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError) as error:
            patience = STOPPING_PATIENCE if stopping.is_set() else DATABASE_PATIENCE
            if time.monotonic() > began + patience:
                raise
            log.warning("the database is away: %s", str(error).strip().splitlines()[:1])
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 2.0)


class Attempt:
    """Grades the run of `claim` and stores the verdict, or finds that the run is no longer its own."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.cancel = threading.Event()
        self.fenced = False
        self.state = State.BUILDING
        self.run_row: Run | None = None
        self.told_at = 0.0
        self.sent = 0
        self._news = threading.Condition()
        self.events: list[Event] = []
        self.bytes = 0
        self._ended = threading.Event()
        self._pulse = threading.Event()

    def run(self) -> str:
        _current.add(self.cancel)
        if stopping.is_set():
            self.cancel.set()
        heart = threading.Thread(target=self._beat, name=f"heartbeat-{self.claim.run_id}", daemon=True)
        heart.start()
        sender = threading.Thread(target=self._send, name=f"sender-{self.claim.run_id}", daemon=True)
        sender.start()
        try:
            run = patiently(lambda: Run.objects.select_related("submission").get(pk=self.claim.run_id))
            streams.tell_of(run)
            self.run_row = run
            result = self._grade(run)
        finally:
            self._ended.set()
            self._pulse.set()
            with self._news:
                self._news.notify_all()
            heart.join()
            sender.join()
            _current.discard(self.cancel)
        return self._settle(result)

    def _grade(self, run: Run) -> Result:
        """Ask the engine. Whatever it raises is our fault."""
        lab = catalog.find(run.lab)
        if lab is None:
            return Result(Outcome.INTERNAL)
        files = patiently(run.submission.contents)
        # The connection would idle through the whole run otherwise.
        connection.close()
        spares.ask_for([lab])  # a pool that was started anew has forgotten what it was asked for
        try:
            verdict = engine.grade(lab, Submission(files), self._emit, self.cancel, run.seed)
        except engine.Cancelled:
            return Result(Outcome.INTERNAL)
        except Exception:  # theirs-or-ours is decided here: it is ours
            log.exception("run %s attempt %s: the engine failed", self.claim.run_id, self.claim.attempt)
            return Result(Outcome.INTERNAL)
        if verdict.log:
            log.warning("run %s attempt %s: %s", self.claim.run_id, self.claim.attempt, verdict.log)
        return result_of(verdict, lab.skills, {check.id: check.points for check in lab.checks})

    def _emit(self, event: Event) -> None:
        """Keep the event; another thread sends it on. Grading never waits for Redis, be it away or silent."""
        if event["type"] == "state" and event["state"] in State.values:
            self._move(State(event["state"]))
        event = streams.clean(event)
        with self._news:
            if self._keep(event):
                self._news.notify_all()

    def _send(self) -> None:
        """Send the events as they come, until the engine has ended."""
        while not self._ended.is_set():
            with self._news:
                self._news.wait_for(lambda: self._ended.is_set() or self._waiting())
            if self._ended.is_set():
                return
            if not self._forward():
                self._ended.wait(AWAY_SECONDS)

    def _waiting(self) -> list[Event]:
        """What was not sent yet. The verdict is told only once it is stored."""
        return [event for event in self.events[self.sent :] if event["type"] != "verdict"]

    def _forward(self, settled: bool = False) -> bool:
        """Send what was not sent yet, in order. False: Redis is away, and the rest waits in `events`."""
        for event in self.events[self.sent :] if settled else self._waiting():
            if self._ended.is_set() and not settled:
                return True
            if not streams.append(self.claim.run_id, self.claim.attempt, event):
                return False
            self.sent += 1
            if event["type"] == "check" and not settled:
                self._tell_class(event)
        return True

    def _tell_class(self, event: Event) -> None:
        """Say which check the run is at, but not more often than a person can follow."""
        now = time.monotonic()
        if self.run_row is not None and now >= self.told_at + NEWS_SECONDS:
            self.told_at = now
            streams.tell_of(self.run_row, state=str(self.state), check=event["check"])

    def _keep(self, event: Event) -> bool:
        """Add it to the log, unless it is output beyond what the log holds."""
        if event["type"] == "log":
            self.bytes += len(event.get("text", ""))
            if self.bytes > MAX_LOG_BYTES:
                return False
        self.events.append(event)
        return True

    def _move(self, state: State) -> None:
        if state == State.DONE or state == self.state:
            return
        self.state = state
        self._pulse.set()

    def _settle(self, result: Result) -> str:
        claim = self.claim
        if self.fenced:
            streams.let_go(claim.run_id, claim.attempt)
            return "overtaken"
        if stopping.is_set() and self.cancel.is_set():
            patiently(lambda: lifecycle.release(claim))
            return "given back"
        run = patiently(lambda: lifecycle.finish(claim, result, self.events))
        if run is None:
            log.warning(
                "run %s: the verdict of attempt %s came late and was dropped", claim.run_id, claim.attempt
            )
            streams.let_go(claim.run_id, claim.attempt)
            return "overtaken"
        if run.is_done and self._forward(settled=True):
            streams.let_go(claim.run_id, claim.attempt)
        streams.tell_of(run)
        return run.verdict or "again"

    def _beat(self) -> None:
        """Every HEARTBEAT_SECONDS, and at each change of state, tell the row that we live."""
        try:
            while not self._ended.is_set():
                self._pulse.wait(settings.HEARTBEAT_SECONDS)
                self._pulse.clear()
                if not self._ended.is_set() and not self._beat_once():
                    return
        finally:
            connection.close()

    def _beat_once(self) -> bool:
        try:
            mine = lifecycle.beat(self.claim, self.state)
        except (OperationalError, InterfaceError):
            connection.close()
            return True  # the database may come back; until then the engine goes on
        if not mine:
            self.fenced = True
            self.cancel.set()
        return mine


def result_of(verdict: Verdict, skills: tuple[str, ...], points: dict[str, int]) -> Result:
    """The engine's Verdict in the terms of the tables."""
    return Result(
        verdict=verdict.verdict,
        points=verdict.points,
        of=verdict.of,
        passed=verdict.passed,
        total=verdict.total,
        seconds=verdict.seconds,
        reason=verdict.reason,
        checks=tuple(_row(number, check, points) for number, check in enumerate(verdict.checks)),
        parts=dict(verdict.parts),
        skills=skills,
    )


def _row(position: int, check: CheckResult, points: dict[str, int]) -> dict[str, Any]:
    of = points.get(check.check, 0)
    return {
        "check_id": check.check,
        "position": position,
        "status": check.status,
        "points": of if check.status == "passed" else 0,
        "of": of,
        "seconds": check.seconds,
        "failure": check.failure,
    }
