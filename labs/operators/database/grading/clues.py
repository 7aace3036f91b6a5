"""Reads the learner's own state: refused requests, its log, its metrics, and how a Database changed."""

from __future__ import annotations

import json
import math
import threading
import time
from typing import Any

import httpx

from labs.harness import pace
from labs.harness.events import Text
from labs.harness.kube import ApiError, Obj
from labs.harness.operator_lab import OperatorLab
from labs.operators.database.grading.world import (
    DATABASES,
    Db,
    ready_facts,
    statefulset_facts,
    wanted_statefulset,
)

METRICS = "http://127.0.0.1:8080/metrics"
METRICS_BYTES = 4 << 20
METRICS_SECONDS = 5.0
TOTAL = "controller_runtime_reconcile_total"
ERRORS = "controller_runtime_reconcile_errors_total"


def metric(name: str) -> float | None:
    """The sum over all series of a counter; None when the operator does not serve one that can be read."""
    try:
        rows = [line for line in _metrics().splitlines() if line.split("{")[0].split(" ")[0] == name]
        found = [float(row.rsplit(" ", 1)[1]) for row in rows]
    except (httpx.HTTPError, ValueError, IndexError):
        return None
    total = sum(found)
    return total if found and math.isfinite(total) else None


def _metrics() -> str:
    """The page, bounded in size and time: the learner's program may serve anything."""
    deadline = pace.now() + METRICS_SECONDS
    page = b""
    plain = {"Accept-Encoding": "identity"}  # nothing that unpacks to more than was read
    with httpx.stream("GET", METRICS, headers=plain, timeout=METRICS_SECONDS, trust_env=False) as answer:
        for chunk in answer.iter_raw(65536):
            page += chunk
            if len(page) > METRICS_BYTES or pace.now() > deadline:
                raise ValueError("the metrics page has no end")
    return page.decode("utf-8", "replace")


def why(db: Db, otherwise: Text) -> Text:
    """The most telling thing about why the operator did not get there; `otherwise` when nothing tells."""
    refused = [
        e for e in db.lab.audit.writes(namespace=db.namespace) if e.code in (400, 403, 404, 405, 415, 422)
    ]
    refused += [e for e in db.lab.audit.writes(namespace="database-registry") if e.code in (400, 403, 422)]
    if refused:
        last = refused[-1]
        return Text(
            f"API server 拒绝了 {len(refused)} 次写请求，最后一次：{last}。先看日志里这次请求的错误信息。",
            f"The API server refused {len(refused)} writes, the last: {last}. Read that request's error in "
            "your log first.",
        )
    told = last_error(db.lab, db.name)
    if told:
        return Text(
            f"{otherwise.zh} 日志里最后一个错误：{told}", f"{otherwise.en} The last error in your log: {told}"
        )
    return otherwise


def last_error(lab: OperatorLab, about: str = "") -> str:
    """The newest error in the operator's log that names `about`, at most 300 characters.

    Conflicts are left out: with optimistic concurrency they are part of the day's work.
    """
    for line in reversed(lab.operator.lines[-400:]):
        told = _error_in(line.text) if about in line.text else ""
        if told and "the object has been modified" not in told:
            return told[:300]
    return ""


def _error_in(line: str) -> str:
    """What went wrong according to one line: controller-runtime's JSON, its console format, or a panic."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return line if "ERROR" in line or "panic:" in line else ""
    return str(entry.get("error") or "") if isinstance(entry, dict) else ""


def settle(db: Db, timeout: float = 20.0) -> None:
    """All pods get ready at once, and the Database says so. Fails with what is missing."""
    db.lab.kubelet.serve(db.namespace)
    db.lab.eventually(
        db.status,
        want=ready_facts(db),
        timeout=timeout,
        tried=Text(f"把 {db} 的所有 Pod 置为就绪", f"made every pod of {db} ready"),
        expected=Text(
            "Ready=True，Progressing=False，readyReplicas 和 observedGeneration 与实际一致",
            "Ready=True, Progressing=False, readyReplicas and observedGeneration as they really are",
        ),
        hint=lambda seen: why(db, _unsettled(db, seen)),
        command=db.kubectl("db"),
    )


def _unsettled(db: Db, seen: Obj) -> Text:
    found = db.statefulset()
    if found is None:
        return Text("StatefulSet 不存在。", "There is no StatefulSet.")
    told = found.get("status", {})
    ready, updated = told.get("readyReplicas", 0), told.get("updatedReplicas", 0)
    if statefulset_facts(found) == wanted_statefulset(db) and ready == db.size:
        return Text(
            f"StatefulSet 自己报告 readyReplicas={ready}、updatedReplicas={updated}，但 Database 的状态没有"
            "跟上："
            "StatefulSet 的状态变化有没有触发你的 Reconcile？",
            f"The StatefulSet itself reports readyReplicas={ready}, updatedReplicas={updated}, but the "
            "Database did not "
            "follow: does a change of the StatefulSet's status lead to your Reconcile?",
        )
    return Text(
        f"StatefulSet 报告 readyReplicas={ready}，而 size 是 {db.size}；Database 写的是 "
        f"{seen.get('readyReplicas')}。",
        f"The StatefulSet reports readyReplicas={ready} where size is {db.size}; the Database says "
        f"{seen.get('readyReplicas')}.",
    )


class History:
    """Every version of one Database from now on, oldest first, gathered by a watch."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._seen: list[tuple[float, Obj]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()

    def versions(self) -> list[tuple[float, Obj]]:
        """(when the grader saw it, the object); complete up to the version that is current now."""
        current = self._db.read()
        newest = current["metadata"]["resourceVersion"] if current else ""
        deadline = pace.now() + 5.0
        while pace.now() < deadline:
            with self._lock:
                if any(obj["metadata"]["resourceVersion"] == newest for _, obj in self._seen):
                    return list(self._seen)
            time.sleep(0.02)
        raise TimeoutError(f"the watch of {self._db} lags behind")

    def _follow(self) -> None:
        since = ""
        while not self._stop.is_set():
            try:
                for change in self._db.lab.kube.watch(
                    DATABASES, self._db.namespace, name=self._db.name, since=since, timeout=30.0
                ):
                    since = change.object["metadata"]["resourceVersion"]
                    with self._lock:
                        self._seen.append((time.time(), change.object))
                    if self._stop.is_set():
                        return
            except (ApiError, httpx.HTTPError):
                self._stop.wait(0.1)
