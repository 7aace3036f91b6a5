"""One running virtual machine."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from sandboxes import folders
from sandboxes.interface import Completed, Handle, RunDelay, StartFailed, check_name
from sandboxes.jail import DelayMeter, Process
from sandboxes.vm import qemu
from sandboxes.vm.client import Client
from sandboxes.vm.errors import Busy, GuestError, Refused

_PING_SECONDS = 5.0
_KILL_SECONDS = 10.0
_LARGEST_FILE = 64 << 20


class VirtualMachine:
    """Keeps sandboxes.interface.Sandbox. The process that started it owns it; others are attached.

    Each method connects for itself; while a grader holds a Client of its own, they raise Busy.
    """

    def __init__(self, handle: Handle, process: Process | None) -> None:
        """Use `owned` or `attached`."""
        self.handle = handle
        self._process = process
        self._undo: contextlib.ExitStack | None = contextlib.ExitStack()
        self._frozen = False
        self._meter = DelayMeter()

    @classmethod
    def owned(cls, machine: qemu.Machine, release: str, process: Process, folder: Path) -> VirtualMachine:
        data = {
            "agent": str(folder / "agent"),
            "dir": str(folder),
            "kernel": machine.kernel.series,
            "release": release,
            "accelerator": machine.accelerator,
            "memory_bytes": machine.memory_bytes,
        }
        return cls(Handle("vm", folder.name, folders.boot_id(), data), process)

    @classmethod
    def attached(cls, handle: Handle) -> VirtualMachine:
        return cls(handle, None)

    def own(self, undo: contextlib.ExitStack) -> None:
        """Take over what ends the machine, once it has come up."""
        self._undo = undo.pop_all()

    @property
    def endpoints(self) -> Mapping[str, str]:
        return {"agent": f"unix:{self.handle.data['agent']}"}

    def client(self, timeout: float = 10.0) -> Client:
        """A connection to the agent; the machine has one at a time. Raises Busy, Gone, Silent."""
        self._open()
        return Client.connect(self.handle, timeout)

    def alive(self) -> bool:
        """Whether the agent answers. Its owner ends a machine that does not, unless it is frozen."""
        if self._undo is None or not self.standing():
            return False
        try:
            with self.client(_PING_SECONDS):
                return True
        except Busy:
            # a grader speaks with it, and will notice itself
            return True
        except GuestError:
            if self._process is not None and not self._frozen:
                self._process.kill()
            return False

    def standing(self) -> bool:
        """Whether its process is there. Unlike `alive` it can be asked while frozen."""
        if self._undo is None:
            return False
        return self._process.running if self._process is not None else Path(self.handle.data["dir"]).is_dir()

    def ailments(self, deep: bool = False) -> dict[str, str]:
        """{} while its process is there. {"machine": "off"}: it ended in order, as by the guest's own wish; "ended":
        in any other way. Asked of its owner.
        """
        if self.standing():
            return {}
        try:
            ended = self._process.wait(0) if self._process is not None else None
        except StartFailed:  # its jail broke
            ended = None
        in_order = ended is not None and ended.exit_code == 0 and not ended.stopped_by
        return {"machine": "off" if in_order else "ended"}

    def run_delay(self) -> RunDelay | None:
        """How its processor ran, and waited for one of the host's, since this was asked first. Asked of its owner."""
        return self._meter.look(self._process.pids()) if self._process is not None else None

    def settle(self, timeout: float = 30.0) -> None:
        """It is whole when `start` returns."""

    def freeze(self, frozen: bool) -> None:
        """A frozen machine costs memory and no processor time. Its clock is set by whoever connects next."""
        if self._process is not None:
            self._frozen = frozen
            self._process.freeze(frozen)

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 10.0) -> Completed:
        """Run a command in the guest, as its root. 127 with the reason when it does not start."""
        output = bytearray()
        with self.client() as guest:
            try:
                program = guest.start(argv, stdin=stdin, on_output=output.extend)
            except Refused as error:
                return Completed(127, str(error).encode(), 0.0)
            ended = program.wait(timeout)
            if ended is not None:
                return ended.completed(bytes(output))
            ended = program.kill(_KILL_SECONDS)
        if ended is None:
            return Completed(None, bytes(output), timeout, "wall")
        return ended.completed(bytes(output), "wall")

    def put(self, src: Path, dest: str) -> None:
        """Copy a file of the host to /work/`dest` in the guest, with its permissions."""
        self._open()
        check_name(dest)
        with self.client() as guest:
            guest.put_bytes(dest, src.read_bytes(), mode=src.stat().st_mode & 0o777)

    def get(self, src: str, dest: Path) -> None:
        """Copy /work/`src` of the guest, 64 MiB at most, to a file of the host."""
        self._open()
        check_name(src)
        with self.client() as guest:
            dest.write_bytes(guest.get_bytes(src, limit=_LARGEST_FILE))

    def collect(self, into: Path) -> None:
        """Copy the evidence: what the kernel and the agent wrote to the console."""
        self._open()
        shutil.copyfile(Path(self.handle.data["dir"]) / "console.log", into / "console.log")

    def close(self) -> None:
        undo, self._undo = self._undo, None
        if undo is not None:
            undo.close()

    def _open(self) -> None:
        if self._undo is None:
            raise RuntimeError(f"sandbox {self.handle.id} is closed")
