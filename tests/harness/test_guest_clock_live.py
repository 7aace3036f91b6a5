"""A real machine whose host is busy says so."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from labs.harness.guest_clock import GuestClock
from sandboxes.interface import Spec
from sandboxes.vm import VirtualMachineProvider

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

CROWD = 4
SECONDS = 30.0


@contextmanager
def crowd() -> Iterator[None]:
    """Processes outside of any jail, which have their share of the processor first."""
    code = "while True: pass"
    busy = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(CROWD)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_it_works() -> None:
    told: list[float] = []
    news = threading.Condition()

    def tell(factor: float) -> None:
        with news:
            told.append(factor)
            news.notify_all()

    machine = VirtualMachineProvider().start(Spec("vm", options={"kernel": "6.12"}), lambda progress: None)
    try:
        with machine.client() as client:
            work = client.start(("sh", "-c", "while :; do cat /proc/stat > /dev/null; done"))
            clock = GuestClock(lambda timeout: client.ping(timeout).uptime, tell)
            clock.start()
            with crowd(), news:
                assert news.wait_for(lambda: bool(told) and told[-1] > 2.0, SECONDS), told
            work.kill()
            with news:  # at rest it is as fast as any
                assert news.wait_for(lambda: told[-1] == 1.0, SECONDS), told
            clock.close()
    finally:
        machine.close()
