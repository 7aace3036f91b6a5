"""The folder of each running sandbox, and who owns it.

`<run>/sandboxes/<kind>/<id>/owner` names the process that started it, the boot and the process's start
time, so that a reaper can tell what a crash left behind. The database is the file system, as kind's is
the labels on its containers.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sandboxes.keeper.cgroup import keeper_of
from sandboxes.keeper.linux import start_time
from sandboxes.paths import run_dir


@dataclass(frozen=True)
class Entry:
    kind: str
    id: str
    path: Path
    boot_id: str
    owner_alive: bool


@cache
def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _parent(kind: str) -> Path:
    return run_dir() / "sandboxes" / kind


def create(kind: str, id_: str) -> Path:
    """An empty folder that belongs to this process."""
    parent = _parent(kind)
    parent.mkdir(parents=True, exist_ok=True)
    # made whole under another name, so that the reaper never sees one without an owner
    started = start_time(os.getpid())
    staging = parent / f".{id_}.{os.getpid()}.{started}"
    staging.mkdir(mode=0o700)
    owner = {"pid": os.getpid(), "start_time": started, "boot_id": boot_id()}
    (staging / "owner").write_text(json.dumps(owner))
    return staging.rename(parent / id_)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def find(kind: str) -> Iterator[Entry]:
    """Every sandbox folder of `kind` on this machine."""
    parent = _parent(kind)
    if not parent.is_dir():
        return
    for path in sorted(parent.iterdir()):
        # one that was never finished: its name has the form of a cgroup's and says who made it
        if path.name.startswith("."):
            maker = keeper_of(path.name)
            yield Entry(kind, path.name, path, "", maker is not None and start_time(maker[0]) == maker[1])
            continue
        owner = _owner(path)
        yield Entry(kind, path.name, path, str(owner.get("boot_id", "")), _lives(owner))


def remove_own() -> None:
    """Remove what this process started and has not removed. For its very end: a start that was given up."""
    kinds = run_dir() / "sandboxes"
    for path in kinds.glob("*/*") if kinds.is_dir() else ():
        owner = _owner(path)
        if owner.get("pid") == os.getpid() and _lives(owner):
            remove(path)


def _lives(owner: dict[str, Any]) -> bool:
    pid, started = owner.get("pid"), owner.get("start_time")
    if owner.get("boot_id") != boot_id() or not isinstance(pid, int) or not started:
        return False
    return bool(start_time(pid) == started)


def _owner(folder: Path) -> dict[str, Any]:
    """Who started it; {} when the file cannot be read, as after a full disk."""
    try:
        owner = json.loads((folder / "owner").read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return owner if isinstance(owner, dict) else {}
