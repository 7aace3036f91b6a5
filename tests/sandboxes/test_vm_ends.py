"""Who dies first, and what is left then. And the pool with virtual machines."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labs.harness import pace
from sandboxes import reaper
from sandboxes.interface import Spec
from sandboxes.pool import client, messages
from sandboxes.vm import VirtualMachineProvider
from tests.sandboxes.machine import await_true, left_of, processes
from tests.sandboxes.test_pool_real import daemon

pytestmark = pytest.mark.system

_ROOT = Path(__file__).parents[2]
_OWNER = """
import json, sys
from sandboxes.interface import Spec
from sandboxes.pool.messages import handle_json
from sandboxes.vm import VirtualMachineProvider
vm = VirtualMachineProvider().start(Spec("vm"), lambda progress: None)
print(json.dumps(handle_json(vm.handle)), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A LASTMILE_RUN for this test alone, inside the session's."""
    folder = own_run / f"v{time.monotonic_ns() % 10**9}"
    folder.mkdir()
    monkeypatch.setenv("LASTMILE_RUN", str(folder))
    return folder


def test_an_owner_that_is_killed_leaves_nothing(run: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with owner:
        assert owner.stdout is not None
        handle = messages.read_handle(json.loads(owner.stdout.readline()))
        view = VirtualMachineProvider().attach(handle)
        assert view.alive()
        assert view.run("/bin/uname", "-r").output.decode().strip() == handle.data["release"]
        os.kill(owner.pid, signal.SIGKILL)
    await_true(lambda: not view.alive(), 10, "the machine is gone")
    reaper.sweep()
    await_true(lambda: not left_of(run), 10, f"nothing is left: {left_of(run)}")
    assert processes(str(run)) == []
    assert not view.standing()


def test_a_frozen_spare_is_leased_in_a_blink(run: Path) -> None:
    specs = [Spec("vm", options={"kernel": series}) for series in ("6.1", "6.12")]
    with daemon(run):
        for spec in specs:
            client.keep_warm(spec, 1)
        await_true(lambda: (client.status() or {}).get("warm") == 2, 90, "two spares")
        with contextlib.ExitStack() as leases:
            for spec in specs:
                begun = pace.now()
                handle = leases.enter_context(client.lease(spec))
                seconds = pace.now() - begun
                assert handle.data["kernel"] == spec.options["kernel"]
                view = VirtualMachineProvider().attach(handle)
                with view.client() as guest:
                    assert abs(guest.ping().clock - time.time()) < 5
                assert seconds < 2
        await_true(lambda: not view.alive(), 20, "the machine is destroyed")
    await_true(lambda: not left_of(run), 10, f"nothing is left: {left_of(run)}")
