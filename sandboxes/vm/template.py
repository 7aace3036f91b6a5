"""Templates: a machine that has booted, stopped where its agent waits, to go on from as often as wanted.

On disk, below <cache>/vm/templates/KEY: `ram`, `state`, and `manifest.json` with both digests, written last.
A template that is not what its manifest says is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandboxes.interface import Handle, StartFailed
from sandboxes.jail import Process, start
from sandboxes.vm import memory, qemu
from sandboxes.vm.client import Client
from sandboxes.vm.errors import Gone, GuestError
from sandboxes.vm.qmp import Monitor, MonitorError

# a cold boot takes 4 s of processor time under TCG; a machine that is busy makes minutes of them
_BOOT_SECONDS = 180.0
_SAVE_SECONDS = 30.0
_PAUSE_SECONDS = 0.01
_LARGEST_STATE = 16 << 20


class Damaged(Exception):
    """The template on disk is cut off, changed or not there."""


@dataclass(frozen=True)
class Template:
    """`ram` is a sealed memory file, held as long as the process lives; `state` everything but the memory."""

    ram: int
    state: bytes
    release: str


def load(folder: Path) -> Template:
    """Raises Damaged unless every byte is the one that was written when the template was made."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        wanted, release = str(manifest["ram"]), str(manifest["release"])
        if (folder / "state").stat().st_size > _LARGEST_STATE:
            raise Damaged(f"the state of {folder.name} is too large")
        state = (folder / "state").read_bytes()
        if hashlib.sha256(state).hexdigest() != manifest["state"]:
            raise Damaged(f"the state of {folder.name} is not what was saved")
        if (folder / "ram").stat().st_size != manifest["memory_bytes"]:
            raise Damaged(f"the memory of {folder.name} is cut off")
        ram, digest = memory.load(folder / "ram")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{folder.name}: {error}") from error
    if digest != wanted:
        os.close(ram)
        raise Damaged(f"the memory of {folder.name} is not what was saved")
    return Template(ram, state, release)


@contextlib.contextmanager
def cold_boot(
    machine: qemu.Machine, initramfs: bytes, scratch: Path, ram: int
) -> Iterator[tuple[Process, Client, socket.socket]]:
    """A machine that has booted, in its jail, with its monitor; ended with the block. Raises StartFailed."""
    with contextlib.ExitStack() as undo:
        listener = listen(scratch / "agent")
        ours, theirs = socket.socketpair()
        undo.callback(ours.close)
        with listener, theirs:
            descriptors = (ram, listener.fileno(), theirs.fileno())
            process = start(qemu.cold(machine, initramfs, scratch.name, descriptors))
        undo.callback(process.kill)
        client = connect(process, scratch / "agent", _BOOT_SECONDS)
        undo.callback(client.close)
        yield process, client, ours


def make(machine: qemu.Machine, initramfs: bytes, scratch: Path, folder: Path) -> None:
    """Boot once and save to `folder`, which appears whole or not at all. Raises StartFailed."""
    ram = memory.create(machine.memory_bytes)
    try:
        with cold_boot(machine, initramfs, scratch, ram) as (process, client, connection):
            release = greet(client, process, 30)
            client.quiesce()
            # restored machines wait for their first host, as this one does from here on
            client.close()
            state = _save(process, connection)
        _store(folder, ram, state, release, machine.memory_bytes)
    finally:
        os.close(ram)


def listen(path: Path) -> socket.socket:
    """A listening Unix socket in a folder that only its owner may enter."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            # by descriptor: a Unix socket's path has at most 107 letters
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        listener.listen(8)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(process: Process, path: Path, seconds: float) -> Client:
    """A client of a machine that comes up. Raises StartFailed with the machine's last words."""
    handle = Handle("vm", path.parent.name, "", {"agent": str(path)})
    try:
        return Client.connect(handle, seconds)
    except GuestError as error:
        raise _not_up(process, error) from error


def greet(client: Client, process: Process, seconds: float = 10.0) -> str:
    """The release of the kernel of a machine that has come up. Raises StartFailed."""
    try:
        return client.ping(seconds).release
    except GuestError as error:
        raise _not_up(process, error) from error


def _not_up(process: Process, error: GuestError) -> StartFailed:
    # what it printed comes by another way than the end of its channel
    if isinstance(error, Gone):
        process.wait(5)
    log = process.output().decode(errors="replace")
    return StartFailed(f"the machine did not come up: {error}", log[-4000:])


def _save(process: Process, connection: socket.socket) -> bytes:
    """The machine's state without its memory. The machine stops, and its memory stays as it is then."""
    state = os.memfd_create("guest-state", os.MFD_CLOEXEC)
    try:
        monitor = Monitor(connection, _SAVE_SECONDS)
        monitor.execute("migrate-set-capabilities", **qemu.ignore_shared())
        monitor.execute("getfd", fd=state, fdname="state")
        # not stopped before: a machine that was saved running goes on by itself when it is restored
        monitor.execute("migrate", uri="fd:state")
        deadline = time.monotonic() + _SAVE_SECONDS
        while (told := monitor.execute("query-migrate"))["status"] != "completed":
            if told["status"] in ("failed", "cancelled") or time.monotonic() > deadline:
                raise MonitorError(f"saving: {told['status']} {told.get('error-desc', '')}")
            time.sleep(_PAUSE_SECONDS)
        monitor.execute("quit")
        # the memory can be sealed once nobody has it mapped
        process.wait(_SAVE_SECONDS)
        return os.pread(state, os.fstat(state).st_size, 0)
    except MonitorError as error:
        raise StartFailed(
            f"the template was not saved: {error}", process.output().decode(errors="replace")[-4000:]
        ) from error
    finally:
        os.close(state)


def _store(folder: Path, ram: int, state: bytes, release: str, memory_bytes: int) -> None:
    # whoever makes one holds the lock: what another left half made was left for good
    for left in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    part.mkdir(parents=True)
    try:
        digest = memory.store(ram, part / "ram")
        (part / "state").write_bytes(state)
        manifest = {
            "ram": digest,
            "state": hashlib.sha256(state).hexdigest(),
            "release": release,
            "memory_bytes": memory_bytes,
        }
        (part / "manifest.json").write_text(json.dumps(manifest))
        # the one before is damaged, or nobody would make another
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
