"""Reads the API server's audit log: who wrote what, and when, exactly.

The API server writes one JSON line per finished request before it answers the next marker, so what
lies between two marks is complete once the second mark's own line has been read.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from labs.harness import pace
from labs.harness.kube import CONFIGMAPS, Kube

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
OPERATOR = "operator"
_CHUNK = 4 << 20
_LONGEST = 512  # of what the learner words as it likes, kept for each request


@dataclass(frozen=True)
class Entry:
    """One request as the API server recorded it; `at` is when it arrived (Unix seconds)."""

    at: float
    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    user_agent: str
    uri: str

    @property
    def writes(self) -> bool:
        return self.verb in WRITES and not self.dry

    @property
    def dry(self) -> bool:
        """Asked for as a trial. Read as a query: `fieldManager=dryRun=All` is a write like any other."""
        return "All" in parse_qs(urlsplit(self.uri).query).get("dryRun", [])

    def __str__(self) -> str:
        """As an engineer would say it: `update databases/status demo/main → 409`."""
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = f"{self.namespace}/{self.name}".strip("/")
        return f"{self.verb} {what} {where} → {self.code}"


@dataclass(frozen=True)
class Mark:
    """A moment in the log, in the API server's own clock."""

    token: str
    at: float


class LogBehind(Exception):
    """The API server did not write its log in time: ours. No TimeoutError, which would be the learner's."""


class Audit:
    """The audit log of one sandbox. `kube` must be the grader's own client: marks are its requests."""

    def __init__(self, path: Path, kube: Kube) -> None:
        self._path, self._kube = path, kube
        self._entries: list[Entry] = []
        self._offset = 0
        self._rest = b""

    def mark(self, timeout: float = 5.0) -> Mark:
        """A moment such that every request finished before this call lies before it, all read. Raises LogBehind."""
        token = f"mark-{secrets.token_hex(8)}"
        probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "mark-"}}
        path = CONFIGMAPS.path("default")
        self._kube.call("POST", path, probe, params={"dryRun": "All", "fieldManager": token})
        deadline = pace.now() + timeout
        while True:
            for entry in self._read():
                if token in entry.uri:
                    return Mark(token, entry.at)
            if pace.now() > deadline:
                raise LogBehind(f"the audit log did not show {token} within {timeout} s")
            time.sleep(0.01)  # a file has no condition to wait on

    def entries(
        self,
        since: Mark | None = None,
        until: Mark | None = None,
        *,
        user: str = "",
        verb: str = "",
        resource: str = "",
        namespace: str = "",
        name: str = "",
    ) -> list[Entry]:
        """What was asked of the API server, oldest first. Empty filters let everything through.

        `resource` is "statefulsets" or "databases/status". Without `until` it first takes a mark, so
        that the answer is complete up to now.
        """
        until = until or self.mark()
        self._read()
        wanted = {"user": user, "verb": verb, "namespace": namespace, "name": name}
        return [
            entry
            for entry in sorted(self._entries, key=lambda e: e.at)
            if (since is None or entry.at >= since.at)
            and entry.at < until.at
            and all(not value or getattr(entry, key) == value for key, value in wanted.items())
            and (not resource or _matches(entry, resource))
        ]

    def writes(
        self,
        since: Mark | None = None,
        until: Mark | None = None,
        *,
        user: str = OPERATOR,
        resource: str = "",
        namespace: str = "",
        name: str = "",
        refused: bool = True,
    ) -> list[Entry]:
        """Requests of `user` that change something; `refused` also counts those answered with an error."""
        found = self.entries(since, until, user=user, resource=resource, namespace=namespace, name=name)
        return [e for e in found if e.writes and (refused or e.code < 400)]

    def _read(self) -> list[Entry]:
        """Take up what was appended since the last call; answers the new entries."""
        fresh: list[Entry] = []
        with self._path.open("rb") as log:
            log.seek(self._offset)
            while data := log.read(_CHUNK):  # the learner decides how much there is
                self._offset += len(data)
                *lines, self._rest = (self._rest + data).split(b"\n")
                fresh.extend(_parse(lines))
        self._entries.extend(fresh)
        return fresh


def _matches(entry: Entry, resource: str) -> bool:
    plural, _, sub = resource.partition("/")
    return entry.resource == plural and entry.subresource == sub


def _parse(lines: Iterable[bytes]) -> Iterable[Entry]:
    for line in lines:
        if not line.strip():
            continue
        raw = json.loads(line)
        # a watch is recorded when it starts and again when it ends; other requests only count once
        if raw.get("stage") not in ("ResponseComplete", "Panic", "ResponseStarted"):
            continue
        yield _entry(raw)


def _entry(raw: dict[str, Any]) -> Entry:
    ref = raw.get("objectRef") or {}
    return Entry(
        at=datetime.fromisoformat(raw["requestReceivedTimestamp"]).timestamp(),
        user=raw.get("user", {}).get("username", ""),
        verb=raw.get("verb", ""),
        group=ref.get("apiGroup", ""),
        resource=ref.get("resource", ""),
        subresource=ref.get("subresource", ""),
        namespace=ref.get("namespace", ""),
        name=ref.get("name", "")[:_LONGEST],
        code=int((raw.get("responseStatus") or {}).get("code", 0)),
        user_agent=raw.get("userAgent", "")[:_LONGEST],
        uri=raw.get("requestURI", "")[:_LONGEST],
    )
