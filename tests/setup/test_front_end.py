"""The step around npm, with a small package that needs no registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandboxes.setup import site
from sandboxes.setup.step import SetupError


def _silent(_: str) -> None:
    """No progress."""


@pytest.fixture
def assets(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that is made by copying one file."""
    folder, built = tmp_path / "assets", tmp_path / "static"
    folder.mkdir()
    build = f"mkdir -p {built} && cp main.js {built}"
    package = {"name": "small", "version": "1.0.0", "scripts": {"build": build}}
    lock = {"name": "small", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": package}}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    (folder / "main.js").write_text("1")
    monkeypatch.setattr(site, "ASSETS", folder)
    monkeypatch.setattr(site, "BUILT", built)
    return folder


def test_it_works_and_an_edit_builds_without_installing(assets: Path) -> None:
    step = site.FrontEnd()
    assert not step.done()
    said: list[str] = []
    step.run(said.append)
    assert step.done()
    assert (site.BUILT / "main.js").read_text() == "1"

    (assets / "main.js").write_text("2")
    assert not step.done()
    step.run(said.append)
    assert step.done()
    assert (site.BUILT / "main.js").read_text() == "2"
    assert said == ["npm ci", "npm run build", "npm run build"]


def test_a_build_that_fails_is_not_done_afterwards(assets: Path) -> None:
    step = site.FrontEnd()
    step.run(_silent)
    (assets / "main.js").unlink()
    with pytest.raises(SetupError, match=r"main\.js"):
        step.run(_silent)
    assert not step.done()
