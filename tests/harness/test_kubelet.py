"""What stands in for nodes goes on when the API server does not answer for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest

from labs.harness.kube import ApiError, Kube, Obj
from labs.harness.kubelet import Kubelet


@dataclass(frozen=True)
class Change:
    type: str
    object: Obj


@dataclass
class Server:
    """Fails once with `fails`, and takes the status of a pod afterwards."""

    fails: Exception
    patched: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def watch(self, *_: Any, timeout: float) -> Iterator[Change]:
        yield Change("ADDED", {"metadata": {"name": "db-0", "namespace": "one"}, "status": {}})

    def patch_status(self, *_: Any) -> None:
        self.asked += 1
        if self.asked == 1:
            raise self.fails
        self.patched.set()


@pytest.mark.parametrize("fails", [httpx.ReadTimeout("slow"), ApiError(500, "Internal", "etcd")])
def test_a_pod_becomes_ready_in_spite_of_an_answer_that_did_not_come(fails: Exception) -> None:
    server = Server(fails)
    kubelet = Kubelet(cast("Kube", server))
    kubelet.serve("one")
    try:
        assert server.patched.wait(10)
    finally:
        kubelet.close()
