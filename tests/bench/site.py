"""The chapter page and a submit, idle and while both cores grade. A site of its own, on a free port."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from labs.harness import manifest
from tests.bench.figures import Row, Series, percentile, ratios
from tests.bench.sandboxes import LAB

CHAPTER = "/chapters/operators/reconcile/"
PEOPLE = (("learner", "demo-learner"), ("classmate", "demo-classmate"))
_VIEWS = 60
_MILLISECONDS = 1000.0


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextlib.contextmanager
def _site() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="lm-") as folder:
        port = _free_port()
        places = {f"LASTMILE_{name.upper()}": str(Path(folder) / name) for name in ("state", "run")}
        Path(folder).chmod(0o755)
        argv = [sys.executable, "manage.py", "up", "--port", str(port)]
        up = subprocess.Popen(argv, env={**os.environ, **places}, stdout=subprocess.PIPE, text=True)
        try:
            assert up.stdout is not None
            if not any("ready at" in line for line in up.stdout):
                raise RuntimeError("the site did not come up")
            yield f"http://127.0.0.1:{port}"
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)


def _sign_in(base: str, name: str, password: str) -> httpx.Client:
    client = httpx.Client(base_url=base, follow_redirects=True, timeout=30)
    client.get("/accounts/sign-in/")
    form = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["lastmile_csrf"]}
    answer = client.post("/accounts/sign-in/", data=form, headers={"Referer": base})
    if answer.status_code != 200 or "lastmile_session" not in client.cookies:
        raise RuntimeError(f"{name} cannot sign in: {answer.status_code}")
    return client


def _submit(client: httpx.Client) -> tuple[str, float]:
    """The run's path and the seconds until the learner was told that it is received."""
    folder = manifest.load(LAB).folder / "solution"
    files = {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*.go"))}
    headers = {"X-CSRFToken": client.cookies["lastmile_csrf"], "Idempotency-Key": secrets.token_hex(8)}
    begun = time.monotonic()
    answer = client.post(f"/labs/{LAB}/submit", json={"files": files}, headers=headers)
    seconds = time.monotonic() - begun
    answer.raise_for_status()
    found = re.search(r"/runs/[0-9a-f-]{36}/", answer.text)
    assert found is not None
    return found.group(), seconds


def _follow(client: httpx.Client, run: str) -> threading.Thread:
    """A thread that follows the run as a page does, and ends with its verdict."""

    def follow() -> None:
        with client.stream("GET", f"{run}events", timeout=120) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:") and '"verdict"' in line:
                    return

    thread = threading.Thread(target=follow)
    thread.start()
    return thread


def _view(client: httpx.Client) -> float:
    begun = time.monotonic()
    client.get(CHAPTER).raise_for_status()
    return (time.monotonic() - begun) * _MILLISECONDS


def measure(rounds: int) -> list[Row]:
    idle50, idle99, busy50, busy99 = (Series("ms") for _ in range(4))
    submit_idle, submit_busy = Series("ms"), Series("ms")
    with _site() as base:
        people = [_sign_in(base, *person) for person in PEOPLE]
        for _ in range(min(rounds, 4)):
            idle = [_view(people[0]) for _ in range(_VIEWS)]
            runs = []
            for client, series in zip(people, (submit_idle, submit_busy), strict=True):
                run, seconds = _submit(client)
                series.add(seconds * _MILLISECONDS)
                runs.append(_follow(client, run))
            busy = []
            while any(thread.is_alive() for thread in runs):
                busy += [_view(people[0]) for _ in range(5)]
            idle50.add(percentile(idle, 0.5))
            idle99.add(percentile(idle, 0.99))
            busy50.add(percentile(busy, 0.5))
            busy99.add(percentile(busy, 0.99))
    return [
        Row("chapter page p50, idle", idle50),
        Row("chapter page p99, idle", idle99),
        Row("chapter page p50, both cores grading", busy50),
        Row("chapter page p99, both cores grading", busy99),
        Row("chapter page p99, grading / idle", ratios(busy99, idle99), aim=3.0),
        Row("submit until received, idle", submit_idle),
        Row("submit until received, while another run is graded", submit_busy),
    ]
