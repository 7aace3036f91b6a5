"""Where Lastmile keeps things on this machine. Nothing of it is inside the checkout.

Root gets the system's folders, anybody else their own; an environment variable moves each.
"""

from __future__ import annotations

import os
from pathlib import Path


def _place(variable: str, for_root: str, for_user: str) -> Path:
    named = os.environ.get(variable)
    if named:
        return Path(named)
    return Path(for_root) if os.geteuid() == 0 else Path(for_user).expanduser()


def cache_dir() -> Path:
    """What can be fetched or built again: Go, Kubernetes binaries, warm build caches."""
    return _place("LASTMILE_CACHE", "/var/cache/lastmile", "~/.cache/lastmile")


def state_dir() -> Path:
    """What must outlive a restart: the database, the broker's file, secrets of this installation."""
    return _place("LASTMILE_STATE", "/var/lib/lastmile", "~/.local/state/lastmile")


def run_dir() -> Path:
    """What ends with the processes: sockets, locks, the folders of running sandboxes."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    return _place(
        "LASTMILE_RUN", "/run/lastmile", f"{session}/lastmile" if session else "~/.local/state/lastmile/run"
    )
