"""How long a jail, and a machine, are kept waiting for a processor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sandboxes.interface import Handle, Spec
from sandboxes.jail import start
from sandboxes.pool import client
from sandboxes.vm import VirtualMachine, VirtualMachineProvider
from tests.sandboxes.attacks import perl, sh, tight
from tests.sandboxes.machine import await_true

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@contextmanager
def crowd() -> Iterator[None]:
    """More busy processes than processors, outside of any jail: they have their share first. Nice ones, so that tests
    beside this one do not suffer.
    """
    argv = ["nice", "-n", "5", sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(argv) for _ in range(2 * len(os.sched_getaffinity(0)))]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def share(delay: Callable[[], float], seconds: float = 2.0) -> float:
    """Of the time from now on, how much of it was waited."""
    began, waited = time.monotonic(), delay()
    time.sleep(seconds)  # the window over which it is measured
    return (delay() - waited) / (time.monotonic() - began)


def test_it_works() -> None:
    process = start(perl("1 while 1", limits=tight(wall_seconds=60)))
    try:
        await_true(lambda: process.output() == b"" and process.running, 10, "it runs")
        with crowd():
            await_true(lambda: share(process.run_delay) > 0.6, 30, "it is kept waiting")
    finally:
        process.kill()
    assert process.run_delay() == 0.0


def test_who_sleeps_does_not_wait() -> None:
    process = start(sh("sleep 60"))
    try:
        with crowd():
            assert share(process.run_delay) < 0.2
    finally:
        process.kill()


def test_a_machine_tells_it_of_its_processor() -> None:
    with a_machine("6.12") as machine, machine.client() as guest:
        work = guest.start(("sh", "-c", "while :; do :; done"))
        with crowd():
            await_true(lambda: share(machine.run_delay) > 0.6, 60, "it is kept waiting")
        work.kill()
        await_true(lambda: share(machine.run_delay) < 0.3, 60, "at rest it wants no processor")
        assert VirtualMachine.attached(machine.handle).run_delay() == 0.0


def test_nobody_can_say_it_of_one_that_is_not_leased() -> None:
    assert client.run_delay(Handle("fake", "fake-1", "boot")) == 0.0


@contextmanager
def a_machine(kernel: str) -> Iterator[VirtualMachine]:
    machine = VirtualMachineProvider().start(Spec("vm", options={"kernel": kernel}), lambda progress: None)
    try:
        yield machine
    finally:
        machine.close()
