"""The report on what this machine gives a jail."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sandboxes.jail import capabilities
from sandboxes.keeper import cgroup
from tests.sandboxes.machine import cgroups, processes

pytestmark = pytest.mark.system


def test_it_works() -> None:
    can = capabilities()
    assert can.root == (os.geteuid() == 0)
    assert can.cgroup == cgroup.version()
    assert can.broken == ""
    assert can.seccomp
    assert can.bubblewrap
    assert not cgroups("probe-")
    assert not processes("/below/written")


def test_it_says_why_no_jail_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    can = capabilities()
    assert can.broken
    assert not can.overlay
