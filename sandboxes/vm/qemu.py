"""QEMU's command lines: the machine that a template is taken of, and the same machine restored from it.

The machine has a processor, memory, a serial port that only writes, and one virtio-serial port. No network
card, disk, display, USB or sound, and no monitor that anybody could reach.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandboxes.interface import Unavailable
from sandboxes.jail import FIRST_DESCRIPTOR, MIB, Bind, Command, Limits
from sandboxes.setup.kernels import Kernel

KVM = "/dev/kvm"
# what QEMU itself needs beside the guest's memory
_OWN_MEMORY = 192 * MIB
# descriptors by their place in Command.descriptors
RAM, AGENT, MONITOR, STATE = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + 4)
PORT = "lastmile.agent"
_MACHINE = "q35,usb=off,sata=off,smbus=off,vmport=off,i8042=off,smm=off,graphics=off,memory-backend=ram"
# panic=-1 and -no-reboot: a kernel that panics is a machine that has ended
KERNEL_ARGUMENTS = "console=ttyS0 quiet panic=-1 oops=panic random.trust_cpu=on"
_SECCOMP = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


@dataclass(frozen=True)
class Machine:
    """What makes two machines exchangeable, with one template."""

    kernel: Kernel
    memory_bytes: int
    accelerator: str


def program() -> str:
    """The path of QEMU. Raises Unavailable with the remedy."""
    found = shutil.which("qemu-system-x86_64", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin")
    if not found:
        raise Unavailable("qemu-system-x86_64 is missing: apt-get install qemu-system-x86")
    return found


def arguments(machine: Machine, *, shared: bool) -> tuple[str, ...]:
    """What both command lines have. `shared` writes to the memory's file; else the file is only read from."""
    size = machine.memory_bytes // MIB
    memory = f"memory-backend-file,id=ram,size={size}M,mem-path=/proc/self/fd/{RAM},share={_on(shared)}"
    return (
        *(program(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", _MACHINE, "-m", f"{size}M", "-smp", "1", "-object", memory),
        *_processor(machine),
        *("-device", "virtio-serial-pci,max_ports=2"),
        *("-chardev", f"socket,id=agent,fd={AGENT},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=agent,name={PORT}"),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=monitor,fd={MONITOR}", "-mon", "chardev=monitor,mode=control"),
        *("-sandbox", _SECCOMP),
    )


def _processor(machine: Machine) -> tuple[str, ...]:
    if machine.accelerator == "kvm":
        return ("-accel", "kvm", "-cpu", "host,migratable=on")
    # icount: the guest's clock counts instructions, so a busy host cannot make a program of the guest's nest
    # in itself, and a tracer misses nothing that it would not miss elsewhere. sleep=on: idle time is real time
    return ("-accel", "tcg,thread=single,tb-size=32", "-cpu", "max", "-icount", "shift=3,sleep=on")


def cold(machine: Machine, initramfs: bytes, label: str, descriptors: tuple[int, int, int]) -> Command:
    """A machine that boots. `descriptors`: memory, the agent's listening socket, the monitor."""
    argv = (
        *arguments(machine, shared=True),
        *("-kernel", "/vmlinux", "-initrd", "/work/initramfs", "-append", KERNEL_ARGUMENTS),
    )
    return _command(
        machine,
        argv,
        label,
        descriptors,
        binds=(Bind(machine.kernel.vmlinux, "/vmlinux"),),
        files={"initramfs": initramfs},
        disk_bytes=len(initramfs) + 32 * MIB,
    )


def restored(machine: Machine, label: str, descriptors: tuple[int, int, int, int]) -> Command:
    """A machine that waits for restore_orders(). `descriptors`: as for `cold`, and the state at its beginning."""
    argv = (*arguments(machine, shared=False), "-incoming", "defer")
    return _command(machine, argv, label, descriptors)


def restore_orders() -> bytes:
    """What a restored machine reads from its monitor, all that it ever does: load the state and go on.

    It is written before QEMU starts, and the socket is closed behind it. (From QEMU 8 on the capability could
    be set by -global; 7.2 has no such property.)
    """
    return b"".join(
        json.dumps(order).encode()
        for order in (
            {"execute": "qmp_capabilities"},
            {"execute": "migrate-set-capabilities", "arguments": ignore_shared()},
            {"execute": "migrate-incoming", "arguments": {"uri": f"fd:{STATE}"}},
        )
    )


def ignore_shared() -> dict[str, Any]:
    """Leave the memory out of the state: it is in a file of its own."""
    return {"capabilities": [{"capability": "x-ignore-shared", "state": True}]}


def _command(
    machine: Machine,
    argv: tuple[str, ...],
    label: str,
    descriptors: tuple[int, ...],
    binds: tuple[Bind, ...] = (),
    files: Mapping[str, bytes] | None = None,
    disk_bytes: int = 32 * MIB,
) -> Command:
    limits = Limits(
        memory_bytes=machine.memory_bytes + _OWN_MEMORY,
        processes=64,
        cpus=2,
        wall_seconds=0,
        disk_bytes=disk_bytes,
        output_bytes=0,
    )
    return Command(
        argv,
        env={"PATH": "/usr/bin:/bin"},
        binds=binds,
        files=files or {},
        limits=limits,
        descriptors=descriptors,
        devices=(KVM,) if machine.accelerator == "kvm" else (),
        system=True,
        label=label,
    )


def _on(value: bool) -> str:
    return "on" if value else "off"
