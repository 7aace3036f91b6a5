"""The pool's daemon as a process, with real control planes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.harness import pace
from sandboxes.controlplane import ControlPlaneProvider
from sandboxes.interface import Spec
from sandboxes.pool import client
from tests.sandboxes.machine import await_true, left_of, processes

pytestmark = pytest.mark.system

_ROOT = Path(__file__).parents[2]
_SPEC = Spec("controlplane")


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory, own_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A LASTMILE_RUN for this test alone, inside the session's."""
    folder = own_run / f"p{time.monotonic_ns() % 10**9}"
    folder.mkdir()
    monkeypatch.setenv("LASTMILE_RUN", str(folder))
    return folder


@contextlib.contextmanager
def daemon(run: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (run.parent / "pool.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandboxes.pool"], cwd=_ROOT, stdout=log, stderr=log
        )
    try:
        await_true(client.status, 20, "the pool listens")
        yield process
    finally:
        process.terminate()
        assert process.wait(60) is not None


def _warm() -> int:
    status = client.status()
    return status["warm"] if status else -1


def test_a_spare_is_leased_in_a_blink_and_ended_with_its_lease(run: Path) -> None:
    with daemon(run) as process:
        assert client.keep_warm(_SPEC, 1)
        await_true(lambda: _warm() == 1, 90, "a spare")
        begun = pace.now()
        with client.lease(_SPEC) as handle:
            assert pace.now() - begun < 2
            view = ControlPlaneProvider().attach(handle)
            assert view.alive()
            assert view.client().get("/api/v1/namespaces/default")["metadata"]["name"] == "default"
            assert processes(handle.id) == []
        await_true(lambda: not view.alive(), 20, "the sandbox is destroyed")
        process.terminate()
        assert process.wait(60) == 0
    await_true(lambda: not left_of(run), 10, f"nothing is left: {left_of(run)}")
    assert [p.name for p in run.iterdir() if p.name != "sandboxes"] == []


def test_killed_it_leaves_nothing_that_its_successor_does_not_remove(run: Path) -> None:
    with daemon(run) as process:
        client.keep_warm(_SPEC, 1)
        await_true(lambda: _warm() == 1, 90, "a spare")
        with contextlib.ExitStack() as leases:
            handles = [leases.enter_context(client.lease(_SPEC)) for _ in range(2)]
            assert len({h.id for h in handles}) == 2
            assert left_of(run)
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
    # the keepers see their caller gone and end their jails by themselves
    await_true(
        lambda: not [x for x in left_of(run) if not x.startswith("folder")], 20, "no process and no cgroup"
    )
    assert list(run.glob("sandboxes/*/*"))
    with daemon(run):
        assert not list(run.glob("sandboxes/*/*"))
        status = client.status()
        assert status is not None
        assert (status["leased"], status["warm"]) == (0, 0)


def test_a_client_that_is_killed_gives_its_sandbox_back(run: Path) -> None:
    script = """
from sandboxes.interface import Spec
from sandboxes.pool import client
with client.lease(Spec("controlplane")) as handle:
    print(handle.id, flush=True)
    input()
"""
    with daemon(run):
        worker = subprocess.Popen(
            [sys.executable, "-c", script], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert worker.stdout is not None
        assert worker.stdout.readline().startswith(b"cp-")
        worker.kill()
        worker.wait(10)
        await_true(lambda: not list(run.glob("sandboxes/*/*")), 20, "its sandbox is destroyed")
        worker.stdout.close()


def test_a_component_that_dies_makes_the_sandbox_dead(run: Path) -> None:
    sandbox = ControlPlaneProvider().start(_SPEC, lambda progress: None)
    try:
        assert sandbox.alive()
        assert sandbox.standing()
        sandbox.processes["apigate"].kill()
        assert not sandbox.standing()
        assert sandbox.ailments() == {"apigate": "ended"}
        assert not sandbox.alive()
    finally:
        sandbox.close()
    assert not left_of(run)


def test_stopped_while_one_starts_it_leaves_nothing(run: Path) -> None:
    with daemon(run) as process:
        client.keep_warm(_SPEC, 1)
        await_true(lambda: list(run.glob("sandboxes/controlplane/*")), 20, "a start is under way")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    await_true(lambda: not left_of(run), 10, f"nothing is left: {left_of(run)}")
