"""What every test may rely on: folders of its own, and no question to the outside.

The cache (Go, Kubernetes) is the machine's: it is read, and only ever gains whole results.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any module of the platform is imported. Short, because Unix sockets have at most 107 letters.
_SCRATCH = Path(tempfile.mkdtemp(prefix="lastmile-tests-"))
os.environ["LASTMILE_STATE"] = str(_SCRATCH / "state")
os.environ["LASTMILE_RUN"] = str(_SCRATCH / "run")
os.environ["LASTMILE_K8S_MIRROR"] = "off"
if importlib.util.find_spec("lastmile.settings"):
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lastmile.settings")


@pytest.fixture(scope="session", autouse=True)
def _scratch() -> Iterator[None]:
    """Removes the folders of this test session."""
    yield
    shutil.rmtree(_SCRATCH, ignore_errors=True)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).parents[1]
