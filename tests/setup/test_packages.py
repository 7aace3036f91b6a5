from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandboxes.setup.packages import DebianPackages, Tool
from sandboxes.setup.step import SetupError

JAIL = Tool("bubblewrap", ("bwrap",), "the jail")


def _silent(_: str) -> None:
    """No progress."""


@pytest.fixture
def bin_dir(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _program(path: Path, body: str = "") -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_it_works(bin_dir: Path) -> None:
    step = DebianPackages("packages", (JAIL,))
    assert not step.done()
    _program(bin_dir / "bwrap")
    assert step.done()


def test_any_of_several_will_do(bin_dir: Path) -> None:
    step = DebianPackages("packages", (Tool("chromium", ("chromium", "google-chrome"), "tests"),))
    _program(bin_dir / "google-chrome")
    assert step.done()


def test_without_root_it_is_one_line_with_its_remedy(bin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError) as caught:
        DebianPackages("packages", (JAIL,)).run(_silent)
    assert str(caught.value) == "missing: bubblewrap (the jail)"
    assert caught.value.remedy == "sudo apt-get install bubblewrap"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs")
def test_as_root_apt_installs_what_is_missing(bin_dir: Path) -> None:
    _program(
        bin_dir / "apt-get",
        f'echo "$@" >> {bin_dir}/asked; : > {bin_dir}/bwrap; /bin/chmod +x {bin_dir}/bwrap',
    )
    step = DebianPackages("packages", (JAIL,))
    step.run(_silent)
    assert step.done()
    assert (bin_dir / "asked").read_text().splitlines() == [
        "update -q",
        "-o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends bubblewrap",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs")
def test_when_apt_fails_its_words_are_shown(bin_dir: Path) -> None:
    _program(bin_dir / "apt-get", "echo 'E: Unable to locate package'; exit 100")
    with pytest.raises(SetupError, match="Unable to locate package") as caught:
        DebianPackages("packages", (JAIL,)).run(_silent)
    assert caught.value.remedy == "sudo apt-get install bubblewrap"
