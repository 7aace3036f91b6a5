"""Debian packages that are unpacked into the cache and never installed: apt fetches and checks them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandboxes.setup import command
from sandboxes.setup.step import Say, SetupError

BY_HAND = "sudo apt-get update, with bookworm and bookworm-security in /etc/apt/sources.list"


def names(prefix: str, say: Say) -> list[str]:
    """Names of the packages that apt knows and that begin with `prefix`; asks anew when it knows none."""
    return _known(prefix) or _asked_anew(prefix, say)


def download(packages: Sequence[str], into: Path) -> list[Path]:
    """The packages' archives, in their order. Raises SetupError."""
    # apt fetches as an account of its own, which must get into the folder
    into.chmod(0o755)
    argv = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages]
    command.run(argv, log=f"apt-{packages[0]}", cwd=into, remedy=BY_HAND)
    found = []
    for package in packages:
        archives = list(into.glob(f"{package}_*.deb"))
        if len(archives) != 1:
            raise SetupError(f"expected one package {package}, found {len(archives)}")
        found += archives
    return found


def _known(prefix: str) -> list[str]:
    try:
        asked = ["apt-cache", "pkgnames", prefix]
        return subprocess.run(asked, capture_output=True, text=True).stdout.split()
    except FileNotFoundError as error:
        raise SetupError("there is no apt-cache: what a guest has comes from Debian 12", BY_HAND) from error


def _asked_anew(prefix: str, say: Say) -> list[str]:
    """As root of a machine whose lists are not there, as in a container: fetch them."""
    if os.geteuid() != 0:
        return []
    say("apt-get update")
    command.run(["apt-get", "update", "-q"], log="apt-update", remedy=BY_HAND)
    return _known(prefix)
