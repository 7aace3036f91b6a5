#!/usr/bin/env python3
"""From any Python >= 3.11 to the project's virtual environment, then on to `python -m sandboxes.setup`.

Standard library only, and nothing of the project: it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parents[2]
VENV = CHECKOUT / ".venv"
STAMP = VENV / ".lastmile"
NEEDED = (3, 11)


class Stop(Exception):
    """Ends the set-up with one line; `remedy` is the command that helps."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def key() -> str:
    """Changes whenever the virtual environment has to be brought up to date."""
    sha = hashlib.sha256(f"{sys.version_info[:2]} {CHECKOUT}".encode())
    for name in ("requirements.lock", "pyproject.toml"):
        sha.update((CHECKOUT / name).read_bytes())
    return sha.hexdigest()


def done() -> bool:
    python = VENV / "bin" / "python"
    try:
        return STAMP.read_text() == key() and os.access(python, os.X_OK)
    except OSError:
        return False


def ensure_venv_module() -> None:
    """Debian ships Python without ensurepip: python3-venv brings it."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python3.{sys.version_info[1]}-venv"
    by_hand = f"sudo apt-get install {package}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Stop(f"missing: {package} (Python's own virtual environments)", by_hand)
    print(f"[0] installing {package} …", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", package]):
        call(["apt-get", *words], by_hand, env)


def call(argv: list[str], remedy: str, env: dict[str, str] | None = None) -> None:
    """Run quietly; on failure show the last lines."""
    ended = subprocess.run(argv, cwd=CHECKOUT, env=env, capture_output=True, text=True, errors="replace")
    if ended.returncode:
        words = "\n    ".join((ended.stdout + ended.stderr).strip().splitlines()[-12:])
        raise Stop(f"{argv[0]} ended with {ended.returncode}:\n    {words}", remedy)


def make_venv() -> None:
    """Idempotent, and resumable: pip keeps what it has downloaded and the stamp is written last."""
    started = time.monotonic()
    print("[0] Python packages into .venv (half a minute) …", flush=True)
    wanted = key()
    STAMP.unlink(missing_ok=True)
    python = VENV / "bin" / "python"
    try:
        whole = subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0
    except OSError:
        whole = False
    if not whole:
        shutil.rmtree(VENV, ignore_errors=True)
        call([sys.executable, "-m", "venv", str(VENV)], "rm -rf .venv, then make setup")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    reach = "check that the package index is reachable: python3 -m pip download django"
    call([*pip, "--require-hashes", "--requirement", "requirements.lock"], reach)
    call([*pip, "--no-deps", "--no-build-isolation", "--editable", "."], "rm -rf .venv, then make setup")
    part = STAMP.with_suffix(".part")
    part.write_text(wanted)
    part.replace(STAMP)
    print(f"[0] Python packages: done in {time.monotonic() - started:.1f} s", flush=True)


def hand_over(argv: list[str]) -> NoReturn:
    """Go on inside the virtual environment, in this very process."""
    python = str(VENV / "bin" / "python")
    os.chdir(CHECKOUT)
    os.execv(python, [python, "-m", "sandboxes.setup", *argv])


def main(argv: list[str]) -> int:
    try:
        if sys.version_info < NEEDED:
            raise Stop(f"Python {NEEDED[0]}.{NEEDED[1]} or later is needed", "make setup PYTHON=python3.11")
        if not done():
            # The folder is the lock: it exists before .venv does, and the kernel lets go when we end.
            lock = os.open(CHECKOUT, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done():
                ensure_venv_module()
                make_venv()
            os.close(lock)
    except Stop as stop:
        print(f"lastmile: set-up stopped. {stop}\nlastmile: remedy: {stop.remedy}", file=sys.stderr)
        return 1
    if argv == ["--python-only"]:
        return 0
    hand_over(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
