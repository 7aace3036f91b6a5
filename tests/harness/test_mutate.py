"""The mutation tool has its own tests, in Go; they run here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from labs.harness import mutants
from sandboxes.setup import golang

pytestmark = pytest.mark.system
TOOL = Path(mutants.__file__).with_name("mutate")


@pytest.mark.parametrize("words", [["vet", "."], ["test", "."]])
def test_its_own_tests_pass(words: list[str]) -> None:
    environment = {**golang.environment(), "GOENV": "off", "GOFLAGS": "-trimpath"}
    done = subprocess.run([golang.go(), *words], cwd=TOOL, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_formatted() -> None:
    gofmt = golang.root() / "bin/gofmt"
    done = subprocess.run([gofmt, "-l", "."], cwd=TOOL, env=dict(os.environ), capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
