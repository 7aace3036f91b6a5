"""The first program of the set-up, run as one, in a small checkout of its own."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from labs.harness import pace

# Builds an editable wheel by hand, so that the small checkout needs no package index.
BACKEND = """
import pathlib, time, zipfile
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    gate = pathlib.Path(__file__).with_name("gate")
    if gate.exists():
        pathlib.Path(__file__).with_name("building").touch()
        while gate.exists():
            time.sleep(0.02)
    name = "small-1-py3-none-any.whl"
    info = {"METADATA": "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n",
            "WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n", "RECORD": ""}
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("small.py", "answer = 42")
        for file, text in info.items():
            wheel.writestr(f"small-1.dist-info/{file}", text)
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "small"
version = "1"
"""


@pytest.fixture
def small(tmp_path: Path, checkout: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "sandboxes" / "setup").mkdir(parents=True)
    shutil.copy(checkout / "sandboxes" / "setup" / "bootstrap.py", folder / "sandboxes" / "setup")
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "requirements.lock").write_text("# nothing\n")
    return folder


def _start(small: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "sandboxes/setup/bootstrap.py", "--python-only"]
    return subprocess.Popen(argv, cwd=small, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _finish(process: subprocess.Popen[str]) -> str:
    out = process.communicate(timeout=120)[0]
    assert process.returncode == 0, out
    return out


def _answer(small: Path) -> str:
    argv = [small / ".venv/bin/python", "-c", "import small; print(small.answer)"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_it_works_and_the_second_time_there_is_nothing_to_do(small: Path) -> None:
    assert "Python packages" in _finish(_start(small))
    assert _answer(small) == "42"
    started = pace.now()
    assert _finish(_start(small)) == ""
    assert pace.now() - started < 2

    (small / "requirements.lock").write_text("# a new lock\n")
    assert "Python packages" in _finish(_start(small))


def test_killed_in_the_middle_it_goes_on(small: Path) -> None:
    (small / "gate").touch()
    first = _start(small)
    deadline = time.monotonic() + 60
    while not (small / "building").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    assert first.stdout
    first.stdout.close()
    assert not (small / ".venv" / ".lastmile").exists()
    (small / "gate").unlink()
    _finish(_start(small))
    assert _answer(small) == "42"


def test_a_broken_environment_is_made_anew(small: Path) -> None:
    (small / ".venv" / "bin").mkdir(parents=True)
    (small / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (small / ".venv" / "bin" / "python").chmod(0o755)
    _finish(_start(small))
    assert _answer(small) == "42"


@pytest.fixture
def bootstrap(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", checkout / "sandboxes/setup/bootstrap.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_ensurepip_and_root_it_is_one_line_with_its_remedy(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "done", lambda: False)
    assert bootstrap.main([]) == 1
    version = f"python3.{sys.version_info[1]}-venv"
    assert capsys.readouterr().err.splitlines() == [
        f"lastmile: set-up stopped. missing: {version} (Python's own virtual environments)",
        f"lastmile: remedy: sudo apt-get install {version}",
    ]
