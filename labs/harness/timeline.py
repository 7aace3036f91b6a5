"""One list of everything that happened in a run, in order of time.

Sources: the API server's audit log (writes of the operator and of the controllers), the Events that
it holds, the operator's own log lines by the time they were received, the grader's steps, and the
faults that apigate injected.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from labs.harness.events import Text
from labs.harness.kube import EVENTS

if TYPE_CHECKING:
    from labs.harness.operator_lab import OperatorLab

MAX_ENTRIES = 600
MAX_TEXT = 400
MAX_BYTES = 512 << 10
MAX_EVENT_BYTES = 4 << 20


@dataclass
class Steps:
    """The grader's own steps, and the moment from which the time line counts."""

    began: float = field(default_factory=time.time)
    rows: list[tuple[float, Text]] = field(default_factory=list)

    def add(self, text: Text) -> None:
        self.rows.append((time.time(), text))


def merge(lab: OperatorLab, steps: Steps) -> list[dict[str, Any]]:
    """Entries {at, source, text, object?}; `at` in seconds since the grader began. The newest, at most MAX_ENTRIES of
    them and MAX_BYTES of JSON.
    """
    rows = [_row(at, "grader", text.json()) for at, text in steps.rows]
    rows += [_row(line.at, "operator", line.text) for line in lab.operator.lines]
    rows += [
        _row(r.at, "fault", str(r), f"{r.resource}/{r.namespace}/{r.name}")
        for r in lab.gate.requests()
        if r.fault
    ]
    rows += [
        _row(e.at, "audit", f"{e.user}: {e}", f"{e.resource}/{e.namespace}/{e.name}")
        for e in lab.audit.entries()
        if e.writes and e.user != "grader"
    ]
    rows += [_event(event) for event in _events(lab)]
    rows.sort(key=lambda row: row["at"])
    kept = _newest(rows[-MAX_ENTRIES:])
    return [{**row, "at": round(max(0.0, row["at"] - steps.began), 3)} for row in kept]


def _newest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that fit into one message. A letter of the learner's may take six bytes of it."""
    left = MAX_BYTES
    for count, row in enumerate(reversed(rows)):
        left -= len(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))
        if left < 0:
            return rows[len(rows) - count :]
    return rows


def _events(lab: OperatorLab) -> list[dict[str, Any]]:
    """The Events of the API server; none when the learner's program has stored more than are worth reading."""
    found = lab.kube.list_bounded(EVENTS, MAX_EVENT_BYTES)
    return [] if found is None else found


def _row(at: float, source: str, text: Any, object_: str = "") -> dict[str, Any]:
    shown = text[:MAX_TEXT] if isinstance(text, str) else text
    return {"at": at, "source": source, "text": shown} | ({"object": object_[:MAX_TEXT]} if object_ else {})


def _event(event: dict[str, Any]) -> dict[str, Any]:
    on = event.get("involvedObject", {})
    stamp = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    at = _moment(stamp)
    text = f"{event.get('type', '')} {event.get('reason', '')}: {event.get('message', '')}"
    return _row(at, "event", text, f"{on.get('kind', '')}/{on.get('namespace', '')}/{on.get('name', '')}")


def _moment(stamp: str) -> float:
    """Unix seconds; 0 for a year that the API server takes from a learner and Python does not know."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0
