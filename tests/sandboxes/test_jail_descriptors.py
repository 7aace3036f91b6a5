"""Descriptors and devices that a jail is handed on purpose."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path

import pytest

from sandboxes.jail import Command, Limits, run, start

pytestmark = pytest.mark.system

_LIMITS = Limits(wall_seconds=20)


def _shell(script: str, *descriptors: int, devices: tuple[str, ...] = ()) -> bytes:
    command = Command(
        ("/bin/sh", "-c", script), descriptors=descriptors, devices=devices, system=True, limits=_LIMITS
    )
    return run(command).output


def _holding(content: bytes) -> int:
    """A file in memory, which a jail's uid may open again by its number (a pipe it may not)."""
    fd = os.memfd_create("test")
    os.write(fd, content)
    return fd


def test_it_works() -> None:
    files = [_holding(b"file %d\n" % number) for number in range(3)]
    try:
        script = "cat /proc/self/fd/12 /proc/self/fd/13 /proc/self/fd/14; ls /proc/self/fd"
        said = _shell(script, *files).split()
        assert said[:6] == b"file 0 file 1 file 2".split()
        assert {int(n) for n in said[6:]} <= {0, 1, 2, 3, 12, 13, 14}
    finally:
        for fd in files:
            os.close(fd)


@pytest.mark.parametrize("number", [9, 10, 11, 12, 13, 30, 40, 100])
def test_numbers_that_the_keeper_uses_itself_do_not_matter(number: int) -> None:
    file = _holding(b"here\n")
    high = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 200)
    before = os.dup(number) if Path(f"/proc/self/fd/{number}").exists() else -1
    try:
        os.dup2(high, number)
        assert _shell("cat /proc/self/fd/12", number) == b"here\n"
    finally:
        if before < 0:
            os.close(number)
        else:
            os.dup2(before, number, inheritable=False)
            os.close(before)
        os.close(high)
        with contextlib.suppress(OSError):
            os.close(file)


def test_a_listening_socket_ends_with_its_command(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        command = Command(("/bin/sleep", "60"), descriptors=(listener.fileno(),), system=True, limits=_LIMITS)
        process = start(command)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    finally:
        process.kill()
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(path))


def test_a_device_can_be_opened_by_its_jail_and_keeps_its_rights(tmp_path: Path) -> None:
    node = tmp_path / "zero"
    os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    ask = f"head -c 3 {node} | od -An -tx1; stat -c '%a %F' {node}"
    assert _shell(ask, devices=(str(node),)).split() == b"00 00 00 600 character special file".split()
    assert node.stat().st_mode & 0o777 == 0o600
    assert node.stat().st_uid == 0
    assert b"No such file" in _shell(f"head -c 3 {node}")
