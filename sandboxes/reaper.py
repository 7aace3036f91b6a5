"""Remove what a crash left behind: cgroups without a keeper, folders without an owner."""

from __future__ import annotations

import contextlib

from sandboxes import folders
from sandboxes.keeper import cgroup
from sandboxes.paths import run_dir


def sweep() -> list[str]:
    """One pass; safe beside living sandboxes. Returns the names of what was removed."""
    removed = []
    for group in cgroup.left_behind():
        # another reaper may be at the same one
        with contextlib.suppress(OSError):
            group.remove()
            removed.append(f"cgroup {group.name}")
    kinds = run_dir() / "sandboxes"
    for kind in sorted(p.name for p in kinds.iterdir()) if kinds.is_dir() else []:
        for entry in folders.find(kind):
            if not entry.owner_alive:
                folders.remove(entry.path)
                removed.append(f"{kind} {entry.id}")
    return removed
