"""A control plane under all the load that a learner may bring: it stands, and serves the grader meanwhile."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from labs.harness import pace
from sandboxes.controlplane import ControlPlane, ControlPlaneProvider
from sandboxes.interface import Spec
from tests.sandboxes.learners import allow, learner
from tests.sandboxes.machine import await_true

pytestmark = pytest.mark.system


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    """One of its own: its budgets are used up afterwards."""
    sandbox = ControlPlaneProvider().start(Spec("controlplane"), lambda progress: None)
    try:
        sandbox.settle()  # as the pool does with a spare; without it the controller manager was once seen to end here
        yield sandbox
    finally:
        sandbox.close()


def test_a_store_as_full_as_may_be_is_listed_in_a_loop_and_stands(plane: ControlPlane) -> None:
    """What is not bounded here ends in an API server without memory, and in a run that is nobody's fault."""
    path = "/api/v1/namespaces/default/configmaps"
    allow(plane, "", "configmaps", ["list", "create"])
    await_true(lambda: learner(plane, "GET", path) == 200, 10, "the right to list")
    big = "x" * (900 << 10) + "\U0001f600"
    with ThreadPoolExecutor(8) as writers:
        codes = list(writers.map(lambda n: learner(plane, "POST", path, _config(n, big), 60), range(90)))
    assert 60 <= codes.count(201) <= 80, codes
    assert set(codes) == {201, 429}
    until = time.monotonic() + 10
    longest, refused = 0.0, 0
    with ThreadPoolExecutor(24) as readers:
        listed = [readers.submit(_list_until, plane, path, until) for _ in range(24)]
        while time.monotonic() < until:
            begun = pace.now()
            assert plane.client().call("GET", "/api/v1/namespaces/kube-system", timeout=60)[0] == 200
            longest = max(longest, pace.now() - begun)
        refused = sum(done.result() for done in listed)
    assert longest < 5.0, "the grader's own requests wait too long"
    assert refused, "a learner that reads so much is told so"
    assert plane.ailments(deep=True) == {}


def _config(number: int, text: str) -> dict[str, Any]:
    return {"metadata": {"name": f"big-{number}"}, "data": {"x": text}}


def _list_until(plane: ControlPlane, path: str, end: float) -> int:
    """How often it was refused."""
    refused = 0
    while time.monotonic() < end:
        with contextlib.suppress(OSError):  # a list that waits for its turn longer than its client does
            refused += learner(plane, "GET", path) == 429
    return refused
