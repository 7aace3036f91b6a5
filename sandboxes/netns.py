"""Network namespaces that have loopback and nothing else.

A namespace is held by a file descriptor of this process, so it is gone when the process is; no name is left
below /run/netns.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sandboxes.interface import Unavailable
from sandboxes.keeper import linux

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def _enter_new() -> None:
    linux.unshare(linux.CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


class NetNS:
    """`NetNS.create()`; `path` can be opened by every root process of this machine while it is held."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def create(cls) -> NetNS:
        """Make one with loopback up. Raises Unavailable without the right to."""
        made: list[int] = []
        failed: list[OSError] = []

        def make() -> None:
            # unshare works on the calling thread only: this thread ends, its namespace lives on by the descriptor
            try:
                _enter_new()
                made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if failed:
            raise Unavailable(f"a network namespace cannot be made here ({failed[0].strerror}): run as root")
        return cls(made[0])

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def connect(self, port: int, timeout: float = 5.0) -> socket.socket:
        """A TCP connection to 127.0.0.1:`port` inside. Raises OSError as socket.connect does."""
        return connect(self.path, port, timeout)

    def close(self) -> None:
        """Let go of it. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


T = TypeVar("T")


def connect(path: str, port: int, timeout: float = 5.0) -> socket.socket:
    """A TCP connection to 127.0.0.1:`port` in the namespace at `path`.

    A socket belongs to the namespace in which it was made, whoever uses it later.
    """

    def dial() -> socket.socket:
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            s.settimeout(timeout)
            s.connect(("127.0.0.1", port))
        except OSError:
            s.close()
            raise
        return s

    return _inside(path, dial)


def tcp_sockets(path: str) -> int:
    """How many TCP sockets are in use in the namespace at `path`, of both ends of each connection."""

    def count() -> int:
        # "TCP: inuse 5 orphan 0 …". Source: net/ipv4/proc.c, sockstat_seq_show
        lines = Path("/proc/thread-self/net/sockstat").read_text().splitlines()
        return next(int(line.split()[2]) for line in lines if line.startswith("TCP:"))

    return _inside(path, count)


def _inside(path: str, do: Callable[[], T]) -> T:
    """What `do` gives in a thread that has entered the namespace, and ends. Raises what it raises of OSError."""
    result: list[T | OSError] = []

    def work() -> None:
        fd = -1
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            linux.setns(fd, linux.CLONE_NEWNET)
            result.append(do())
        except OSError as error:
            result.append(error)
        finally:
            if fd >= 0:
                os.close(fd)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]
