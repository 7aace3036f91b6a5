"""The Python processes: web, workers, sweeper, pool."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from lastmile import environment as variables
from lastmile.celery import SECRETS
from lastmile.embedded.children import Program

ROOT = Path(__file__).resolve().parents[3]
# Every kind of sandbox has a queue of its own (lastmile.practice.outbox).
QUEUES = "cluster,vm,build"
# Grading takes every core that is free; pages come first.
NICE = 5


def environment() -> dict[str, str]:
    """Ours, with the two source roots first."""
    env = dict(os.environ)
    roots = [str(ROOT), str(ROOT / "platform")]
    more = [part for part in env.get("PYTHONPATH", "").split(os.pathsep) if part and part not in roots]
    env["PYTHONPATH"] = os.pathsep.join(roots + more)
    env["DJANGO_SETTINGS_MODULE"] = "lastmile.settings"
    env["PYTHONUNBUFFERED"] = "1"
    return env


def web(host: str, port: int) -> Program:
    argv = [sys.executable, "-m", "uvicorn", "lastmile.asgi:application", "--host", host, "--port", str(port)]
    # Pages that follow a run hold their stream open; they come again by themselves.
    argv += ["--timeout-graceful-shutdown", "2", "--no-access-log", "--log-level", "warning"]
    return Program("web", argv, environment(), cwd=ROOT, stop_seconds=6.0, death_signal=signal.SIGKILL)


def worker(number: int, queues: str, host: str = "localhost") -> Program:
    """One run at a time and one process: what -9 kills is the whole of it."""
    argv = [sys.executable, "-m", "celery", "-A", "lastmile", "worker", "--pool", "solo", "--queues", queues]
    argv += ["--hostname", worker_name(number, host), "--loglevel", "INFO"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return Program(f"worker-{number}", argv, environment(), cwd=ROOT, stop_seconds=20.0, nice=NICE)


def worker_name(number: int, host: str = "localhost") -> str:
    return f"grader-{number}@{host}"


def workers_here() -> int:
    """LASTMILE_WORKERS, or as many as there are cores, at most four."""
    return variables.number("LASTMILE_WORKERS", max(1, min(4, os.cpu_count() or 1)))


def sweeper() -> Program:
    argv = [sys.executable, str(ROOT / "manage.py"), "sweep"]
    return Program("sweeper", argv, environment(), cwd=ROOT, stop_seconds=5.0, death_signal=signal.SIGKILL)


def pool() -> Program:
    """It starts sandboxes, and so is given nothing that opens the database or the broker."""
    env = {name: value for name, value in environment().items() if name not in SECRETS}
    return Program(
        "pool", [sys.executable, "-m", "sandboxes.pool"], env, cwd=ROOT, stop_seconds=40.0, nice=NICE
    )


def pool_answers() -> bool:
    """Whether the pool of this machine is there."""
    from sandboxes.pool import client

    try:
        return client.status() is not None
    except (OSError, ValueError):
        return False
