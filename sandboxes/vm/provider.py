"""Virtual machines, restored from a template in a fraction of a boot."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

from sandboxes import folders
from sandboxes.interface import Handle, Progress, Report, Spec, StartFailed, Unavailable
from sandboxes.jail import MIB, bubblewrap, start
from sandboxes.paths import cache_dir
from sandboxes.setup import guestfiles, kernels
from sandboxes.vm import accelerator, memory, qemu, template
from sandboxes.vm.console import Console
from sandboxes.vm.sandbox import VirtualMachine
from sandboxes.vm.shelf import BUSYBOX, Shelf, shelf
from sandboxes.vm.template import Template

T = TypeVar("T")
DEFAULT_KERNEL = "6.12"
# the guest's own share of a Spec: what is larger than a lab needs only makes templates larger
MEMORY_BYTES = 256 * MIB
_RESTORE_SECONDS = 30.0


class VirtualMachineProvider:
    """`options`: kernel, "6.1" or "6.12"; guest_memory_bytes, whole MiB, 256 of them by default."""

    kind: ClassVar[str] = "vm"

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache or cache_dir()

    @property
    def shelf(self) -> Shelf:
        return shelf(self.cache)

    def probe(self) -> None:
        bubblewrap()
        qemu.program()
        missing = [
            k.name for k in kernels.SERIES if not (self.cache / "kernels" / k.series / "vmlinux").exists()
        ]
        if not self.shelf.agent.exists():
            missing.append("the guest's agent")
        if not self.shelf.mesh.exists() or not guestfiles.stamp(self.cache).exists():
            missing.append("the guest's programs")
        if missing:
            raise Unavailable(f"missing {', '.join(missing)} below {self.cache}: make setup")
        if not BUSYBOX.exists():
            raise Unavailable("busybox is missing: apt-get install busybox-static")

    def machine(self, spec: Spec) -> qemu.Machine:
        """What `spec` asks for. Raises Unavailable for options that are not known."""
        unknown = set(spec.options) - {"kernel", "guest_memory_bytes"}
        if unknown:
            raise Unavailable(f"a machine has no option {', '.join(sorted(unknown))}")
        series = spec.options.get("kernel", DEFAULT_KERNEL)
        size = spec.options.get("guest_memory_bytes", MEMORY_BYTES)
        known = [k.series for k in kernels.SERIES]
        if series not in known:
            raise Unavailable(f"there is no kernel {series!r}; known are {', '.join(known)}")
        if type(size) is not int or size % MIB or not 128 * MIB <= size <= 4096 * MIB:
            raise Unavailable(f"guest_memory_bytes is whole MiB from 128 MiB to 4 GiB, not {size!r}")
        kernel = kernels.kernel(series)
        return qemu.Machine(kernel, size, self._accelerator(kernel, size))

    def _accelerator(self, kernel: kernels.Kernel, size: int) -> str:
        return accelerator.choose(self.cache, lambda name: self.shelf.boot(qemu.Machine(kernel, size, name)))

    def start(self, spec: Spec, report: Report) -> VirtualMachine:
        self.probe()
        machine = self.machine(spec)
        made = _step(report, "template", lambda: self.shelf.get(machine))
        with contextlib.ExitStack() as undo:
            folder = folders.create(self.kind, f"vm-{secrets.token_hex(4)}")
            undo.callback(folders.remove, folder)
            vm = _step(report, "restore", lambda: _restore(machine, made, folder, undo))
            # not before: a report raises where nobody waits any more
            vm.own(undo)
            return vm

    def attach(self, handle: Handle) -> VirtualMachine:
        """A view on a machine of another process; closing it does not end the machine."""
        return VirtualMachine.attached(handle)

    def find(self) -> Iterator[Handle]:
        for entry in folders.find(self.kind):
            yield Handle(
                self.kind, entry.id, entry.boot_id, {"dir": str(entry.path), "owner_alive": entry.owner_alive}
            )


def _step(report: Report, name: str, action: Callable[[], T]) -> T:
    """Do it, announced and timed."""
    report(Progress(name))
    begun = time.monotonic()
    result = action()
    report(Progress(name, done=True, seconds=round(time.monotonic() - begun, 3)))
    return result


def _restore(
    machine: qemu.Machine, made: Template, folder: Path, undo: contextlib.ExitStack
) -> VirtualMachine:
    console = Console(folder / "console.log")
    ours, theirs = socket.socketpair()
    # closed when the machine has come up: from then on nobody can reach its monitor
    with ours:
        ours.sendall(qemu.restore_orders())
        # not closed yet: QEMU leaves unread what comes from a socket that has hung up
        ours.shutdown(socket.SHUT_WR)
        with template.listen(folder / "agent") as listener, theirs, memory.holding(made.state) as state:
            descriptors = (made.ram, listener.fileno(), theirs.fileno(), state)
            process = start(qemu.restored(machine, folder.name, descriptors), on_output=console.write)
        undo.callback(process.kill)
        with template.connect(process, folder / "agent", _RESTORE_SECONDS) as client:
            release = template.greet(client, process)
    if release != made.release:
        raise StartFailed(f"the machine runs {release}, its template {made.release}")
    return VirtualMachine.owned(machine, release, process, folder)
