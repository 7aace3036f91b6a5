"""apigate's own tests are Go; here they are run with the toolchain that builds it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandboxes.controlplane import components
from sandboxes.setup import golang

pytestmark = pytest.mark.system

_SOURCE = Path(components.__file__).parent / "apigate"


@pytest.mark.parametrize(
    "command",
    [
        ["vet", "."],
        ["test", "-trimpath", "-count=1", "."],
        ["test", "-trimpath", "-run=^$", "-fuzz=FuzzParse", "-fuzztime=20000x", "."],
        ["test", "-trimpath", "-run=^$", "-fuzz=FuzzRules", "-fuzztime=20000x", "."],
    ],
    ids=["vet", "test", "fuzz-paths", "fuzz-rules"],
)
def test_it_works(command: list[str], tmp_path: Path) -> None:
    # a copy, because a fuzzer that finds something writes it beside the source
    folder = shutil.copytree(_SOURCE, tmp_path / "apigate")
    done = subprocess.run(
        [golang.go(), *command],
        cwd=folder,
        env={**os.environ, **golang.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")
