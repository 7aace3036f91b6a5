"""Events on their way to Redis: grading never waits for it, and an ended run does not stay in it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from made import a_run
from pytest_django import Settings

from labs.harness.events import Emitter
from lastmile.accounts.models import User
from lastmile.practice import lifecycle, streams
from lastmile.practice.work import Attempt

pytestmark = pytest.mark.usefixtures("fake_labs")


@pytest.fixture
def attempt(owner: User) -> Attempt:
    claim = lifecycle.claim(a_run(owner).pk, 0, "worker")
    assert claim is not None
    return Attempt(claim)


@pytest.fixture
def silent_redis(settings: Settings) -> Iterator[None]:
    """One that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        streams.client.cache_clear()
        yield
    streams.client.cache_clear()


@pytest.mark.usefixtures("silent_redis")
def test_grading_does_not_wait_for_a_redis_that_hangs(attempt: Attempt) -> None:
    sender = threading.Thread(target=attempt._send, daemon=True)
    sender.start()
    emitter = Emitter(attempt._emit)
    slowest = 0.0
    for _ in range(5):
        begun = time.monotonic()
        emitter.emit("log", stream="operator", text="x")
        slowest = max(slowest, time.monotonic() - begun)
        attempt._ended.wait(0.1)
    assert slowest < 1
    assert len(attempt.events) == 5
    assert attempt.sent == 0
    attempt._ended.set()
    with attempt._news:
        attempt._news.notify_all()
    sender.join(10)
    assert not sender.is_alive()


def test_events_are_sent_in_order_but_the_verdict_waits(attempt: Attempt) -> None:
    emitter = Emitter(attempt._emit)
    emitter.emit("state", state="building")
    emitter.emit("log", stream="operator", text="字 \ufffd")
    emitter.emit("verdict", verdict="pass")
    assert attempt._forward()
    assert attempt.sent == 2
    key = streams.run_key(attempt.claim.run_id, attempt.claim.attempt)
    rows = streams.client().xrange(key)
    assert [fields[b"event"].decode().count("字") for _, fields in rows] == [0, 1]  # type: ignore[union-attr]
    assert attempt._forward(settled=True)
    assert attempt.sent == 3


def test_what_has_ended_does_not_stay_for_an_hour(attempt: Attempt) -> None:
    Emitter(attempt._emit).emit("state", state="building")
    attempt._forward()
    key = streams.run_key(attempt.claim.run_id, attempt.claim.attempt)
    assert streams.client().ttl(key) > streams.KEEP_ENDED_SECONDS  # type: ignore[operator]
    streams.let_go(attempt.claim.run_id, attempt.claim.attempt)
    assert 0 < streams.client().ttl(key) <= streams.KEEP_ENDED_SECONDS  # type: ignore[operator]
