"""`lastmile submit`: hand in through the site's API and follow the run, over broken connections too."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from labs.harness.events import Event, Sink
from labs.harness.submission import Submission

_TRIES = 8
_READ_SECONDS = 30.0


class Refusal(Exception):
    """The site did not take it; `problem` is its answer {code, text, zh, en, problems}."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('en') or problem}")
        self.status, self.problem = status, problem


class Unreachable(Exception):
    """The site does not answer."""


@dataclass
class Message:
    """One server-sent event."""

    id: str = ""
    event: str = ""
    data: str = ""


class Site:
    """The API of one site with one person's token. `pause` waits between tries (a test makes it quick)."""

    def __init__(self, url: str, token: str, pause: float = 1.0) -> None:
        heads = {"Authorization": f"Bearer {token}", "User-Agent": "lastmile-cli"}
        limit = httpx.Timeout(20.0, read=_READ_SECONDS)
        self._http = httpx.Client(base_url=url, headers=heads, timeout=limit, trust_env=False)
        self._pause = pause

    def submit(self, lab: str, submission: Submission) -> dict[str, Any]:
        """The receipt {id, events_url, api_url, url, …}. Safe to repeat: one key, one run. Raises Refusal."""
        files = {
            name: content.decode("utf-8", "surrogateescape") for name, content in submission.files.items()
        }
        return self._json("POST", "/api/v1/submissions", {"lab": lab, "files": files}, uuid.uuid4().hex)

    def run(self, path: str) -> dict[str, Any]:
        """What the API says of a run. Raises Refusal, Unreachable."""
        return self._json("GET", path)

    def follow(self, path: str, emit: Sink) -> dict[str, Any]:
        """Pass each event of the run to `emit` exactly once; gives the `end` message. Raises Unreachable.

        A connection that breaks is taken up after the last event that was seen.
        """
        last, failures = "", 0
        while failures < _TRIES:
            try:
                for message in self._stream(path, last):
                    failures = 0
                    if message.event == "end":
                        ended: dict[str, Any] = json.loads(message.data)
                        return ended
                    last = message.id or last
                    emit(_event(message))
            except httpx.TransportError:
                pass
            failures += 1
            threading.Event().wait(min(self._pause * failures, 10.0))
        raise Unreachable("the site stopped answering; the run goes on there")

    def _stream(self, path: str, last: str) -> Iterator[Message]:
        heads = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        with self._http.stream("GET", path, headers=heads) as answer:
            if answer.status_code == 204:
                yield Message(event="end", data="{}")
                return
            if answer.status_code >= 400 and answer.status_code < 500:
                answer.read()
                raise Refusal(answer.status_code, _problem(answer))
            if answer.status_code >= 500:
                raise httpx.ReadError(f"status {answer.status_code}")
            yield from messages(answer.iter_lines())

    def _json(self, method: str, path: str, body: Any = None, key: str = "") -> dict[str, Any]:
        heads = {"Idempotency-Key": key} if key else {}
        error: httpx.TransportError | None = None
        for number in range(3):
            try:
                answer = self._http.request(method, path, json=body, headers=heads)
                break
            except httpx.TransportError as failed:
                error = failed
                threading.Event().wait(self._pause * number)
        else:
            raise Unreachable(f"{self._http.base_url}: {error}")
        if answer.status_code >= 400:
            raise Refusal(answer.status_code, _problem(answer))
        parsed: dict[str, Any] = answer.json()
        return parsed


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """Server-sent events out of lines (WHATWG HTML, 9.2.6); a message that was cut off is dropped."""
    message = Message()
    for line in lines:
        if not line:
            if message.data:
                yield message
            message = Message()
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            message.data = f"{message.data}\n{value}" if message.data else value
        elif field in ("id", "event"):
            setattr(message, field, value)


def _event(message: Message) -> Event:
    fields: Event = json.loads(message.data)
    return {**fields, "type": message.event}


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        parsed = answer.json()
        return parsed if isinstance(parsed, dict) else {"en": str(parsed), "zh": str(parsed)}
    except ValueError:
        text = f"{answer.status_code} {answer.reason_phrase}"
        return {"en": text, "zh": text}
