"""Children of `make up`: the pages come first."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from lastmile.embedded.children import Child, Program

AUTOGROUP = Path("/proc/self/autogroup")
TELL = """
import os, pathlib
group = pathlib.Path("/proc/self/autogroup")
print("nice", os.nice(0), "session", group.read_text().split()[-1] if group.exists() else "-")
"""


def told(tmp_path: Path, nice: int) -> str:
    child = Child(Program("told", [sys.executable, "-c", TELL], dict(os.environ), nice=nice), tmp_path)
    child.process.wait(30)
    return child.log.read_text().strip()


@pytest.mark.parametrize("nice", [0, 3])
def test_it_works(tmp_path: Path, nice: int) -> None:
    found = re.fullmatch(r"nice (-?\d+) session (-|-?\d+)", told(tmp_path, nice))
    assert found
    assert int(found[1]) == os.nice(0) + nice
    if AUTOGROUP.exists():
        assert int(found[2]) == nice
