"""The embedded PostgreSQL: made once, reached through its socket alone, tolerant of what a crash left."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lastmile.embedded import binaries, database
from lastmile.embedded.binaries import Account, NotStarted
from lastmile.embedded.children import Child


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="lm-pg-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture(scope="module")
def account() -> Account:
    return binaries.account()


def _start(root: Path, account: Account) -> Child:
    program = database.program(binaries.postgres(account), root / "pg", root / "s", account, durable=False)
    child = Child(program, root / "logs")
    child.wait_ready(lambda: database.is_ready(root / "s"), 30.0)
    return child


@pytest.fixture
def server(root: Path, account: Account) -> Iterator[Child]:
    database.initialise(binaries.postgres(account), root / "pg", account)
    child = _start(root, account)
    yield child
    child.ask_to_stop()
    child.wait_stopped()


def test_it_works(root: Path, account: Account, server: Child) -> None:
    assert database.ensure_database(root / "s", "course")
    assert not database.ensure_database(root / "s", "course")
    assert not database.initialise(binaries.postgres(account), root / "pg", account)
    with psycopg.connect(database.url(root / "s", "course")) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)
    assert (root / "s").stat().st_mode & 0o077 == 0


def test_it_starts_after_a_crash(root: Path, account: Account, server: Child) -> None:
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    assert (root / "pg" / "postmaster.pid").exists()
    database.wait_for_former(root / "pg")
    again = _start(root, account)
    again.ask_to_stop()
    assert again.wait_stopped()


def test_a_pid_file_that_names_something_else_is_dropped(root: Path, account: Account) -> None:
    database.initialise(binaries.postgres(account), root / "pg", account)
    (root / "pg" / "postmaster.pid").write_text(f"{os.getpid()}\n/somewhere\n")
    database.wait_for_former(root / "pg")
    assert not (root / "pg" / "postmaster.pid").exists()


def test_a_live_server_of_somebody_else_is_named(root: Path, server: Child) -> None:
    with pytest.raises(NotStarted, match=f"pid {server.process.pid}"):
        database.wait_for_former(root / "pg", seconds=0.1)


def test_a_folder_with_something_else_in_it_is_left_alone(root: Path, account: Account) -> None:
    (root / "other").mkdir()
    (root / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(NotStarted, match=r"thesis\.txt"):
        database.initialise(binaries.postgres(account), root / "other", account)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers under another account")
def test_binaries_out_of_reach_are_copied(
    root: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = root / "hidden"
    installed = binaries.postgres(account).parent
    hidden.mkdir(mode=0o700)
    (hidden / installed.name).symlink_to(installed)
    monkeypatch.setattr(binaries, "_package", lambda _name: hidden)
    monkeypatch.setenv("LASTMILE_CACHE", str(root / "cache"))
    copied = binaries.postgres(account)
    assert copied == root / "cache" / "postgresql-18" / "bin"
    assert binaries.postgres(account) == copied


def test_a_child_dies_with_its_supervisor(root: Path) -> None:
    """The supervisor here is a process of its own that is killed with -9."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from lastmile.embedded.children import Child, Program\n"
        "child = Child(Program('sleeper', ['sleep', '600'], {'PATH': '/usr/bin:/bin'}), Path(sys.argv[1]))\n"
        "print(child.process.pid, flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(root / "logs")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    supervisor = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert supervisor.stdout
    with supervisor.stdout:
        sleeper = int(supervisor.stdout.readline())
    watch = os.pidfd_open(sleeper)
    supervisor.kill()
    supervisor.wait()
    ended, _, _ = select.select([watch], [], [], 10)
    os.close(watch)
    assert ended
