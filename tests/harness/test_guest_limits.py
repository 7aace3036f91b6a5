"""What the learner's program may take of its machine, by a client that only writes down, and on a real machine."""

from __future__ import annotations

import dataclasses
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.harness import manifest
from labs.harness.learner import Callbacks
from labs.harness.machine import Machine
from sandboxes.interface import Completed, Handle, Spec
from sandboxes.vm import Client, VirtualMachine, VirtualMachineProvider
from sandboxes.vm.programs import Exit, Usage

MIB = 1 << 20
LAB = manifest.load("tracers/states", Path(__file__).with_name("labs"))


def lab(memory_mib: int) -> manifest.Lab:
    limits = dataclasses.replace(LAB.limits, memory_bytes=memory_mib * MIB)
    return dataclasses.replace(LAB, limits=limits)


def callbacks(ends: queue.SimpleQueue[Completed]) -> Callbacks:
    return Callbacks(
        lines=lambda lines: None,
        cut=lambda: None,
        exited=lambda number, ended: ends.put(ended),
        broken=pytest.fail,
    )


class _Program:
    def wait(self, timeout: float) -> Exit:
        return Exit(0, 0, 0.1, "", 0, Usage(0.0, 0, 0, 0, False))


class Noting:
    """Starts nothing. `limits` has what each program would have been started with."""

    def __init__(self) -> None:
        self.limits: list[int] = []

    def put_bytes(self, name: str, content: bytes, **how: Any) -> None:
        pass

    def start(self, argv: tuple[str, ...], *, memory_bytes: int, **how: Any) -> _Program:
        self.limits.append(memory_bytes // MIB)
        return _Program()

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("guest_mib", "asked_mib", "given_mib"),
    [(256, 512, 128), (256, 129, 128), (256, 128, 128), (256, 96, 96), (128, 96, 64), (2048, 512, 512)],
)
def test_a_program_gets_half_of_its_machine_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guest_mib: int, asked_mib: int, given_mib: int
) -> None:
    client, ends = Noting(), queue.SimpleQueue[Completed]()
    monkeypatch.setattr(Client, "connect", lambda handle, timeout: client)
    handle = Handle("vm", "vm-1", "boot", {"memory_bytes": guest_mib * MIB})
    (tmp_path / "program").write_bytes(b"")
    guest = Machine("6.12", handle, lab(asked_mib), callbacks(ends))
    guest.built = tmp_path / "program"
    try:
        guest.start(1, guest.built, {})
        guest.ask("command", {"args": []}, 5.0)
    finally:
        guest.close()
    assert client.limits == [given_mib, given_mib], "as an instance, and as a command"


@pytest.fixture
def vm() -> Iterator[VirtualMachine]:
    sandbox = VirtualMachineProvider().start(Spec("vm"), lambda progress: None)
    yield sandbox
    sandbox.close()


# in memory that belongs to no process: ending processes, the guest's OOM killer would find none that helps
HOG = """#!/bin/sh
mount -o remount,size=90% /
dd if=/dev/zero of=/much bs=64k
mount -t tmpfs -o size=90% more /run
dd if=/dev/zero of=/run/much bs=64k
exit 7
"""


@pytest.mark.system
def test_a_hog_is_ended_for_its_memory_and_the_machine_goes_on(vm: VirtualMachine, tmp_path: Path) -> None:
    (tmp_path / "hog").write_text(HOG)
    ends = queue.SimpleQueue[Completed]()
    guest = Machine("6.12", vm.handle, lab(512), callbacks(ends))
    try:
        guest.start(1, tmp_path / "hog", {})
        ended = ends.get(timeout=120)
        assert (ended.exit_code, ended.stopped_by) == (None, "memory")
        assert ended.memory_peak_bytes <= 128 * MIB
        assert guest.ask("run", {"argv": ["/bin/echo", "here"]}, 30.0).body == b"here\n"
        assert guest.ask("bpf", {}, 30.0).ok["programs"] == ()
    finally:
        guest.close()
