"""`manage.py work`: the pool and its workers are kept up, and end in order."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from lastmile import environment
from lastmile.embedded import programs
from lastmile.embedded.children import Child, Program
from lastmile.embedded.supervisor import Supervisor
from lastmile.embedded.work import Work
from tests.embedded.commanded import Commanded, eventually

# Ends half a second after it is told to, and says when it does.
SLOW = """
import signal, sys, time
def end(*_):
    time.sleep(0.5)
    print(sys.argv[1], "ends", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print(sys.argv[1], "begins", flush=True)
while True:
    signal.pause()
"""


class Working(Commanded):
    """One `manage.py work` with a broker, and nothing to start sandboxes with."""

    def __init__(self, home: Path) -> None:
        self.redis_url = f"unix://{environment.redis_socket()}?db=7"
        env = dict(os.environ) | {
            "LASTMILE_CACHE": str(home / "cache"),
            "DATABASE_URL": "postgresql://lastmile:secret@127.0.0.1:1/lastmile",
            "REDIS_URL": self.redis_url,
            "LASTMILE_SECRET_KEY": "of this test",
        }
        super().__init__(home, ("work", "--workers", "2"), env)

    def serves(self) -> bool:
        with redis.Redis.from_url(self.redis_url) as client:
            return bool(client.exists("served:build"))

    def pids(self, word: str = "") -> list[int]:
        """Of the processes below it with `word` on their command line."""
        found = []
        for folder in self.started():
            with contextlib.suppress(OSError):
                if word.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def output(self) -> str:
        return "\n".join(self.lines[-40:])


@pytest.fixture
def working(servers: None) -> Iterator[Working]:
    home = Path(tempfile.mkdtemp(prefix="lm-work-"))
    started = Working(home)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.wait_ended()
    eventually(lambda: not started.pids(), told=started.output)
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.system
@pytest.mark.timeout(900)
def test_it_works(working: Working) -> None:
    """Up; what was killed comes back; down, and nothing stays."""
    eventually(working.serves, 300.0, told=working.output)
    for word in ("grader-1@", "grader-2@", "sandboxes.pool"):
        eventually(lambda word=word: working.pids(word), 300.0, told=working.output)
        (before,) = working.pids(word)
        os.kill(before, signal.SIGKILL)
        eventually(
            lambda word=word, before=before: set(working.pids(word)) - {before},
            told=working.output,
        )
    assert sum(" ended with -9, starting it again" in line for line in working.lines) == 3
    (pool,) = working.pids("sandboxes.pool")
    assert b"secret" not in Path(f"/proc/{pool}/environ").read_bytes()
    working.process.send_signal(signal.SIGTERM)
    assert working.wait_ended() == 0
    assert working.lines[-1] == "stopped"
    assert not [line for line in working.lines if "was killed" in line]
    assert working.pids() == []


@pytest.mark.system
@pytest.mark.timeout(900)
def test_nothing_outlives_a_killed_supervisor(working: Working) -> None:
    eventually(lambda: len(working.pids()) >= 3, 300.0, told=working.output)
    working.process.kill()
    eventually(lambda: not working.pids(), told=working.output)


@pytest.mark.system
@pytest.mark.timeout(900)
def test_a_second_one_is_refused(working: Working) -> None:
    """As when compose is told to scale it: two pools would share one socket and not each other's processes."""
    lock = working.home / "run" / "work.lock"
    eventually(lambda: lock.exists() and lock.read_text(), 300.0, told=working.output)
    again = Working(working.home)
    assert again.wait_ended() == 1
    assert f"pid {working.process.pid} holds {lock}" in again.lines[-1]


class Ordered(Supervisor):
    """Two that use a third."""

    used_by_others = Work.used_by_others

    def _bring_up(self) -> None:
        for name in ("pool", "worker-1", "worker-2"):
            child = self._start(Program(name, [sys.executable, "-c", SLOW, name], dict(os.environ)))
            eventually(lambda child=child, name=name: f"{name} begins" in child.log.read_text())
        os.kill(os.getpid(), signal.SIGTERM)


def test_the_pool_ends_after_the_workers(tmp_path: Path) -> None:
    said: list[str] = []
    Ordered(tmp_path / "lock", said.append, tmp_path).run()
    ended = {name: (tmp_path / f"{name}.log").stat().st_mtime for name in ("pool", "worker-1", "worker-2")}
    assert ended["pool"] >= max(ended["worker-1"], ended["worker-2"]) + 0.4
    assert said[-1] == "stopped"


def test_a_program_may_print_where_we_do(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    child = Child(Program("told", [sys.executable, "-c", code], dict(os.environ)), None)
    child.process.wait(30)
    assert sorted(capfd.readouterr().out.split()) == ["err", "out"]
    assert "above" in child.last_words()


@pytest.mark.parametrize(("told", "workers"), [("3", 3), ("", min(4, os.cpu_count() or 1))])
def test_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch, told: str, workers: int) -> None:
    monkeypatch.setenv("LASTMILE_WORKERS", told)
    assert programs.workers_here() == workers
