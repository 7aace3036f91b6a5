"""How long a jail, and a machine, ran and were kept waiting for a processor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sandboxes.interface import Handle, RunDelay, Spec
from sandboxes.jail import DelayMeter
from sandboxes.pool import client
from sandboxes.vm import VirtualMachine, VirtualMachineProvider
from tests.sandboxes.attacks import begin, perl, sh, tight
from tests.sandboxes.machine import await_true

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

BURN = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"


@contextmanager
def crowd(pids: Iterable[int]) -> Iterator[None]:
    """Two busy processes, outside of any jail, on the one processor that all threads of these have to share with
    them. The other processors are left to who else is at work here.
    """
    one = {min(os.sched_getaffinity(0))}
    threads = [int(task.name) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    for thread in threads:
        os.sched_setaffinity(thread, one)
    with ExitStack() as undo:
        for _ in range(2):
            burning = subprocess.Popen([sys.executable, "-c", BURN])
            undo.callback(burning.wait)
            undo.callback(burning.kill)
            os.sched_setaffinity(burning.pid, one)
        yield


def waited(look: Callable[[], RunDelay], seconds: float = 1.0) -> float:
    """Of the time in which it wanted to run, from now on, how much of it it waited."""
    before = look()
    time.sleep(seconds)  # the window over which it is measured
    grown = look() - before
    return grown.waited / (grown.ran + grown.waited) if grown.waited > 0.02 * seconds else 0.0


def test_it_works() -> None:
    process = begin(perl("$| = 1; print 'ready'; 1 while 1", limits=tight(wall_seconds=120)))
    meter = DelayMeter()
    try:
        assert meter.look(process.pids()) == RunDelay(0.0, 0.0), "it counts from the first look on"
        with crowd(process.pids()):
            await_true(lambda: waited(lambda: meter.look(process.pids())) > 0.5, 60, "it is kept waiting")
    finally:
        process.kill()
    assert process.pids() == []


def test_who_sleeps_does_not_wait() -> None:
    process = begin(sh("echo ready; exec sleep 60"))
    meter = DelayMeter()
    try:
        with crowd(process.pids()):
            await_true(lambda: waited(lambda: meter.look(process.pids())) == 0.0, 60, "it has begun to sleep")
            assert [waited(lambda: meter.look(process.pids())) for _ in range(3)] == [0.0] * 3
    finally:
        process.kill()


def test_the_one_that_waits_longest_now_counts_and_not_the_one_of_old() -> None:
    old = begin(perl("$| = 1; print 'ready'; 1 while 1", limits=tight(wall_seconds=120)))
    try:
        past = DelayMeter()
        past.look(old.pids())
        with crowd(old.pids()):
            await_true(lambda: past.look(old.pids()).waited > 0.5, 60, "the old one has waited")
        new = begin(perl("$| = 1; print 'ready'; 1 while 1", limits=tight(wall_seconds=120)))
        meter = DelayMeter()

        def look() -> RunDelay:
            return meter.look([*old.pids(), *new.pids()])

        try:
            look()
            old.freeze(True)  # it wants nothing any more
            with crowd(new.pids()):
                await_true(lambda: waited(look) > 0.5, 60, "the new one is kept waiting")
        finally:
            new.kill()
    finally:
        old.kill()


@contextmanager
def a_machine() -> Iterator[VirtualMachine]:
    machine = VirtualMachineProvider().start(Spec("vm", options={"kernel": "6.12"}), lambda progress: None)
    try:
        yield machine
    finally:
        machine.close()


def test_a_machine_tells_it_of_its_processor() -> None:
    with a_machine() as machine, machine.client() as guest:

        def look() -> RunDelay:
            found = machine.run_delay()
            assert found is not None
            return found

        process = machine._process
        assert process is not None
        work = guest.start(("sh", "-c", "while :; do :; done"))
        with crowd(process.pids()):
            await_true(lambda: waited(look) > 0.5, 60, "it is kept waiting")
        work.kill()
        await_true(lambda: waited(look) < 0.3, 60, "at rest it wants no processor")
        assert VirtualMachine.attached(machine.handle).run_delay() is None


def test_nobody_can_say_it_of_one_that_is_not_leased() -> None:
    assert client.run_delay(Handle("fake", "fake-1", "boot")) is None
