"""The templates of this process: loaded once, shared by all machines that it starts."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandboxes import folders
from sandboxes.setup import golang, guestfiles
from sandboxes.setup.stamps import digest
from sandboxes.vm import initramfs, memory, qemu, template
from sandboxes.vm.template import Damaged, Template

BUSYBOX = Path("/bin/busybox")
# raised when what a template is made of changes in a way that its inputs do not show
_MAKING = "1"


class Shelf:
    """One for each cache folder. Holds a memory file for each template, until the process ends."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._lock = threading.Lock()
        self._templates: dict[str, Template] = {}

    @property
    def agent(self) -> Path:
        return self.cache / "bin" / "guest"

    @property
    def mesh(self) -> Path:
        return self.cache / "bin" / "mesh"

    def key(self, machine: qemu.Machine) -> str:
        """Names the template. Whatever goes into it changes the name."""
        parts = (
            _MAKING,
            machine.kernel.key(),
            machine.accelerator,
            *qemu.arguments(machine, shared=False),
            qemu.KERNEL_ARGUMENTS,
            _about(Path(qemu.program())),
            _about(BUSYBOX),
            *initramfs.APPLETS,
            _processor() if machine.accelerator == "kvm" else "",
            golang.VERSION,
        )
        contents = [self.agent, self.mesh, guestfiles.stamp(self.cache)]
        return f"{machine.kernel.series}-{digest(*parts, contents)[:16]}"

    def folder(self, machine: qemu.Machine) -> Path:
        return self.cache / "vm" / "templates" / self.key(machine)

    def get(self, machine: qemu.Machine) -> Template:
        """The template; loaded when this process has not yet, made when there is none or it is damaged."""
        folder = self.folder(machine)
        with self._lock:
            found = self._templates.get(folder.name)
            if found is None:
                found = self._templates[folder.name] = self._load_or_make(machine, folder)
        return found

    def stands(self, machine: qemu.Machine) -> bool:
        """Whether there is a template. Reads nothing of it."""
        return (self.folder(machine) / "manifest.json").is_file()

    def boot(self, machine: qemu.Machine) -> None:
        """Boot a machine and end it. Raises StartFailed."""
        ram = memory.create(machine.memory_bytes)
        try:
            with _scratch() as scratch, template.cold_boot(machine, self.image(machine), scratch, ram):
                pass
        finally:
            os.close(ram)

    def image(self, machine: qemu.Machine) -> bytes:
        """The initramfs."""
        modules = [(path.name, path.read_bytes()) for path in machine.kernel.modules()]
        programs = [initramfs.file("opt/mesh/mesh", self.mesh.read_bytes(), 0o755)]
        for name, path in guestfiles.files(self.cache):
            programs.append(initramfs.file(name, path.read_bytes(), path.stat().st_mode & 0o777))
        return initramfs.guest(self.agent.read_bytes(), BUSYBOX.read_bytes(), modules, programs)

    def _load_or_make(self, machine: qemu.Machine, folder: Path) -> Template:
        try:
            return template.load(folder)
        except Damaged:
            pass
        with _alone(folder):
            try:
                return template.load(folder)
            except Damaged:
                with _scratch() as scratch:
                    template.make(machine, self.image(machine), scratch, folder)
            self._forget_others(machine, folder)
            return template.load(folder)

    def _forget_others(self, machine: qemu.Machine, folder: Path) -> None:
        """Templates of this series and size that nothing can use any more: each has 100 MB on disk."""
        for other in folder.parent.glob(f"{machine.kernel.series}-*"):
            if other != folder and not other.name.endswith(".lock"):
                manifest = other / "manifest.json"
                if manifest.is_file() and f'"memory_bytes": {machine.memory_bytes}' in manifest.read_text():
                    shutil.rmtree(other, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Who comes second to make a template finds it made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = folders.create("vm", f"template-{secrets.token_hex(4)}")
    try:
        yield folder
    finally:
        folders.remove(folder)


def _about(path: Path) -> str:
    """Changes when the file is replaced, as by an upgrade."""
    about = path.stat()
    return f"{path} {about.st_size} {about.st_mtime_ns}"


def _processor() -> str:
    """A state taken with KVM is only good on a processor with the same features."""
    wanted = ("vendor_id", "model name", "flags")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


_shelves: dict[Path, Shelf] = {}
_shelves_lock = threading.Lock()


def shelf(cache: Path) -> Shelf:
    """The shelf of this process for `cache`: memory files are too large to have twice."""
    with _shelves_lock:
        return _shelves.setdefault(cache, Shelf(cache))
