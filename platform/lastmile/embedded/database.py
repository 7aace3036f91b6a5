"""PostgreSQL from the wheel: a Unix socket in a folder that only its account and root can enter."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from lastmile.embedded.binaries import Account, NotStarted
from lastmile.embedded.children import Program

USER = "lastmile"
# A test cluster is thrown away, so it need not survive a power cut.
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def initialise(binaries: Path, data: Path, who: Account) -> bool:
    """Make a cluster in `data` unless there is one. True when it was made now."""
    who.own(data)
    if (data / "PG_VERSION").exists():
        return False
    # What a broken-off initdb left would stop the next one.
    for left in data.iterdir():
        raise NotStarted(f"{data} holds {left.name} but no database: move it away, then start again")
    command = [
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        USER,
        "--auth-local=trust",
        "--auth-host=reject",
    ]
    command += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"]
    done = subprocess.run(command, user=who.uid, group=who.gid, capture_output=True, text=True, cwd="/")
    if done.returncode != 0:
        raise NotStarted(f"initdb failed: {done.stderr.strip().splitlines()[-1:]}")
    return True


def program(binaries: Path, data: Path, sockets: Path, who: Account, durable: bool = True) -> Program:
    """`postgres` in the foreground. SIGINT is its fast and clean end."""
    who.own(sockets)
    settings = [
        "listen_addresses=",
        f"unix_socket_directories={sockets}",
        "unix_socket_permissions=0700",
        "max_connections=200",
        "logging_collector=off",
        *(() if durable else NOT_DURABLE),
    ]
    argv = [str(binaries / "postgres"), "-D", str(data)]
    for setting in settings:
        argv += ["-c", setting]
    return Program(
        name="postgres",
        argv=argv,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        account=who,
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        stop_seconds=20.0,
    )


def wait_for_former(data: Path, seconds: float = 10.0) -> None:
    """Wait until a postmaster of an earlier supervisor has ended; drop a pid file that names none.

    Raises NotStarted when it stays.
    """
    pid_file = data / "postmaster.pid"
    deadline = time.monotonic() + seconds
    while (pid := _pid_in(pid_file)) is not None:
        if not _is_postgres(pid):
            pid_file.unlink(missing_ok=True)
            return
        if time.monotonic() > deadline:
            raise NotStarted(
                f"another PostgreSQL (pid {pid}) still uses {data}: end it with `kill -INT {pid}`"
            )
        time.sleep(0.05)


def _pid_in(file: Path) -> int | None:
    try:
        return int(file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _is_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:
        return False


def url(sockets: Path, name: str) -> str:
    return f"postgresql://{USER}@/{name}?host={sockets}"


def is_ready(sockets: Path) -> bool:
    if not (sockets / ".s.PGSQL.5432").exists():
        return False
    with contextlib.suppress(psycopg.OperationalError):
        with psycopg.connect(url(sockets, "postgres"), connect_timeout=2) as connection:
            connection.execute("SELECT 1")
        return True
    return False


def ensure_database(sockets: Path, name: str) -> bool:
    """Make the database `name` unless there is one. True when it was made now."""
    with psycopg.connect(url(sockets, "postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return False
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return True
