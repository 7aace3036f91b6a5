"""Where things are kept, for root and for everybody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandboxes import paths

_PLACES = {
    "LASTMILE_CACHE": paths.cache_dir,
    "LASTMILE_STATE": paths.state_dir,
    "LASTMILE_RUN": paths.run_dir,
}


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_PLACES, "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")


def test_root_has_the_system_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = [place() for place in _PLACES.values()]
    assert found == [Path("/var/cache/lastmile"), Path("/var/lib/lastmile"), Path("/run/lastmile")]


def test_anybody_else_has_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert paths.cache_dir() == Path("/home/me/.cache/lastmile")
    assert paths.state_dir() == Path("/home/me/.local/state/lastmile")
    assert paths.run_dir() == Path("/home/me/.local/state/lastmile/run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert paths.run_dir() == Path("/run/user/1000/lastmile")


@pytest.mark.parametrize("name", _PLACES)
def test_each_can_be_moved(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/elsewhere")
    assert _PLACES[name]() == Path("/elsewhere")
