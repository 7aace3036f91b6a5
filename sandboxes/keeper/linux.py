"""The system calls that Python 3.11 has no name for. Source: man 2 mount, unshare, setns, prctl."""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, fstype: str = "", flags: int = 0, data: str = "") -> None:
    arguments = [ctypes.c_char_p(x.encode() or None) for x in (source, target, fstype)]
    _check(
        _libc.mount(*arguments, ctypes.c_ulong(flags), ctypes.c_char_p(data.encode() or None)),
        f"mount {fstype or source} on {target}",
    )


def die_with_parent(signal: int) -> None:
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat: with the pid it names a process for good. Empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
