"""A thin client of the Kubernetes API for graders: plain dictionaries in, plain dictionaries out.

Every method raises ApiError (or its subclasses NotFound, Conflict, AlreadyExists) when the API
server refuses, and httpx.TransportError when it cannot be reached; both are ours, never the
learner's, unless a check says otherwise.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from labs.harness import pace
from labs.harness.checks import NotInTime
from labs.harness.events import Text

Obj = dict[str, Any]
Objects = list[Obj]


@dataclass(frozen=True)
class Kind:
    """One resource type, enough to form its path. `group` is "" for the core API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{scope}/{self.plural}{tail}"


NAMESPACES = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
PODS = Kind("", "v1", "pods", "Pod")
SERVICES = Kind("", "v1", "services", "Service")
SECRETS = Kind("", "v1", "secrets", "Secret")
CONFIGMAPS = Kind("", "v1", "configmaps", "ConfigMap")
EVENTS = Kind("", "v1", "events", "Event")
STATEFULSETS = Kind("apps", "v1", "statefulsets", "StatefulSet")


class ApiError(Exception):
    """The API server answered with an error. `reason` is its machine-readable word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        Exception.__init__(self, f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409 because the resourceVersion is stale."""


class AlreadyExists(ApiError):
    """409 because the name is taken."""


class Invalid(ApiError, NotInTime):
    """422: what is there does not let it be written so, for instance annotations that fill all the room.

    What is there is the learner's, so a check that lets it through has failed.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason, message)
        self.what = Text(
            f"API server 不接受评测器的写入：{message[:400]}",
            f"the API server refuses what the grader writes: {message[:400]}",
        )


@dataclass(frozen=True)
class Change:
    """One line of a watch: `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Obj


def stretch(request: httpx.Request) -> None:
    """For a client's event hooks: a request waits longer while the machine is busy. A watch has an end of its own."""
    if "watch" not in request.url.params:
        limits = request.extensions["timeout"].items()
        request.extensions["timeout"] = {name: value and pace.stretched(value) for name, value in limits}


class Kube:
    """Speaks to one API server as one user. Safe to use from several threads."""

    def __init__(self, url: str, token: str, ca_pem: str = "") -> None:
        verify: ssl.SSLContext | bool = ssl.create_default_context(cadata=ca_pem) if ca_pem else True
        self._http = httpx.Client(
            base_url=url,
            verify=verify,
            headers={"Authorization": f"Bearer {token}", "User-Agent": "lastmile-grader"},
            timeout=httpx.Timeout(10.0, connect=5.0),
            trust_env=False,
            limits=httpx.Limits(keepalive_expiry=None),
            event_hooks={"request": [stretch]},
        )

    def close(self) -> None:
        self._http.close()

    def get(self, kind: Kind, namespace: str, name: str) -> Obj:
        """The object. Raises NotFound. `namespace` is "" for what is cluster-wide."""
        return self.call("GET", kind.path(namespace, name))

    def find(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        """The object, or None when there is none."""
        try:
            return self.get(kind, namespace, name)
        except NotFound:
            return None

    def list(self, kind: Kind, namespace: str = "", labels: str = "") -> Objects:
        """All objects, in one namespace or everywhere; `labels` is a label selector."""
        found: Objects = self._list(kind, namespace, labels)["items"]
        return found

    def list_bounded(self, kind: Kind, most_bytes: int) -> Objects | None:
        """All objects everywhere, or None when the answer would be longer than `most_bytes`."""
        read = b""
        with self._http.stream("GET", kind.path()) as answer:
            for chunk in answer.iter_bytes():
                read += chunk
                if len(read) > most_bytes:
                    return None
        if answer.status_code >= 400:
            raise ApiError(answer.status_code, "", read.decode("utf-8", "replace")[:500])
        found: Objects = json.loads(read)["items"]
        return found

    def create(self, kind: Kind, obj: Mapping[str, Any]) -> Obj:
        """Create `obj`; its namespace is read from its metadata, apiVersion and kind are filled in."""
        full = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
        return self.call("POST", kind.path(obj["metadata"].get("namespace", "")), full)

    def replace(self, kind: Kind, obj: Mapping[str, Any], subresource: str = "") -> Obj:
        """PUT. Raises Conflict when the resourceVersion in `obj` is stale."""
        meta = obj["metadata"]
        full = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
        return self.call("PUT", kind.path(meta.get("namespace", ""), meta["name"], subresource), full)

    def patch(self, kind: Kind, namespace: str, name: str, patch: Any, subresource: str = "") -> Obj:
        """A JSON merge patch (a dict; None removes a key), or a JSON patch (a list of operations)."""
        form = "json-patch" if isinstance(patch, list) else "merge-patch"
        path = kind.path(namespace, name, subresource)
        return self.call("PATCH", path, patch, headers={"Content-Type": f"application/{form}+json"})

    def patch_status(self, kind: Kind, namespace: str, name: str, status: Mapping[str, Any]) -> Obj:
        """Merge `status` into the status subresource."""
        return self.patch(kind, namespace, name, {"status": dict(status)}, "status")

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str = "Background") -> None:
        """Ask for deletion; returns before finalizers and the garbage collector are done. 404 is fine."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        try:
            self.call("DELETE", kind.path(namespace, name), options)
        except NotFound:
            pass

    def watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        name: str = "",
        labels: str = "",
        since: str = "",
        timeout: float = 10.0,
    ) -> Iterator[Change]:
        """Changes as they come, for at most `timeout` seconds; `since` is a resourceVersion.

        Without `since` it begins with an ADDED for everything that is there. Ends silently when the
        time is over.
        """
        query = {"watch": "true", "timeoutSeconds": str(max(1, round(timeout))), **_selectors(name, labels)}
        if since:
            query["resourceVersion"] = since
        limit = httpx.Timeout(10.0, read=max(timeout, 0.05))
        deadline = time.monotonic() + timeout
        try:
            with self._http.stream("GET", kind.path(namespace), params=query, timeout=limit) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise _error(answer)
                yield from _changes(answer, deadline)
        except httpx.ReadTimeout:
            return

    def wait(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        until: Callable[[Obj | None], bool],
        timeout: float = 10.0,
    ) -> Obj | None:
        """The object as soon as `until(object or None)` holds, by watch, not by polling.

        Raises NotInTime when it does not in time.
        """
        deadline = pace.now() + timeout
        while True:
            listed = self._list(kind, namespace, "", name)
            last: Obj | None = next(iter(listed["items"]), None)
            if until(last):
                return last
            since = listed["metadata"]["resourceVersion"]
            left = deadline - pace.now()
            for change in self.watch(kind, namespace, name=name, since=since, timeout=max(left, 0.05)):
                last = None if change.type == "DELETED" else change.object
                if until(last):
                    return last
            if pace.now() >= deadline:
                raise NotInTime(_awaited(f"{kind.kind} {namespace}/{name}", timeout, last is not None))

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Obj:
        """One request, for what the other methods do not cover. Raises ApiError."""
        content = None if body is None else json.dumps(body).encode()
        heads = {"Content-Type": "application/json", **(headers or {})}
        answer = self._http.request(method, path, content=content, params=params, headers=heads)
        if answer.status_code >= 400:
            raise _error(answer)
        parsed: Obj = answer.json() if answer.content else {}
        return parsed

    def _list(self, kind: Kind, namespace: str, labels: str, name: str = "") -> Obj:
        listed = self.call("GET", kind.path(namespace), params=_selectors(name, labels))
        for item in listed["items"]:  # the API server leaves these out of list items
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return listed


def _awaited(what: str, timeout: float, there: bool) -> Text:
    zh, en = (
        ("没有达到所等的状态", "did not reach the awaited state") if there else ("不存在", "was not there")
    )
    return Text(f"等了 {timeout:g} 秒，{what} {zh}", f"after {timeout:g} s, {what} {en}")


def _selectors(name: str, labels: str) -> dict[str, str]:
    chosen = {"labelSelector": labels, "fieldSelector": f"metadata.name={name}" if name else ""}
    return {key: value for key, value in chosen.items() if value}


def _changes(answer: httpx.Response, deadline: float) -> Iterator[Change]:
    for line in answer.iter_lines():
        parsed = json.loads(line)
        if parsed["type"] == "ERROR":
            status = parsed["object"]
            raise ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
        yield Change(parsed["type"], parsed["object"])
        if time.monotonic() >= deadline:
            return


def _error(answer: httpx.Response) -> ApiError:
    try:
        status = answer.json()
        reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    except (ValueError, AttributeError):
        reason, message = "", answer.text[:500]
    kinds = {404: NotFound, 409: AlreadyExists if reason == "AlreadyExists" else Conflict, 422: Invalid}
    return kinds.get(answer.status_code, ApiError)(answer.status_code, reason, message)
