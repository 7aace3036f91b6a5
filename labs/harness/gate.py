"""The grader's hand on apigate, the proxy between the learner's operator and the API server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import httpx

FaultKind = Literal["conflict", "500", "503", "timeout", "reset", "drop_after_write"]


@dataclass(frozen=True)
class Fault:
    """Answer some of the operator's requests with an error.

    `verb` is get|list|watch|create|update|patch|delete or "*"; `resource` is "statefulsets" or
    "databases/status", or "*". `count` bounds how often it strikes (0: without bound),
    `probability` decides each time, drawn from the seed.
    drop_after_write lets the write happen and then breaks the connection: the operator cannot know.
    """

    verb: str
    resource: str
    kind: FaultKind
    probability: float = 1.0
    count: int = 0


@dataclass(frozen=True)
class GateRequest:
    """One request of the operator as apigate saw it; `fault` is "" when it was let through."""

    seq: int
    at: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    fault: str
    user_agent: str

    @property
    def writes(self) -> bool:
        return self.verb in ("create", "update", "patch", "delete", "deletecollection")


class Gate:
    """apigate's control port."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=5.0, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def faults(self, rules: Sequence[Fault], seed: int) -> None:
        """Replace the rules in force. The same seed and the same requests give the same faults."""
        body = [asdict(rule) for rule in rules]
        self._http.put("/faults", params={"seed": seed}, json=body).raise_for_status()

    def clear(self) -> None:
        """No more faults, and writes are not held."""
        self.faults([], 0)
        self.resume()

    def pause(self) -> None:
        """Hold every write of the operator until resume(); reads and watches go on."""
        self._http.put("/pause").raise_for_status()

    def resume(self) -> None:
        self._http.put("/resume").raise_for_status()

    def requests(self, since: int = 0) -> list[GateRequest]:
        """The operator's requests with a sequence number above `since`, oldest first."""
        answer = self._http.get("/requests", params={"since": since})
        answer.raise_for_status()
        return [_request(row) for row in answer.json()]

    def seq(self) -> int:
        """The number of the newest request: pass it to requests() later to see what came since."""
        found = self.requests()
        return found[-1].seq if found else 0

    def wait_request(self, since: int, timeout: float) -> GateRequest | None:
        """The first request after `since`, or None when none came in time."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.requests(since)
            if found or time.monotonic() >= deadline:
                return found[0] if found else None
            time.sleep(0.05)  # the control API has no long poll


def _request(row: dict[str, Any]) -> GateRequest:
    names = GateRequest.__dataclass_fields__
    blank: dict[str, Any] = {name: "" for name in names} | {"seq": 0, "code": 0}
    return GateRequest(**{name: row.get(name, blank[name]) for name in names})
