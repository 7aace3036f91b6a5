"""The Python processes of `make up`: web, workers, sweeper, pool."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from lastmile.embedded.children import Program

ROOT = Path(__file__).resolve().parents[3]
# Grading takes every core that is free; pages come first.
NICE = 5


def environment() -> dict[str, str]:
    """Ours, with the two source roots first."""
    env = dict(os.environ)
    roots = [str(ROOT), str(ROOT / "platform")]
    given = [part for part in env.get("PYTHONPATH", "").split(os.pathsep) if part and part not in roots]
    env["PYTHONPATH"] = os.pathsep.join(roots + given)
    env["DJANGO_SETTINGS_MODULE"] = "lastmile.settings"
    env["PYTHONUNBUFFERED"] = "1"
    return env


def web(host: str, port: int) -> Program:
    argv = [sys.executable, "-m", "uvicorn", "lastmile.asgi:application", "--host", host, "--port", str(port)]
    # Pages that follow a run hold their stream open; they come again by themselves.
    argv += ["--timeout-graceful-shutdown", "2", "--no-access-log", "--log-level", "warning"]
    return Program("web", argv, environment(), cwd=ROOT, stop_seconds=6.0, death_signal=signal.SIGKILL)


def worker(number: int, queues: str) -> Program:
    """One run at a time and one process: what -9 kills is the whole of it."""
    argv = [sys.executable, "-m", "celery", "-A", "lastmile", "worker", "--pool", "solo", "--queues", queues]
    argv += ["--hostname", worker_name(number), "--loglevel", "INFO"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return Program(f"worker-{number}", argv, environment(), cwd=ROOT, stop_seconds=20.0, nice=NICE)


def worker_name(number: int) -> str:
    return f"grader-{number}@localhost"


def sweeper() -> Program:
    argv = [sys.executable, str(ROOT / "manage.py"), "sweep"]
    return Program("sweeper", argv, environment(), cwd=ROOT, stop_seconds=5.0, death_signal=signal.SIGKILL)


def pool() -> Program:
    argv = [sys.executable, "-m", "sandboxes.pool"]
    return Program("pool", argv, environment(), cwd=ROOT, stop_seconds=40.0, nice=NICE)
