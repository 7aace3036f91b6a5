"""What must not be in the repository: this machine, its registries, big files."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

# Working folders of somebody's machine. System folders that Lastmile or its jail speaks of are fine.
MACHINE = re.compile(r"(?<![\w./:~-])/(?:work/main|work/shared|Users/\w+|root/\.pyenv)(?:/|\b)")
PRIVATE_HOST = re.compile(
    r"https?://[^/\s\"']*\b(?:artifactory|nexus|devpi|verdaccio|athens|internal|corp)\b"
)
SPEAKS_OF_HOMES = {"tests/ground/test_tracked_files.py"}


def _tracked(checkout: Path) -> list[Path]:
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(git, cwd=checkout, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := checkout / name).is_file()]


def _texts(checkout: Path) -> dict[str, str]:
    texts = {}
    for path in _tracked(checkout):
        try:
            texts[str(path.relative_to(checkout))] = path.read_text()
        except UnicodeDecodeError:
            continue
    return texts


def test_no_paths_of_a_machine(checkout: Path) -> None:
    found = {
        f"{name}: {match.group()}"
        for name, text in _texts(checkout).items()
        if name not in SPEAKS_OF_HOMES
        for match in MACHINE.finditer(text)
    }
    assert not found


def test_no_private_registry(checkout: Path) -> None:
    found = {name for name, text in _texts(checkout).items() if PRIVATE_HOST.search(text)}
    assert not found - SPEAKS_OF_HOMES


@pytest.mark.parametrize("name", ["requirements.lock", "sandboxes/setup/pins/go.lock"])
def test_python_locks_name_no_registry_and_hash_everything(checkout: Path, name: str) -> None:
    text = (checkout / name).read_text()
    assert "://" not in text
    pinned = re.findall(r"^[a-z0-9][\w.-]*(?:\[.*\])?==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 0


def test_npm_locks_name_no_registry(checkout: Path) -> None:
    for path in _tracked(checkout):
        if path.name == "package-lock.json":
            packages = json.loads(path.read_text())["packages"]
            assert not [name for name, entry in packages.items() if "resolved" in entry]


def test_no_big_files(checkout: Path) -> None:
    assert not [path for path in _tracked(checkout) if path.stat().st_size > 1_000_000]


def test_every_requirement_is_locked(checkout: Path) -> None:
    lines = (checkout / "requirements.in").read_text().splitlines()
    wanted = {re.split(r"[\[~=<>]", line)[0] for line in lines if line and not line.startswith("#")}
    lock = (checkout / "requirements.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9][\w.-]*?)(?:\[.*\])?==", lock, re.MULTILINE))
    assert wanted <= locked
