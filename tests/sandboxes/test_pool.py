"""The pool over fakes: who waits, who is next, and what becomes of a sandbox whose client has gone."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandboxes import reaper
from sandboxes.interface import Handle, Progress, Spec, StartFailed, Unavailable
from sandboxes.pool import client, messages, stock
from sandboxes.pool.admission import Admission
from sandboxes.pool.daemon import AlreadyServed, Daemon
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
    _release: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> Client:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            with client.lease(self.spec, self.positions.append) as self.handle:
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
            known = _known()
            begun.append(Client(spec).begin())
            await_true(lambda: _known() > known, 5, "the pool knows the next client")  # noqa: B023
        yield begun
    finally:
        for one in begun:
            one.release()


def _known() -> int:
    status = client.status()
    assert status is not None
    return status["leased"] + status["queued"]


def _status(name: str) -> int:
    status = client.status()
    return status[name] if status else -1


def _fake(memory: int = GIB) -> Spec:
    return Spec("fake", memory)


def _say(text: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(messages.socket_path()))
        connection.sendall(text)
        with contextlib.suppress(ConnectionResetError):
            return connection.recv(4096)
    return b""


def test_it_works(pool: Pool) -> None:
    heard: list[Progress] = []
    with client.lease(_fake(), on_progress=heard.append) as handle:
        assert pool.fake.live == {handle.id}
        assert _status("leased") == 1
    await_true(lambda: _status("leased") == 0, 5, "the lease has ended")
    assert pool.fake.closed == [handle.id]
    assert [p.step for p in heard] == ["pretend", "pretend"]


def test_the_socket_is_its_owner_s(pool: Pool) -> None:
    assert messages.socket_path().stat().st_mode & 0o777 == 0o600


def test_a_sandbox_is_never_used_again(pool: Pool) -> None:
    seen = set()
    for _ in range(3):
        with client.lease(_fake()) as handle:
            seen.add(handle.id)
    assert len(seen) == 3


def test_two_leases_at_once_get_two_sandboxes(pool: Pool) -> None:
    with client.lease(_fake()) as one, client.lease(_fake()) as other:
        assert one.id != other.id
        assert pool.fake.live == {one.id, other.id}


def test_first_come_first_served_with_honest_positions(pool: Pool) -> None:
    with clients(*[_fake()] * 5) as (one, two, three, four, five):
        assert one.leased.wait(5)
        assert two.leased.wait(5)
        await_true(lambda: five.positions == [3], 5, "the last is third in the queue")
        assert (three.positions, four.positions) == ([1], [2])
        one.release()
        assert three.leased.wait(5)
        await_true(lambda: five.positions == [3, 2], 5, "the last moves up")
        assert not four.leased.is_set()
        two.release()
        assert four.leased.wait(5)
        three.release()
        assert five.leased.wait(5)
        assert five.positions == [3, 2, 1]
        assert (one.positions, two.positions) == ([], [])


def test_one_that_leaves_the_queue_lets_the_others_move_up(pool: Pool) -> None:
    with clients(_fake(), _fake()) as (one, _), socket.socket(socket.AF_UNIX) as impatient:
        impatient.connect(str(messages.socket_path()))
        messages.send(impatient, lease=messages.spec_json(_fake()))
        await_true(lambda: _status("queued") == 1, 5, "it queues")
        with clients(_fake()) as (patient,):
            await_true(lambda: patient.positions == [2], 5, "it is behind")
            impatient.close()
            await_true(lambda: patient.positions == [2, 1], 5, "it is next")
            one.release()
            assert patient.leased.wait(5)


def test_memory_holds_back_what_does_not_fit(pool: Pool) -> None:
    pool.memory[0] = 3 * GIB
    with clients(_fake(GIB), _fake(4 * GIB), _fake(GIB)) as (first, big, small):
        assert first.leased.wait(5)
        # the small one would fit, but it came later
        await_true(lambda: (big.positions, small.positions) == ([1], [2]), 5, "both wait, in order")
        pool.memory[0] = 6 * GIB
        assert big.leased.wait(5)


def test_alone_one_is_let_in_however_little_memory_there_is(pool: Pool) -> None:
    pool.memory[0] = 0
    with client.lease(_fake(4 * GIB)) as handle:
        assert handle.id in pool.fake.live


def test_memory_that_was_promised_counts_before_it_is_used(pool: Pool) -> None:
    pool.memory[0] = 6 * GIB
    with clients(Spec("slow", 3 * GIB), _fake(3 * GIB)) as (starting, second):
        assert pool.slow.begun.acquire(timeout=5)
        await_true(lambda: second.positions == [1], 5, "it waits while the first may still take its share")
        assert not second.leased.is_set()
        pool.slow.go.set()
        assert second.leased.wait(5)
        assert starting.leased.wait(5)


def test_a_client_that_dies_gives_its_sandbox_back(pool: Pool) -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(messages.socket_path()))
    messages.send(connection, lease=messages.spec_json(_fake()))
    await_true(lambda: pool.fake.live, 5, "it has its sandbox")
    connection.close()
    await_true(lambda: not pool.fake.live, 5, "its sandbox is destroyed")


def test_a_client_that_dies_while_its_sandbox_starts(pool: Pool) -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(messages.socket_path()))
    messages.send(connection, lease=messages.spec_json(Spec("slow")))
    assert pool.slow.begun.acquire(timeout=5)
    connection.close()
    pool.slow.go.set()
    await_true(lambda: _status("leased") == 0, 5, "its place is free again")
    assert not list(pool.slow.find())


def test_spares_are_kept_frozen_and_refilled(pool: Pool) -> None:
    assert client.keep_warm(_fake(), 2)
    await_true(lambda: _status("warm") == 2, 5, "two spares")
    spares = list(pool.fake.started)
    assert all(pool.fake.sandboxes[id_].frozen for id_ in spares)
    with client.lease(_fake()) as handle:
        assert handle.id == spares[0]
        assert not pool.fake.sandboxes[handle.id].frozen
        assert _status("warm") == 1
    await_true(lambda: _status("warm") == 2, 5, "refilled when the run has ended")
    assert len(pool.fake.started) == 3


def test_nothing_is_started_ahead_while_a_run_goes_on(pool: Pool) -> None:
    with client.lease(_fake()):
        client.keep_warm(_fake(), 1)
        assert _status("warm") == 0
        assert len(pool.fake.started) == 1
    await_true(lambda: _status("warm") == 1, 5, "afterwards there is time")


def test_a_spare_serves_its_own_spec_only(pool: Pool) -> None:
    client.keep_warm(_fake(), 1)
    await_true(lambda: _status("warm") == 1, 5, "a spare")
    (spare,) = pool.fake.started
    with client.lease(Spec("fake", GIB, {"manifests": ["crd.yaml"]})) as handle:
        assert handle.id != spare
    assert _status("warm") == 1


def test_a_spare_that_died_is_not_leased(pool: Pool) -> None:
    client.keep_warm(_fake(), 1)
    await_true(lambda: _status("warm") == 1, 5, "a spare")
    (spare,) = pool.fake.started
    pool.fake.sandboxes[spare].dead = True
    with client.lease(_fake()) as handle:
        assert handle.id != spare
    assert spare in pool.fake.closed
    await_true(lambda: _status("warm") == 1, 5, "and it is replaced")


def test_a_spare_that_died_is_replaced_before_anybody_asks(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "_LOOK_SECONDS", 0.05)
    client.keep_warm(_fake(), 1)
    await_true(lambda: _status("warm") == 1, 5, "a spare")
    client.keep_warm(_fake(), 1)
    (spare,) = pool.fake.started
    pool.fake.sandboxes[spare].dead = True
    await_true(lambda: spare in pool.fake.closed and _status("warm") == 1, 5, "another spare")


def test_spares_that_never_come_up_do_not_end_the_pool(pool: Pool) -> None:
    client.keep_warm(Spec("never"), 1)
    client.keep_warm(Spec("nothing"), 1)
    with client.lease(_fake()) as handle:
        assert handle.id in pool.fake.live


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("never", StartFailed, "readiness"),
        ("missing", Unavailable, "unicorn"),
        ("nothing", Unavailable, "nothing"),
    ],
)
def test_why_there_is_none_is_told(pool: Pool, kind: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words), client.lease(Spec(kind)):
        pass
    await_true(lambda: _status("leased") == 0, 5, "its place is free again")


def test_a_provider_with_a_bug_is_told_and_survived(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(pool.fake, "start", start)
    with pytest.raises(StartFailed, match="a bug"), client.lease(_fake()):
        pass
    await_true(lambda: _status("leased") == 0, 5, "its place is free again")


@pytest.mark.parametrize(
    "text",
    [
        b"\n",
        b"hello\n",
        b"[]\n",
        b'{"lease": 7}\n',
        b'{"lease": {"kind": 1}}\n',
        b'{"lease": {"kind": "fake", "memory_bytes": Infinity}}\n',
        b'{"warm": {"kind": "fake", "memory_bytes": 1}, "count": "many"}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_what_is_no_message_ends_its_connection_only(pool: Pool, text: bytes) -> None:
    assert _say(text) == b""
    assert _status("leased") == 0


def test_an_unknown_message_is_answered(pool: Pool) -> None:
    assert b"unknown message" in _say(b'{"hello": 1}\n')


def test_a_second_daemon_is_refused(pool: Pool) -> None:
    with pytest.raises(AlreadyServed):
        Daemon(messages.socket_path(), Providers()).serve()
    with client.lease(_fake()) as handle:
        assert handle.id in pool.fake.live


def _stop(pool: Pool, ended: Callable[[], object]) -> None:
    pool.daemon.stop()
    await_true(ended, 10, "the pool has ended")


def test_it_tells_what_ails_a_leased_sandbox(pool: Pool) -> None:
    with client.lease(Spec("fake")) as handle:
        assert client.ailments(handle) == {}
        pool.fake.sandboxes[handle.id].dead = True
        assert client.ailments(handle) == {"sandbox": "ended"}
    await_true(lambda: not pool.fake.live, 5, "it is given back")
    assert client.ailments(handle, deep=True) == {"sandbox": "ended"}


def test_a_pool_that_is_gone_ails_every_sandbox(own_run: Path) -> None:
    assert client.ailments(Handle("fake", "fake-1", "boot")) == {"pool": "ended"}


def test_stopping_ends_every_sandbox(pool: Pool) -> None:
    client.keep_warm(_fake(), 1)
    await_true(lambda: _status("warm") == 1, 5, "a spare")
    with clients(_fake(), _fake(), _fake()) as (one, two, waiting):
        assert one.leased.wait(5)
        assert two.leased.wait(5)
        _stop(pool, lambda: not messages.socket_path().exists() and not pool.fake.live)
        await_true(lambda: isinstance(waiting.error, StartFailed), 5, "who waits is told")


def test_stopping_while_one_starts(pool: Pool) -> None:
    with clients(Spec("slow")) as (waiting,):
        assert pool.slow.begun.acquire(timeout=5)
        pool.daemon.stop()
        pool.slow.go.set()
        await_true(lambda: isinstance(waiting.error, StartFailed), 10, "who waits is told")
    await_true(lambda: not list(pool.slow.find()), 10, "what was half started is gone")
    assert not pool.slow.started


def test_stopping_while_a_spare_starts(pool: Pool) -> None:
    client.keep_warm(Spec("slow"), 1)
    assert pool.slow.begun.acquire(timeout=5)
    pool.daemon.stop()
    pool.slow.go.set()
    await_true(lambda: not list(pool.slow.find()), 10, "what was half started is gone")


def test_without_a_daemon_one_is_started_here(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    monkeypatch.setattr(client, "provider", Providers(fake))
    assert client.status() is None
    assert not client.keep_warm(_fake(), 1)
    with client.lease(_fake()) as handle:
        assert fake.live == {handle.id}
    assert not fake.live
