"""One cgroup for one jail, on cgroup v1 and v2.

The folder's name carries the keeper's pid and start time, so that a reaper can tell a living
jail from what a crash left behind: `lastmile/<id>.<pid>.<start time>`.
"""

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from sandboxes.keeper.linux import start_time

ROOT = Path("/sys/fs/cgroup")
PARENT = "lastmile"
_NAME = re.compile(r"[^/]+\.([0-9]{1,10})\.([0-9]{1,20})")
_V1_CONTROLLERS = ("memory", "pids", "cpu", "cpuacct", "freezer")
_PERIOD_US = 100_000
# The share of the processor of all jails together, where others want it too: pages are answered while they compute.
_WEIGHTS = {"cpu.shares": 128, "cpu.weight": 12}  # 1024 and 100 are usual


def version() -> int:
    """1 or 2, or 0 when cgroups cannot be written here."""
    controllers = ROOT / "cgroup.controllers"
    if controllers.exists():
        given = {"memory", "pids"} <= set(controllers.read_text().split())
        return 2 if given and os.access(ROOT, os.W_OK) else 0
    usable = all(os.access(ROOT / c, os.W_OK) for c in ("memory", "pids"))
    return 1 if usable else 0


def _write(path: Path, value: object) -> None:
    path.write_text(str(value))


def _read_fields(path: Path) -> dict[str, int]:
    with contextlib.suppress(OSError, ValueError):
        return {k: int(v) for k, v in (line.split()[:2] for line in path.read_text().splitlines())}
    return {}


def _read_int(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def name_of(jail: str, keeper: int) -> str:
    """The name of a jail's cgroup, by the jail's id and its keeper's pid."""
    return f"{jail}.{keeper}.{start_time(keeper)}"


class Cgroup:
    """`Cgroup(name)` names it; `create` makes it; `remove` kills what is left in it and removes it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = version()
        if self.version == 2:
            self.folders = {"": ROOT / PARENT / name}
        elif self.version == 1:
            self.folders = {c: ROOT / c / PARENT / name for c in _V1_CONTROLLERS if (ROOT / c).is_dir()}
        else:
            self.folders = {}

    def _folder(self, controller: str) -> Path:
        return self.folders.get(controller) or self.folders.get("") or Path("/nonexistent")

    def create(self, memory: int, processes: int, cpus: float) -> None:
        """Make it with its limits. Raises OSError when the kernel does not take one of them."""
        for folder in self.folders.values():
            self._make(folder)
        quota = max(1000, int(cpus * _PERIOD_US))
        if self.version == 2:
            base = self.folders[""]
            _write(base / "memory.max", memory)
            with contextlib.suppress(OSError):
                _write(base / "memory.swap.max", 0)
            _write(base / "pids.max", processes)
            with contextlib.suppress(OSError):
                _write(base / "cpu.max", f"{quota} {_PERIOD_US}")
        elif self.version == 1:
            _write(self.folders["memory"] / "memory.limit_in_bytes", memory)
            with contextlib.suppress(OSError):
                _write(self.folders["memory"] / "memory.memsw.limit_in_bytes", memory)
            with contextlib.suppress(OSError):
                # until it has a limit, version 1 does not count the buffers of TCP sockets at all
                _write(self.folders["memory"] / "memory.kmem.tcp.limit_in_bytes", memory)
            _write(self.folders["pids"] / "pids.max", processes)
            with contextlib.suppress(KeyError):
                _write(self.folders["cpu"] / "cpu.cfs_period_us", _PERIOD_US)
                _write(self.folders["cpu"] / "cpu.cfs_quota_us", quota)

    def _make(self, folder: Path) -> None:
        # the last keeper that leaves removes the parent, maybe between these two lines
        for _ in range(100):
            folder.parent.mkdir(exist_ok=True)
            if self.version == 2:
                _hand_down(folder.parent)
            _put_behind(folder.parent)
            with contextlib.suppress(FileNotFoundError):
                # cpu and cpuacct are often one hierarchy under two names
                folder.mkdir(exist_ok=True)
                return
        raise FileNotFoundError(f"{folder.parent} goes away as often as it is made")

    def join(self) -> None:
        """Put the calling process in. Called in the child, between fork and exec."""
        for folder in self.folders.values():
            _write(folder / "cgroup.procs", 0)

    def pids(self) -> list[int]:
        try:
            text = (self._folder("pids") / "cgroup.procs").read_text()
        except OSError:
            return []
        return [int(x) for x in text.split()]

    def freeze(self, frozen: bool) -> None:
        if self.version == 2:
            _write(self.folders[""] / "cgroup.freeze", int(frozen))
        elif "freezer" in self.folders:
            _write(self.folders["freezer"] / "freezer.state", "FROZEN" if frozen else "THAWED")

    def cpu_seconds(self) -> float:
        if self.version == 2:
            return _read_fields(self.folders[""] / "cpu.stat").get("usage_usec", 0) / 1e6
        return _read_int(self._folder("cpuacct") / "cpuacct.usage") / 1e9

    def memory_peak(self) -> int:
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        return _read_int(self._folder("memory") / name)

    def out_of_memory(self) -> bool:
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _read_fields(self._folder("memory") / name).get("oom_kill", 0) > 0

    def kill(self) -> None:
        """End every process in it, also while it forks: frozen, killed, thawed, until none is left."""
        with contextlib.suppress(OSError):
            (self._folder("") / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + 10
        while (pids := self.pids()) and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.freeze(True)
            waiting = [fd for pid in pids if (fd := _kill(pid)) is not None]
            with contextlib.suppress(OSError):
                self.freeze(False)
            _await_exit(waiting)

    def remove(self) -> None:
        """Kill what is in it and remove it; the last one out takes the parent with it. Raises OSError when it stays."""
        self.kill()
        for folder in self.folders.values():
            _rmdir(folder)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()


def _put_behind(folder: Path) -> None:
    """Version 1 has the file in one hierarchy, version 2 where the controller is handed down."""
    for name, weight in _WEIGHTS.items():
        if (folder / name).exists():
            with contextlib.suppress(OSError):
                _write(folder / name, weight)


def _hand_down(parent: Path) -> None:
    """Cgroup v2: let `parent` give the controllers to its children. Raises OSError when it cannot."""
    for folder in (ROOT, parent):
        given = set((folder / "cgroup.subtree_control").read_text().split())
        for controller in ("memory", "pids", "cpu"):
            if controller in given:
                continue
            try:
                _write(folder / "cgroup.subtree_control", f"+{controller}")
            except OSError:
                if controller != "cpu":
                    _make_room(folder)
                    _write(folder / "cgroup.subtree_control", f"+{controller}")


def _make_room(folder: Path) -> None:
    """In a container the root holds processes and so may not have limited children (man 7 cgroups, "no internal
    processes"): move them to a leaf, as docker-in-docker does. The machine's own root has no cgroup.type."""
    if folder != ROOT or not (folder / "cgroup.type").exists():
        return
    leaf = folder / "lastmile.others"
    leaf.mkdir(exist_ok=True)
    for pid in (folder / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            _write(leaf / "cgroup.procs", pid)


def _kill(pid: int) -> int | None:
    """SIGKILL by pidfd, so that a pid used anew is never hit; the fd to wait on, or None when gone."""
    try:
        fd = os.pidfd_open(pid)
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    except OSError:
        return None
    return fd


def _await_exit(pidfds: list[int]) -> None:
    poll = select.poll()
    for fd in pidfds:
        poll.register(fd, select.POLLIN)
    if pidfds:
        poll.poll(200)
    for fd in pidfds:
        os.close(fd)


def _rmdir(folder: Path) -> None:
    # a cgroup stays busy for some milliseconds after its last process was reaped; there is no event to wait on
    deadline = time.monotonic() + 2
    while True:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)


def left_behind() -> Iterator[Cgroup]:
    """Cgroups whose keeper is gone. The reaper removes them."""
    parents = [ROOT / PARENT] if version() == 2 else [ROOT / c / PARENT for c in _V1_CONTROLLERS]
    names = set()
    for parent in parents:
        with contextlib.suppress(FileNotFoundError):  # the last keeper that leaves removes it
            names |= {entry.name for entry in parent.iterdir() if entry.is_dir()}
    for name in sorted(names):
        keeper = keeper_of(name)
        if keeper and start_time(keeper[0]) != keeper[1]:
            yield Cgroup(name)


def keeper_of(name: str) -> tuple[int, str] | None:
    """The pid and the start time in a cgroup's name `<id>.<pid>.<start time>`; None for any other name."""
    match = _NAME.fullmatch(name)
    return (int(match[1]), match[2]) if match else None
