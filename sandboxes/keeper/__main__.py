"""Keep one jail: read the spec from the control socket, start, watch, clean up, report.

Usage: __main__.py CONTROL_FD EXPORT_FD [FD...] (-1: nothing is exported). The command finds each FD at 12 and on.

The caller may die at any moment: the control socket then reads as closed and all of it is removed.
If the keeper itself is killed, bubblewrap dies with it and the reaper removes the cgroup.
"""

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sandboxes.keeper import linux, mounts, seccomp, uids
from sandboxes.keeper.cgroup import Cgroup, name_of
from sandboxes.keeper.messenger import Messenger

EXPORT_FD = 9
_SECCOMP_FD = 10
_INFO_FD = 11
_FIRST_DESCRIPTOR = 12
# where descriptors are kept that must be out of the way of fixed numbers
_HIGH = 100
_CPU_POLL_SECONDS = 0.25
_SIGNAL_POLL_SECONDS = 0.01


def _read_exactly(control: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = control.recv(min(count, 1 << 20))
        if not part:
            raise SystemExit(0)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def receive(control: socket.socket) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The spec, and the files that follow it in the order and the sizes that it names."""
    length = int.from_bytes(_read_exactly(control, 8), "big")
    spec: dict[str, Any] = json.loads(_read_exactly(control, length))
    return spec, {name: _read_exactly(control, size) for name, size in spec["files"]}


def _bubblewrap(spec: dict[str, Any], layout: list[str]) -> list[str]:
    kinds = ("user", "pid", "ipc", "uts", "cgroup-try")
    argv = [spec["bwrap"], *(f"--unshare-{kind}" for kind in kinds)]
    if not spec["netns"]:
        argv.append("--unshare-net")
    argv += ["--uid", "1000", "--gid", "1000", "--hostname", "lab", "--disable-userns", "--die-with-parent"]
    argv += ["--cap-drop", "ALL", "--new-session", "--proc", "/proc", "--dev", "/dev", *layout]
    for link, target in spec["links"]:
        argv += ["--symlink", target, link]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", spec["cwd"], "--clearenv"]
    for key, value in spec["env"].items():
        argv += ["--setenv", key, value]
    return [*argv, "--seccomp", str(_SECCOMP_FD), "--info-fd", str(_INFO_FD), "--", *spec["argv"]]


def _limit(spec: dict[str, Any], without_cgroup: bool) -> None:
    limits = spec["limits"]
    # 1, not 0: it also keeps a core from being piped to a program of the host (man 5 core)
    _set_limit(resource.RLIMIT_CORE, 1)
    _set_limit(resource.RLIMIT_NOFILE, limits["open_files"])
    _set_limit(resource.RLIMIT_FSIZE, limits["disk_bytes"])
    if limits["cpu_seconds"]:
        # a second of grace, so that SIGXCPU comes first, which says why, and SIGKILL only then
        _set_limit(resource.RLIMIT_CPU, int(limits["cpu_seconds"]) + 1, grace=1)
    if without_cgroup:
        # second best: memory for each process, processes for the uid
        _set_limit(resource.RLIMIT_DATA, limits["memory_bytes"])
        _set_limit(resource.RLIMIT_NPROC, limits["processes"])


def _set_limit(which: int, wanted: int, grace: int = 0) -> None:
    # even root may not raise a limit where the machine's bounding set lacks CAP_SYS_RESOURCE
    hard = resource.getrlimit(which)[1]
    most = wanted + grace if hard == resource.RLIM_INFINITY else min(wanted + grace, hard)
    resource.setrlimit(which, (min(wanted, most), most))


def _become(
    spec: dict[str, Any], cgroup: Cgroup, argv: list[str], keeper: int, descriptors: list[int]
) -> None:
    """In the child: join the cgroup, take the limits and the uid, turn into bubblewrap."""
    try:
        # an ignored signal stays ignored over exec, and the command could not be asked to stop
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        cgroup.join()
        _limit(spec, without_cgroup=cgroup.version == 0)
        if spec["root"]:
            os.setgroups([])
            os.setresgid(spec["uid"], spec["uid"], spec["uid"])
            os.setresuid(spec["uid"], spec["uid"], spec["uid"])
        linux.die_with_parent(signal.SIGKILL)
        if os.getppid() != keeper:
            raise ProcessLookupError("the keeper ended while the jail was made")
        # only here: in the keeper these numbers may hold something of its own
        for place, fd in enumerate(descriptors, start=_FIRST_DESCRIPTOR):
            os.dup2(fd, place, inheritable=True)
        os.closerange(_FIRST_DESCRIPTOR + len(descriptors), 4096)
        os.execve(argv[0], argv, {"PATH": "/usr/bin:/bin"})
    except BaseException as error:  # noqa: BLE001  the child of a fork must never return into the keeper
        os.write(2, f"keeper: {error}\n".encode())
    os._exit(125)


def _prepare_descriptors() -> int:
    """Put the seccomp filter at 10 and bubblewrap's info pipe at 11; return the pipe's reading end."""
    filter_fd = os.memfd_create("seccomp", 0)
    os.write(filter_fd, seccomp.program())
    os.lseek(filter_fd, 0, os.SEEK_SET)
    reading, writing = os.pipe()
    # above the fixed numbers first, or one could be overwritten by the other
    pairs = ((filter_fd, 30), (writing, 31), (reading, 32))
    high = [os.dup2(fd, number, inheritable=False) for fd, number in pairs]
    for fd in (filter_fd, writing, reading):
        os.close(fd)
    os.dup2(high[0], _SECCOMP_FD, inheritable=True)
    os.dup2(high[1], _INFO_FD, inheritable=True)
    os.close(high[0])
    os.close(high[1])
    return high[2]


class Keeper:
    def __init__(
        self,
        control: socket.socket,
        descriptors: list[int],
        spec: dict[str, Any],
        files: dict[str, bytes],
    ) -> None:
        self.control = control
        self.descriptors = descriptors
        self.spec = spec
        self.stopped_by = ""
        self.started = time.monotonic()
        self.closing = False
        self.cgroup = Cgroup(name_of(spec["id"], os.getpid()))
        self.files = files

    def start(self) -> int:
        spec, limits = self.spec, self.spec["limits"]
        # without root it is the one that the user namespace maps
        spec["uid"] = uids.take() if spec["root"] else 0
        self.cgroup.create(limits["memory_bytes"], limits["processes"], limits["cpus"])
        if spec["netns"]:
            fd = os.open(spec["netns"], os.O_RDONLY)
            linux.setns(fd, linux.CLONE_NEWNET)
            os.close(fd)
        if spec["root"]:
            linux.unshare(linux.CLONE_NEWNS)
        else:
            _enter_own_user_namespace()
        argv = _bubblewrap(spec, mounts.lay_out(spec, self.files))
        self.files = {}
        self.messenger = Messenger(_prepare_descriptors())
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(spec, self.cgroup, argv, keeper, self.descriptors)
        # a listening socket that the keeper held on to would outlive who answers it
        for fd in (_SECCOMP_FD, _INFO_FD, 0, 1, *self.descriptors):
            os.close(fd)
        if spec["export"]:
            os.close(EXPORT_FD)
        return pid

    def watch(self, pid: int) -> int | None:
        """Wait for the end, a limit or the caller. Returns the exit status of bubblewrap."""
        pidfd, control = os.pidfd_open(pid), self.control.fileno()
        while True:
            ready, _, _ = select.select([pidfd, control], [], [], self._patience())
            if pidfd in ready:
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if control in ready:
                self._obey()
            self.messenger.deliver()
            self._apply_limits()
            if self.stopped_by:
                self.cgroup.kill()
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                os.waitpid(pid, 0)
                return None

    def _patience(self) -> float | None:
        limits = self.spec["limits"]
        waits = [_CPU_POLL_SECONDS] if limits["cpu_seconds"] else []
        if self.messenger.waiting:
            waits.append(_SIGNAL_POLL_SECONDS)
        if limits["wall_seconds"]:
            waits.append(max(0.0, self.started + limits["wall_seconds"] - time.monotonic()))
        return min(waits) if waits else None

    def _apply_limits(self) -> None:
        limits = self.spec["limits"]
        if limits["wall_seconds"] and time.monotonic() - self.started >= limits["wall_seconds"]:
            self.stopped_by = self.stopped_by or "wall"
        if limits["cpu_seconds"] and self.cgroup.cpu_seconds() >= limits["cpu_seconds"]:
            self.stopped_by = self.stopped_by or "cpu"

    def _obey(self) -> None:
        """Single letters from the caller: k kill, o output limit, t SIGTERM, i SIGINT, f freeze, g go on."""
        words = self.control.recv(64)
        if not words:
            self.closing = True
            self.stopped_by = "closed"
        for word in words.decode("ascii", "replace"):
            if word == "k":
                self.stopped_by = self.stopped_by or "closed"
            elif word == "o":
                self.stopped_by = self.stopped_by or "output"
            elif word in "ti":
                self.messenger.send(signal.SIGTERM if word == "t" else signal.SIGINT)
            elif word in "fg":
                self.cgroup.freeze(word == "f")
                self.control.sendall(json.dumps({"frozen": word == "f"}).encode() + b"\n")

    def result(self, status: int | None) -> dict[str, Any]:
        if self.cgroup.out_of_memory() and status != 0:
            self.stopped_by = self.stopped_by or "memory"
        elif status == 128 + signal.SIGXCPU or (status == 137 and self._used_up_cpu()):
            self.stopped_by = self.stopped_by or "cpu"
        return {
            "exit_code": None if self.stopped_by else status,
            "stopped_by": self.stopped_by,
            "seconds": round(time.monotonic() - self.started, 4),
            "memory_peak_bytes": self.cgroup.memory_peak(),
            "cpu_seconds": round(self.cgroup.cpu_seconds(), 4),
        }

    def _used_up_cpu(self) -> bool:
        limit = self.spec["limits"]["cpu_seconds"]
        return bool(limit) and self.cgroup.cpu_seconds() >= limit


def _enter_own_user_namespace() -> None:
    """Without root: a user namespace in which this user is root over the mounts made next."""
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as f:
            f.write(text)


def _put_high(fd: int) -> int:
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(fd)
    return high


def main() -> int:
    # a terminal's Ctrl-C goes to the whole group; the caller decides when a jail ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control_fd, export_fd, *passed = (int(word) for word in sys.argv[1:])
    descriptors = [_put_high(fd) for fd in passed]
    # out of the way of the fixed numbers, and closed on exec
    control = socket.socket(fileno=fcntl.fcntl(control_fd, fcntl.F_DUPFD_CLOEXEC, 40))
    os.close(control_fd)
    if export_fd >= 0:
        os.dup2(export_fd, EXPORT_FD, inheritable=True)
        if export_fd != EXPORT_FD:
            os.close(export_fd)
    keeper = Keeper(control, descriptors, *receive(control))
    answer: dict[str, Any]
    try:
        answer = keeper.result(keeper.watch(keeper.start()))
    except Exception as error:  # noqa: BLE001  the caller hears whatever broke
        answer = {"broken": f"{type(error).__name__}: {error}"}
    finally:
        keeper.cgroup.remove()
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(answer).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
