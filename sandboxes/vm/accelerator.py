"""KVM where it works, TCG everywhere else. Whether it works is only known when a machine has booted with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from sandboxes import folders
from sandboxes.interface import StartFailed
from sandboxes.setup.stamps import write_atomically
from sandboxes.vm import qemu

Boot = Callable[[str], None]


def choose(cache: Path, boot: Boot) -> str:
    """ "kvm" or "tcg". `boot` boots a machine with the accelerator of that name, or raises StartFailed.

    It is asked once for each boot of this host, and not at all where there is no /dev/kvm to open.
    """
    if not os.access(qemu.KVM, os.R_OK | os.W_OK):
        return "tcg"
    known = read(cache)
    if known is None:
        try:
            boot("kvm")
            known = "kvm"
        except StartFailed:
            known = "tcg"
        write_atomically(_file(cache), json.dumps({"boot_id": folders.boot_id(), "use": known}).encode())
    return known


def read(cache: Path) -> str | None:
    """What was found out since this host booted; None when nobody has tried."""
    if not os.access(qemu.KVM, os.R_OK | os.W_OK):
        return "tcg"
    try:
        found = json.loads(_file(cache).read_text())
        use = found["use"] if found["boot_id"] == folders.boot_id() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return use if use in ("kvm", "tcg") else None


def _file(cache: Path) -> Path:
    return cache / "vm" / "accelerator.json"
