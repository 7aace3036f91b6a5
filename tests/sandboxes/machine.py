"""What stands on this machine: processes, cgroups and folders, as the tests of clean-up look for them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sandboxes.keeper import cgroup


def await_true(ready: Callable[[], object], seconds: float, what: str) -> None:
    """For what has no event, as the end of somebody else's process. Fails naming `what`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def processes(word: str) -> list[int]:
    """The pids of all processes, jailed ones too, whose command line holds `word`."""
    return [pid for pid, line in _read_all("cmdline") if word.encode() in line and pid != os.getpid()]


def cgroup_parents() -> list[Path]:
    """Where jails have their cgroups, of either version; they need not be there."""
    return [cgroup.ROOT / cgroup.PARENT, *cgroup.ROOT.glob(f"*/{cgroup.PARENT}")]


def cgroups(word: str) -> set[str]:
    """The names of all jails' cgroups that hold `word`."""
    names: set[str] = set()
    for parent in cgroup_parents():
        with contextlib.suppress(FileNotFoundError):  # it goes with the last one, whoever's that is
            names |= {p.name for p in parent.iterdir() if p.is_dir()}
    return {name for name in names if word in name}


def left_of(run: Path) -> list[str]:
    """Everything that was started under this LASTMILE_RUN and still stands."""
    tag = hashlib.sha256(str(run).encode()).hexdigest()[:6]
    named = f"LASTMILE_RUN={run}".encode()
    found = [f"cgroup {name}" for name in sorted(cgroups(f"-{tag}-"))]
    found += [f"folder {p}" for p in run.glob("sandboxes/*/*")]
    others = (pid for pid, text in _read_all("environ") if named in text.split(b"\0") and pid != os.getpid())
    found += [f"process {pid}" for pid in others]
    found += [f"keeper {pid}" for pid in _keepers_of(os.getpid()) - _keepers_with_a_cgroup()]
    found += [
        f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if str(run) in line
    ]
    return found


def _keepers_with_a_cgroup() -> set[int]:
    """Those of other runs; one of ours shows by its cgroup's name."""
    return {keeper[0] for name in cgroups("") if (keeper := cgroup.keeper_of(name))}


def _keepers_of(parent: int) -> set[int]:
    keepers = set()
    for pid in processes("keeper/__main__.py"):
        fields = _read(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
        if fields and fields[0] != b"Z" and int(fields[1]) == parent:
            keepers.add(pid)
    return keepers


def _read_all(name: str) -> Iterator[tuple[int, bytes]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            yield int(entry.name), _read(entry / name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
