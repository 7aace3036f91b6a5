"""The agent's own tests are Go; here they are run with the toolchain that builds it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandboxes.setup import golang
from sandboxes.vm import qemu

pytestmark = pytest.mark.system

_SOURCE = Path(qemu.__file__).parent / "guest"


@pytest.mark.parametrize(
    "command",
    [
        ["vet", "./..."],
        ["test", "-trimpath", "-count=1", "./..."],
        ["test", "-trimpath", "-run=^$", "-fuzz=FuzzReader", "-fuzztime=20000x", "./internal/frame"],
    ],
    ids=["vet", "test", "fuzz-frames"],
)
def test_it_works(command: list[str], tmp_path: Path) -> None:
    # a copy, because a fuzzer that finds something writes it beside the source
    folder = shutil.copytree(_SOURCE, tmp_path / "guest")
    done = subprocess.run(
        [golang.go(), *command],
        cwd=folder,
        env={**os.environ, **golang.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")
