"""What this machine gives a jail. `lastmile doctor` prints it, in words of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandboxes.interface import StartFailed, Unavailable
from sandboxes.jail.model import Command, Limits, Overlay
from sandboxes.jail.process import bubblewrap, run
from sandboxes.keeper import cgroup

_ROOT = Path(__file__).resolve().parents[2]
_MAKE_USER_NAMESPACE = "from sandboxes.keeper import linux; linux.unshare(linux.CLONE_NEWUSER)"


@dataclass(frozen=True)
class Capabilities:
    """Each was tried, not guessed. `broken` says why a plain jail does not start, or is empty.

    cgroup: 2 or 1; 0 holds memory and processes by rlimits of each process and uid only.
    user_namespaces: this user can make one. overlay: a jail can write over a read-only folder, so builds
    can use the warm cache. own_uids, network_namespaces: root only.
    """

    root: bool
    own_uids: bool
    cgroup: int
    user_namespaces: bool
    network_namespaces: bool
    seccomp: bool
    bubblewrap: str
    overlay: bool
    broken: str


def capabilities() -> Capabilities:
    """Starts two jails: some 150 ms."""
    root = os.geteuid() == 0
    broken = _fails(Command(("/bin/true",), system=True, limits=_SMALL, label="probe"))
    with tempfile.TemporaryDirectory(prefix="lastmile-probe-") as lower:
        overlay = Command(
            ("/usr/bin/touch", "/below/written"),
            overlays=(Overlay(Path(lower), "/below"),),
            system=True,
            limits=_SMALL,
            label="probe",
        )
        no_overlay = broken or _fails(overlay)
    return Capabilities(
        root=root,
        own_uids=root,
        cgroup=cgroup.version(),
        user_namespaces=_can_make_user_namespace(),
        network_namespaces=root,
        seccomp=_has_seccomp_filters(),
        bubblewrap=_bubblewrap(),
        overlay=not no_overlay,
        broken=broken,
    )


_SMALL = Limits(wall_seconds=10)


def _fails(command: Command) -> str:
    try:
        result = run(command)
    except (StartFailed, Unavailable, OSError) as error:
        return str(error)
    if result.exit_code == 0:
        return ""
    return result.output.decode(errors="replace").strip() or f"it ended with {result.exit_code}"


def _bubblewrap() -> str:
    try:
        return bubblewrap()
    except Unavailable:
        return ""


def _has_seccomp_filters() -> bool:
    actions = Path("/proc/sys/kernel/seccomp/actions_avail")
    return actions.is_file() and "errno" in actions.read_text().split()


def _can_make_user_namespace() -> bool:
    # in a process of its own: a process with threads may not enter one
    tried = subprocess.run([sys.executable, "-c", _MAKE_USER_NAMESPACE], cwd=_ROOT, capture_output=True)
    return tried.returncode == 0
