"""A pool over fakes in a thread of this process, and clients that want something of it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandboxes import reaper
from sandboxes.interface import Handle, Spec, StartFailed, Unavailable
from sandboxes.pool import client, messages
from sandboxes.pool.admission import Admission
from sandboxes.pool.daemon import Daemon
from tests.sandboxes.fakes import Dies, Fake, Missing, Never, Providers, Slow
from tests.sandboxes.machine import await_true

GIB = 1 << 30
PLENTY = 64 * GIB


@dataclass
class Pool:
    """A daemon in a thread of this process, and what it serves."""

    daemon: Daemon
    fake: Fake
    slow: Slow
    dies: Dies
    memory: list[int]


@pytest.fixture
def pool(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    # a reaper belongs to the machine: other tests' sandboxes are not this pool's business
    monkeypatch.setattr(reaper, "sweep", list)
    fake, slow, dies, memory = Fake(), Slow(), Dies(), [PLENTY]
    providers = Providers(fake, slow, dies, Never(), Missing())
    daemon = Daemon(messages.socket_path(), providers, Admission(places=2, memory=lambda: memory[0]))
    thread = threading.Thread(target=daemon.serve)
    thread.start()
    try:
        await_true(messages.socket_path().exists, 5, "the pool listens")
        yield Pool(daemon, fake, slow, dies, memory)
    finally:
        slow.go.set()
        daemon.stop()
        thread.join(20)
        assert not thread.is_alive()
    assert not messages.socket_path().exists()
    assert not fake.live | slow.live | dies.live


@dataclass
class Client:
    """Leases in a thread; `release` ends the lease."""

    spec: Spec
    positions: list[int] = field(default_factory=list)
    handle: Handle | None = None
    error: BaseException | None = None
    leased: threading.Event = field(default_factory=threading.Event)
    giving_up: client.GivingUp = field(default_factory=client.GivingUp)
    _release: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> Client:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            with client.lease(self.spec, self.positions.append, giving_up=self.giving_up) as self.handle:
                self.leased.set()
                self._release.wait(30)
        except (StartFailed, Unavailable, OSError) as error:
            self.error = error

    def release(self) -> None:
        self._release.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def clients(*specs: Spec) -> Iterator[list[Client]]:
    """Clients that come one after the other, each only when the one before is known to the pool."""
    begun: list[Client] = []
    try:
        for spec in specs:
            before = known()
            begun.append(Client(spec).begin())
            await_true(lambda: known() > before, 5, "the pool knows the next client")  # noqa: B023
        yield begun
    finally:
        for one in begun:
            one.release()


def known() -> int:
    status = client.status()
    assert status is not None
    return status["leased"] + status["queued"]


def status(name: str) -> int:
    status = client.status()
    return status[name] if status else -1


def fake_spec(memory: int = GIB) -> Spec:
    return Spec("fake", memory)


def say(text: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(messages.socket_path()))
        connection.sendall(text)
        with contextlib.suppress(ConnectionResetError):
            return connection.recv(4096)
    return b""
