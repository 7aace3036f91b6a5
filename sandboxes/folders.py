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
    staging = parent / f".{id_}"
    staging.mkdir()
    owner = {"pid": os.getpid(), "start_time": start_time(os.getpid()), "boot_id": boot_id()}
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
        if path.name.startswith("."):
            continue
        try:
            owner = json.loads((path / "owner").read_text())
            alive = owner["boot_id"] == boot_id() and start_time(owner["pid"]) == owner["start_time"]
            yield Entry(kind, path.name, path, owner["boot_id"], alive)
        except (OSError, ValueError, KeyError):
            yield Entry(kind, path.name, path, "", False)
