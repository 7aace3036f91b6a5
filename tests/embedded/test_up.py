"""`manage.py up`: everything comes up, and nothing of it is left, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def eventually(ask: Callable[[], bool], seconds: float = 30.0, told: Callable[[], object] = str) -> None:
    """`told` says more when it does not come true."""
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline, f"not within {seconds} s\n{told()}"
        time.sleep(0.05)


class Up:
    """One `manage.py up` with folders of its own."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.lines: list[str] = []
        self.ready = threading.Event()
        env = dict(os.environ) | {"LASTMILE_STATE": str(home / "state"), "LASTMILE_RUN": str(home / "run")}
        env.pop("DATABASE_URL", None)
        env.pop("REDIS_URL", None)
        command = [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(port), "--workers", "1"]
        self.process = subprocess.Popen(
            command, env=env, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("ready at"):
                self.ready.set()

    def wait_ready(self) -> None:
        eventually(lambda: self.ready.is_set() or self.process.poll() is not None, 420.0)
        assert self.ready.is_set(), self.lines

    def wait_ended(self) -> int:
        code = self.process.wait(120)
        self.reader.join()
        return code

    def left(self) -> list[str]:
        """The processes that were started with our folders."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
                if str(self.home).encode() in words and int(folder.name) != self.process.pid:
                    found.append(f"{folder.name} {(folder / 'comm').read_text().strip()}")
            except OSError:
                continue
        return found

    def report(self) -> str:
        """What is left, and the last that its logs say."""
        logs = sorted((self.home / "state" / "logs").glob("*.log"))
        tails = [f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs]
        return "\n".join([*self.left(), *tails])

    def mounts(self) -> list[str]:
        return [line for line in Path("/proc/mounts").read_text().splitlines() if str(self.home) in line]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="lm-up-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture
def up(home: Path, port: int) -> Iterator[Up]:
    started = Up(home, port)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.wait_ended()
    eventually(lambda: not started.left(), 60.0, told=started.report)


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        body: bytes = answer.read()
    return body


def test_it_works(up: Up) -> None:
    up.wait_ready()
    assert b"demo-learner" in _get(up.port, "/accounts/sign-in/")
    key = up.home / "state" / "secret_key"
    assert key.stat().st_mode & 0o777 == 0o600
    up.process.send_signal(signal.SIGTERM)
    assert up.wait_ended() == 0
    assert up.lines[-1] == "stopped"
    assert up.left() == []
    assert up.mounts() == []


def test_an_interrupt_ends_it_as_well(up: Up) -> None:
    up.wait_ready()
    up.process.send_signal(signal.SIGINT)
    assert up.wait_ended() == 0


def test_nothing_outlives_a_killed_supervisor(up: Up) -> None:
    up.wait_ready()
    assert len(up.left()) >= 5
    up.process.kill()
    up.process.wait()
    eventually(lambda: not up.left())
    again = Up(up.home, up.port)
    try:
        again.wait_ready()
    finally:
        again.process.send_signal(signal.SIGTERM)
        assert again.wait_ended() == 0


def test_what_ends_by_itself_is_started_again(up: Up) -> None:
    up.wait_ready()
    (postgres,) = (up.home / "state" / "postgres" / "postmaster.pid").read_text().splitlines()[:1]
    os.kill(int(postgres), signal.SIGKILL)
    eventually(lambda: any("postgres ended" in line for line in up.lines))

    def healthy() -> bool:
        try:
            return b'"postgresql": true' in _get(up.port, "/healthz")
        except OSError:
            return False

    eventually(healthy)


def test_a_taken_port_is_one_clear_line(home: Path, port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        refused = Up(home, port)
        assert refused.wait_ended() == 1
    (line,) = refused.lines
    assert f"127.0.0.1:{port} is taken" in line
    assert "PORT=" in line


def test_a_second_supervisor_is_refused(up: Up) -> None:
    up.wait_ready()
    refused = Up(up.home, up.port + 1)
    assert refused.wait_ended() == 1
    assert "already up" in refused.lines[-1]
    assert str(up.process.pid) in refused.lines[-1]


def test_it_can_be_stopped_while_it_starts(up: Up) -> None:
    eventually(lambda: any("PostgreSQL" in line for line in up.lines))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        up.process.send_signal(number)
    assert up.wait_ended() == 0
    assert up.lines[-1] == "stopped"
    eventually(lambda: not up.left())
