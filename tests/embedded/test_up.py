"""`manage.py up`: everything comes up, and nothing of it is left, however it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.commanded import Commanded, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


class Up(Commanded):
    """One `manage.py up`."""

    def __init__(self, home: Path, port: int) -> None:
        self.port = port
        words = ("up", "--port", str(port), "--workers", "1")
        ours = {
            name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
        }
        super().__init__(home, words, ours)

    def wait_ready(self) -> None:
        def ready() -> bool:
            return any(line.startswith("ready at") for line in self.lines)

        eventually(lambda: ready() or self.process.poll() is not None, 420.0)
        assert ready(), self.lines

    def left(self) -> list[str]:
        """The processes that were started with our folders."""
        found = []
        for folder in self.started():
            with contextlib.suppress(OSError):
                found.append(f"{folder.name} {(folder / 'comm').read_text().strip()}")
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
