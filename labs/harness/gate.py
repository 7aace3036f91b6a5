"""The grader's hand on apigate, the proxy between the learner's operator and the API server."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import httpx

from labs.harness import pace
from labs.harness.kube import stretch

FaultKind = Literal["conflict", "429", "500", "503", "504", "reset", "drop_after_write", "block"]
_LONG_POLL = 5.0


@dataclass(frozen=True)
class Fault:
    """Disturb some of the operator's requests. Empty fields match all.

    `verb` is get|list|watch|create|update|patch|delete, or "write" for all that change something;
    `resource` is "statefulsets", "databases/status" or "databases/*". The first `skip` matching
    requests pass, then at most `count` are disturbed (0: without bound), each with `probability`
    drawn from the seed. drop_after_write lets the write happen and then breaks the connection: the
    operator cannot know. block holds the request until resume(), which cuts its connection: the write
    does not happen.
    """

    verb: str
    resource: str
    kind: FaultKind
    probability: float = 1.0
    count: int = 0
    skip: int = 0
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class GateRequest:
    """One request of the operator as apigate saw it.

    `fault` is "" when it was let through; `at` and `ended` are Unix seconds. It is entered when it has
    been answered (a blocked one when it arrives; a watch when it ends).
    """

    seq: int
    at: float
    ended: float
    verb: str
    group: str
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

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        fault = f" ({self.fault})" if self.fault else ""
        return f"{self.verb} {what} {f'{self.namespace}/{self.name}'.strip('/')} → {self.code}{fault}"


class Gate:
    """apigate's control port."""

    def __init__(self, url: str, token: str, ca_pem: str) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=5.0 + _LONG_POLL,
            trust_env=False,
            # whoever takes the port should apigate end is neither told the token nor believed
            verify=ssl.create_default_context(cadata=ca_pem),
            # the learner's process can hold every further place of that port: this connection stays
            limits=httpx.Limits(max_connections=2, max_keepalive_connections=2, keepalive_expiry=None),
            event_hooks={"request": [stretch]},
        )

    def close(self) -> None:
        self._http.close()

    def faults(self, rules: Sequence[Fault], seed: int = 1) -> None:
        """Replace the rules in force. The same seed and the same requests give the same faults."""
        body = [asdict(rule) for rule in rules]
        self._http.put("/faults", params={"seed": seed}, json=body).raise_for_status()

    def clear(self) -> None:
        """No more faults; what is blocked is let go (its connection is cut)."""
        self.faults([])
        self._http.put("/resume").raise_for_status()

    def requests(self, since: int = 0) -> list[GateRequest]:
        """The operator's requests with a sequence number above `since`, oldest first."""
        return self._requests(since, 0.0)

    def seq(self) -> int:
        """The number of the newest request: pass it to requests() later to see what came since."""
        found = self.requests()
        return found[-1].seq if found else 0

    def wait_request(self, since: int, timeout: float) -> GateRequest | None:
        """The first request after `since`, or None when none came in time."""
        deadline = pace.now() + timeout
        while True:
            left = deadline - pace.now()
            found = self._requests(since, max(0.0, min(left, _LONG_POLL)))
            if found or left <= 0:
                return found[0] if found else None

    def _requests(self, since: int, wait: float) -> list[GateRequest]:
        answer = self._http.get("/requests", params={"since": since, "wait": wait})
        answer.raise_for_status()
        return [_request(row) for row in answer.json()]


def _request(row: dict[str, Any]) -> GateRequest:
    blank: dict[str, Any] = dict.fromkeys(GateRequest.__dataclass_fields__, "")
    blank |= {"seq": 0, "code": 0, "at": 0.0, "ended": 0.0}
    return GateRequest(**{name: row.get(name, default) for name, default in blank.items()})
