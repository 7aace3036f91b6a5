"""The pool over fakes: who waits, who is next, and what becomes of a sandbox whose client has gone."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from sandboxes.interface import Handle, Progress, Spec, StartFailed, Unavailable
from sandboxes.pool import client, messages
from sandboxes.pool.daemon import AlreadyServed, Daemon
from tests.sandboxes.fakes import Providers
from tests.sandboxes.machine import await_true
from tests.sandboxes.pooling import GIB, Pool, clients, fake_spec, say, status


def test_it_works(pool: Pool) -> None:
    heard: list[Progress] = []
    with client.lease(fake_spec(), on_progress=heard.append) as handle:
        assert pool.fake.live == {handle.id}
        assert status("leased") == 1
    await_true(lambda: status("leased") == 0, 5, "the lease has ended")
    assert pool.fake.closed == [handle.id]
    assert [p.step for p in heard] == ["pretend", "pretend"]


def test_the_socket_is_its_owner_s(pool: Pool) -> None:
    assert messages.socket_path().stat().st_mode & 0o777 == 0o600


def test_a_sandbox_is_never_used_again(pool: Pool) -> None:
    seen = set()
    for _ in range(3):
        with client.lease(fake_spec()) as handle:
            seen.add(handle.id)
    assert len(seen) == 3


def test_two_leases_at_once_get_two_sandboxes(pool: Pool) -> None:
    with client.lease(fake_spec()) as one, client.lease(fake_spec()) as other:
        assert one.id != other.id
        assert pool.fake.live == {one.id, other.id}


def test_first_come_first_served_with_honest_positions(pool: Pool) -> None:
    with clients(*[fake_spec()] * 5) as (one, two, three, four, five):
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
    with clients(fake_spec(), fake_spec()) as (one, _), socket.socket(socket.AF_UNIX) as impatient:
        impatient.connect(str(messages.socket_path()))
        messages.send(impatient, lease=messages.spec_json(fake_spec()))
        await_true(lambda: status("queued") == 1, 5, "it queues")
        with clients(fake_spec()) as (patient,):
            await_true(lambda: patient.positions == [2], 5, "it is behind")
            impatient.close()
            await_true(lambda: patient.positions == [2, 1], 5, "it is next")
            one.release()
            assert patient.leased.wait(5)


def test_memory_holds_back_what_does_not_fit(pool: Pool) -> None:
    pool.memory[0] = 3 * GIB
    with clients(fake_spec(GIB), fake_spec(4 * GIB), fake_spec(GIB)) as (first, big, small):
        assert first.leased.wait(5)
        # the small one would fit, but it came later
        await_true(lambda: (big.positions, small.positions) == ([1], [2]), 5, "both wait, in order")
        pool.memory[0] = 6 * GIB
        assert big.leased.wait(5)


def test_alone_one_is_let_in_however_little_memory_there_is(pool: Pool) -> None:
    pool.memory[0] = 0
    with client.lease(fake_spec(4 * GIB)) as handle:
        assert handle.id in pool.fake.live


def test_whoever_holds_all_that_is_out_does_not_wait_for_itself(pool: Pool) -> None:
    """A run on two kernels, on a machine with memory for one: it would wait for ever."""
    pool.memory[0] = 0
    with client.lease(fake_spec()) as one, client.lease(fake_spec(), beside=1) as two:
        assert {one.id, two.id} <= pool.fake.live


def test_memory_that_was_promised_counts_before_it_is_used(pool: Pool) -> None:
    pool.memory[0] = 6 * GIB
    with clients(Spec("slow", 3 * GIB), fake_spec(3 * GIB)) as (starting, second):
        assert pool.slow.begun.acquire(timeout=5)
        await_true(lambda: second.positions == [1], 5, "it waits while the first may still take its share")
        assert not second.leased.is_set()
        pool.slow.go.set()
        assert second.leased.wait(5)
        assert starting.leased.wait(5)


def test_a_client_that_dies_gives_its_sandbox_back(pool: Pool) -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(messages.socket_path()))
    messages.send(connection, lease=messages.spec_json(fake_spec()))
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
    await_true(lambda: status("leased") == 0, 5, "its place is free again")
    assert not list(pool.slow.find())


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
    await_true(lambda: status("leased") == 0, 5, "its place is free again")


def test_a_provider_with_a_bug_is_told_and_survived(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(pool.fake, "start", start)
    with pytest.raises(StartFailed, match="a bug"), client.lease(fake_spec()):
        pass
    await_true(lambda: status("leased") == 0, 5, "its place is free again")


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
    assert say(text) == b""
    assert status("leased") == 0


def test_an_unknown_message_is_answered(pool: Pool) -> None:
    assert b"unknown message" in say(b'{"hello": 1}\n')


def test_a_second_daemon_is_refused(pool: Pool) -> None:
    with pytest.raises(AlreadyServed):
        Daemon(messages.socket_path(), Providers()).serve()
    with client.lease(fake_spec()) as handle:
        assert handle.id in pool.fake.live


def test_who_gives_up_waiting_frees_the_place_in_line(pool: Pool) -> None:
    with clients(*[fake_spec()] * 4) as (_, _, third, last):
        await_true(lambda: last.positions == [2], 5, "the last waits behind another")
        third.giving_up.set()
        await_true(lambda: last.positions == [2, 1], 5, "the last is next")
        await_true(lambda: third.error is not None, 5, "the one before it has heard")
        assert isinstance(third.error, Unavailable)
        assert status("queued") == 1


def test_who_gave_up_before_asking_gets_nothing(pool: Pool) -> None:
    giving_up = client.GivingUp()
    giving_up.set()
    with pytest.raises(Unavailable, match="given up"), client.lease(fake_spec(), giving_up=giving_up):
        pass
    await_true(lambda: status("leased") == 0, 5, "nothing is leased")


def test_a_lease_outlives_giving_up(pool: Pool) -> None:
    giving_up = client.GivingUp()
    with client.lease(fake_spec(), giving_up=giving_up) as handle:
        giving_up.set()
        assert pool.fake.live == {handle.id}
        assert client.ailments(handle) == {}


def test_a_daemon_that_hangs_does_not_hang_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PROMPT_SECONDS", 0.2)
    monkeypatch.setattr(client, "_AILMENTS_SECONDS", 0.2)
    path = messages.socket_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen(5)
        for ask in (client.status, lambda: client.keep_warm(fake_spec(), 1)):
            with pytest.raises(TimeoutError):
                ask()
        assert client.ailments(Handle("fake", "f-1", "boot", {})) == {"pool": "ended"}
    path.unlink()
