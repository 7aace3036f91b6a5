"""What holds a QEMU that was taken over from inside."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.interface import Spec
from sandboxes.jail import Command, Limits, run
from sandboxes.vm import VirtualMachine, VirtualMachineProvider, memory, qemu
from sandboxes.vm.shelf import shelf

pytestmark = pytest.mark.system


@pytest.fixture
def ram() -> Iterator[int]:
    fd = memory.create(1 << 20)
    yield fd
    os.close(fd)


def _write_from_a_jail(fd: int) -> bytes:
    script = (
        "echo learner > /proc/self/fd/12 && echo written; echo over | dd of=/proc/self/fd/12 conv=notrunc"
    )
    command = Command(
        ("/bin/sh", "-c", script), descriptors=(fd,), system=True, limits=Limits(wall_seconds=20)
    )
    return run(command).output


def test_the_templates_memory_cannot_be_written(ram: int) -> None:
    assert b"written" in _write_from_a_jail(ram)
    os.ftruncate(ram, 1 << 20)
    memory.seal(ram)
    before = os.pread(ram, 1 << 20, 0)
    assert b"written" not in _write_from_a_jail(ram)
    assert os.pread(ram, 1 << 20, 0) == before


def test_the_memory_in_use_is_sealed(machine: VirtualMachine) -> None:
    provider = VirtualMachineProvider()
    spec = Spec("vm", options={"kernel": machine.handle.data["kernel"]})
    made = shelf(provider.cache).get(provider.machine(spec))
    seals = fcntl.fcntl(made.ram, fcntl.F_GET_SEALS)
    wanted = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    assert seals & wanted == wanted


def _emulator(machine: VirtualMachine) -> Path:
    """The folder below /proc of the machine's QEMU itself."""
    process = machine._process
    assert process is not None
    todo, found = [process.pid], []
    while todo:
        pid = todo.pop()
        todo += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        if Path(f"/proc/{pid}/comm").read_text().startswith("qemu"):
            found.append(Path(f"/proc/{pid}"))
    (only,) = found
    return only


def test_qemu_has_no_rights(machine: VirtualMachine) -> None:
    folder = _emulator(machine)
    status = dict(
        line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line
    )
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["Seccomp_filters"]) >= 2
    assert 60_600 <= int(status["Uid"].split()[0]) < 61_180
    for kind in ("net", "pid", "mnt", "ipc", "user"):
        assert (folder / "ns" / kind).readlink() != Path("/proc/self/ns", kind).readlink()
    links = (folder / "net" / "dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in links] == ["lo"]


def test_nobody_can_reach_its_monitor(machine: VirtualMachine) -> None:
    """Two sockets are left: the one it listens at, and a monitor whose other end is closed."""
    listening = [
        line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if "/agent" in line
    ]
    assert listening
    descriptors = {p.name: str(p.readlink()) for p in (_emulator(machine) / "fd").iterdir()}
    sockets = [target for target in descriptors.values() if target.startswith("socket:")]
    assert len(sockets) <= 2


def test_it_has_no_device_that_is_not_needed(machine: VirtualMachine) -> None:
    with machine.client() as guest:
        output = bytearray()
        script = "for d in /sys/bus/pci/devices/*; do cat $d/class; done; ls /sys/class/net /sys/block /sys/class/input"
        program = guest.start(("/bin/sh", "-c", script), on_output=output.extend)
        assert program.wait(20) is not None
    words = output.decode().split()
    # host bridge, ISA bridge, and the serial port's communication controller
    assert sorted(w for w in words if w.startswith("0x")) == ["0x060000", "0x060100", "0x078000"]
    assert {"lo", "dummy0"} == {w for w in words if not w.startswith(("0x", "/")) and w[-1] != ":"}


def test_its_command_line_has_no_network_and_no_disk(machine: VirtualMachine) -> None:
    words = (_emulator(machine) / "cmdline").read_text().split("\0")
    assert not {"-netdev", "-nic", "-net", "-drive", "-blockdev", "-vnc", "-usb", "-monitor", "-qmp"} & set(
        words
    )
    assert words[words.index("-sandbox") + 1].startswith("on,")
    assert qemu.KVM not in " ".join(words)
