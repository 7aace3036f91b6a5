"""Stands in for nodes: the sandbox has no kubelet, so the grader says when a pod runs and is ready."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import httpx

from labs.harness.kube import PODS, ApiError, Kube, NotFound, Obj

_PAUSE_SECONDS = 0.2


class Kubelet:
    """Sets the status of pods as a kubelet would. Nothing happens until a check asks for it."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._serving: dict[str, threading.Event] = {}

    def serve(self, namespace: str) -> None:
        """From now on every pod of `namespace` becomes Running and Ready as soon as it appears.

        Needed for StatefulSets, whose next pod is only created when the one before it is ready.
        """
        if namespace in self._serving:
            return
        stop = self._serving[namespace] = threading.Event()
        threading.Thread(target=self._serve, args=(namespace, stop), daemon=True).start()

    def hold(self, namespace: str) -> None:
        """Stop serving: new pods stay Pending, the others stay as they are. Idempotent."""
        stop = self._serving.pop(namespace, None)
        if stop:
            stop.set()

    def set_ready(self, namespace: str, pod: str, ready: bool = True) -> None:
        """Make one pod Running and Ready, or Running and not ready. Raises NotFound."""
        self._kube.patch_status(PODS, namespace, pod, _status(ready))

    def ready_pods(self, namespace: str, statefulset: str, ready: int, timeout: float = 10.0) -> None:
        """Exactly the first `ready` pods of the StatefulSet are Ready, the others are not.

        Waits for each of those pods to be created (the StatefulSet controller makes them one by
        one). Holds the namespace first. Raises NotInTime when a pod does not appear.
        """
        self.hold(namespace)
        for ordinal in range(ready):
            name = f"{statefulset}-{ordinal}"
            self._kube.wait(PODS, namespace, name, lambda pod: pod is not None, timeout)
            self.set_ready(namespace, name, True)
        for pod in self._kube.list(PODS, namespace):
            name = pod["metadata"]["name"]
            if _ordinal(pod, statefulset) >= ready and is_ready(pod):
                self.set_ready(namespace, name, False)

    def close(self) -> None:
        for namespace in list(self._serving):
            self.hold(namespace)

    def _serve(self, namespace: str, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                for change in self._kube.watch(PODS, namespace, timeout=2.0):
                    if stop.is_set():
                        return
                    self._attend(change.object) if change.type in ("ADDED", "MODIFIED") else None
            except (ApiError, httpx.TransportError):
                stop.wait(_PAUSE_SECONDS)

    def _attend(self, pod: Obj) -> None:
        meta = pod["metadata"]
        if is_ready(pod) or "deletionTimestamp" in meta:
            return
        try:
            self.set_ready(meta["namespace"], meta["name"], True)
        except NotFound:
            pass  # deleted between the watch and now


def is_ready(pod: Obj) -> bool:
    """Whether the pod's Ready condition is True."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _ordinal(pod: Obj, statefulset: str) -> int:
    owner, _, tail = pod["metadata"]["name"].rpartition("-")
    return int(tail) if owner == statefulset and tail.isdigit() else -1


def _status(ready: bool) -> Obj:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    word = "True" if ready else "False"
    kinds = {"Initialized": "True", "ContainersReady": word, "Ready": word, "PodScheduled": "True"}
    return {
        "phase": "Running",
        "startTime": now,
        "conditions": [
            {"type": kind, "status": status, "lastTransitionTime": now} for kind, status in kinds.items()
        ],
    }
