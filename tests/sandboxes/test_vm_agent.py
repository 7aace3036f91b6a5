"""The tests of the agent and of the mesh are Go; here they are run with the toolchain that builds them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandboxes.setup import golang
from sandboxes.vm import qemu

pytestmark = pytest.mark.system

_SOURCES = Path(qemu.__file__).parent


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("guest", ["vet", "./..."]),
        ("guest", ["test", "-trimpath", "-count=1", "./..."]),
        (
            "guest",
            ["test", "-trimpath", "-run=^$", "-fuzz=FuzzReader", "-fuzztime=20000x", "./internal/frame"],
        ),
        ("mesh", ["test", "-trimpath", "-count=1", "./..."]),
    ],
    ids=["vet", "test", "fuzz-frames", "mesh"],
)
def test_it_works(source: str, command: list[str], tmp_path: Path) -> None:
    # a copy, because a fuzzer that finds something writes it beside the source
    folder = shutil.copytree(_SOURCES / source, tmp_path / source)
    done = subprocess.run(
        [golang.go(), *command],
        cwd=folder,
        env={**os.environ, **golang.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")
