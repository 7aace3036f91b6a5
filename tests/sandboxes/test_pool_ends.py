"""The end of a pool over fakes, and what ails a sandbox."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandboxes.interface import Handle, RunDelay, Spec, StartFailed
from sandboxes.pool import client, daemon, messages
from tests.sandboxes.fakes import Fake, Providers
from tests.sandboxes.machine import await_true
from tests.sandboxes.pooling import Pool, clients, fake_spec, status


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


def test_a_provider_need_not_know_how_long_a_sandbox_was_kept_waiting() -> None:
    told: Any = object()
    assert client.run_delay_of(told) is None


def test_it_tells_how_long_a_leased_sandbox_was_kept_waiting(pool: Pool) -> None:
    with client.lease(Spec("fake")) as handle:
        assert client.run_delay(handle) is None, "its owner cannot say"
        pool.fake.sandboxes[handle.id].delay = RunDelay(0.5, 2.5)
        assert client.run_delay(handle) == RunDelay(0.5, 2.5)
    await_true(lambda: not pool.fake.live, 5, "it is given back")
    assert client.run_delay(handle) is None


def test_a_pool_that_is_gone_ails_every_sandbox(own_run: Path) -> None:
    assert client.ailments(Handle("fake", "fake-1", "boot")) == {"pool": "ended"}


def test_stopping_ends_every_sandbox(pool: Pool) -> None:
    client.keep_warm(fake_spec(), 1)
    await_true(lambda: status("warm") == 1, 5, "a spare")
    with clients(fake_spec(), fake_spec(), fake_spec()) as (one, two, waiting):
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
    assert not client.keep_warm(fake_spec(), 1)
    with client.lease(fake_spec()) as handle:
        assert fake.live == {handle.id}
    assert not fake.live


def test_a_connection_that_does_not_end_is_told_with_where_it_is(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(daemon, "_END_SECONDS", 0.05)
    go, stuck = threading.Event(), threading.Event()

    def answer(*_: object) -> None:
        stuck.set()
        go.wait(20)

    monkeypatch.setattr(pool.daemon, "_answer", answer)
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(messages.socket_path()))
        asking.sendall(b'{"status": true}\n')
        assert stuck.wait(5)
        pool.daemon.stop()
        await_true(lambda: "a connection goes on" in caplog.text, 5, "it is told")
    assert "go.wait(20)" in caplog.text
    go.set()
