"""Fakes of one trait for what stands around the platform."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings

sys.path.append(str(Path(__file__).parent / "fakes"))

import labs_of_one_trait

if TYPE_CHECKING:
    from stack import Stack


@pytest.fixture
def fake_labs(tmp_path: Path, settings: Settings) -> Path:
    """The site shows the labs of one trait instead of the real ones."""
    settings.LABS = labs_of_one_trait.write(tmp_path / "labs")
    return Path(settings.LABS)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A platform of its own for the tests of one module; short path, for Unix sockets."""
    from stack import running

    root = Path(tempfile.mkdtemp(prefix="lm-stack-"))
    try:
        with running(root) as found:
            yield found
    finally:
        shutil.rmtree(root, ignore_errors=True)
