"""The tests of the sandboxes have a LASTMILE_RUN of their own, and nothing of theirs may be left at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.controlplane import ControlPlane, ControlPlaneProvider
from sandboxes.interface import Spec
from sandboxes.vm import Client, VirtualMachine, VirtualMachineProvider
from tests.sandboxes.machine import await_true, left_of
from tests.sandboxes.pooling import pool as pool


@pytest.fixture(scope="session")
def own_run() -> Iterator[Path]:
    """The LASTMILE_RUN of these tests. When the last has ended, nothing that was started under it stands."""
    # short, because Unix sockets have at most 107 letters
    folder = Path(tempfile.mkdtemp(prefix="lm-"))
    yield folder
    try:
        await_true(
            lambda: not left_of(folder), 10, f"all that was started is gone; there is {left_of(folder)}"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_run(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTMILE_RUN", str(own_run))


@pytest.fixture(scope="session")
def plane(own_run: Path) -> Iterator[ControlPlane]:
    """One real control plane that several tests share. They only look at it or write what others do not read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LASTMILE_RUN", str(own_run))
        sandbox = ControlPlaneProvider().start(Spec("controlplane"), lambda progress: None)
    try:
        sandbox.settle()
        yield sandbox
    finally:
        sandbox.close()


@pytest.fixture(scope="session", params=["6.1", "6.12"])
def machine(own_run: Path, request: pytest.FixtureRequest) -> Iterator[VirtualMachine]:
    """One real virtual machine of each kernel, for tests that only look or write what others do not read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LASTMILE_RUN", str(own_run))
        spec = Spec("vm", options={"kernel": request.param})
        sandbox = VirtualMachineProvider().start(spec, lambda progress: None)
    try:
        yield sandbox
    finally:
        sandbox.close()


@pytest.fixture
def guest(machine: VirtualMachine) -> Iterator[Client]:
    """A connection to it, for one test."""
    with machine.client() as client:
        yield client
