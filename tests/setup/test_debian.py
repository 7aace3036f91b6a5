"""Packages that apt fetches and nobody installs, with an apt of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandboxes.setup import debian
from sandboxes.setup.step import SetupError


@pytest.fixture
def bin_dir(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where programs are found first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_it_works(bin_dir: Path, tmp_path: Path) -> None:
    _program(bin_dir / "apt-get", 'shift 4; for p in "$@"; do touch "${p}_1.0_amd64.deb"; done')
    into = tmp_path / "into"
    into.mkdir()
    found = debian.download(["nginx", "libc6"], into)
    assert [path.name for path in found] == ["nginx_1.0_amd64.deb", "libc6_1.0_amd64.deb"]


def test_a_package_that_does_not_come_is_an_error(bin_dir: Path, tmp_path: Path) -> None:
    _program(bin_dir / "apt-get", "touch nginx-common_1.0_amd64.deb")
    with pytest.raises(SetupError, match="expected one package nginx, found 0"):
        debian.download(["nginx"], tmp_path)


def test_when_apt_fails_its_words_and_a_remedy_are_shown(bin_dir: Path, tmp_path: Path) -> None:
    _program(bin_dir / "apt-get", "echo 'E: Unable to locate package nginx'; exit 100")
    with pytest.raises(SetupError, match="Unable to locate") as caught:
        debian.download(["nginx"], tmp_path)
    assert "bookworm" in caught.value.remedy


def test_names_that_are_not_known_are_asked_for_once(bin_dir: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    _program(bin_dir / "apt-cache", f'cat {lists} 2>/dev/null | grep "^$2"')
    _program(bin_dir / "apt-get", f"printf 'nginx\\nopenssl\\n' > {lists}")
    said: list[str] = []
    found = debian.names("nginx", said.append)
    assert (found, said) == ((["nginx"], ["apt-get update"]) if os.geteuid() == 0 else ([], []))
    said.clear()
    assert debian.names("nginx", said.append) == found
    assert not said or os.geteuid() != 0


def test_another_distribution_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="Debian 12"):
        debian.names("nginx", lambda _: None)
