"""The spares of a pool over fakes: kept, refilled, and never handed out broken."""

from __future__ import annotations

import errno

import pytest

from sandboxes.interface import Spec
from sandboxes.pool import client, stock
from tests.sandboxes.machine import await_true
from tests.sandboxes.pooling import GIB, Pool, fake_spec, status


def test_spares_are_kept_frozen_and_refilled(pool: Pool) -> None:
    assert client.keep_warm(fake_spec(), 2)
    await_true(lambda: status("warm") == 2, 5, "two spares")
    spares = list(pool.fake.started)
    assert all(pool.fake.sandboxes[id_].frozen for id_ in spares)
    with client.lease(fake_spec()) as handle:
        assert handle.id == spares[0]
        assert not pool.fake.sandboxes[handle.id].frozen
        assert status("warm") == 1
    await_true(lambda: status("warm") == 2, 5, "refilled when the run has ended")
    assert len(pool.fake.started) == 3


def test_nothing_is_started_ahead_while_a_run_goes_on(pool: Pool) -> None:
    with client.lease(fake_spec()):
        client.keep_warm(fake_spec(), 1)
        with client.lease(Spec("fake", GIB, {"manifests": ["crd.yaml"]})):
            pass  # a start of another kind: the spare had as long to begin
        assert (status("warm"), status("starting")) == (0, 0)
        assert len(pool.fake.started) == 2
    await_true(lambda: status("warm") == 1, 5, "afterwards there is time")


def test_a_spare_serves_its_own_spec_only(pool: Pool) -> None:
    client.keep_warm(fake_spec(), 1)
    await_true(lambda: status("warm") == 1, 5, "a spare")
    (spare,) = pool.fake.started
    with client.lease(Spec("fake", GIB, {"manifests": ["crd.yaml"]})) as handle:
        assert handle.id != spare
    assert status("warm") == 1


def test_a_spare_that_died_is_not_leased(pool: Pool) -> None:
    client.keep_warm(fake_spec(), 1)
    await_true(lambda: status("warm") == 1, 5, "a spare")
    (spare,) = pool.fake.started
    pool.fake.sandboxes[spare].dead = True
    with client.lease(fake_spec()) as handle:
        assert handle.id != spare
    assert spare in pool.fake.closed
    await_true(lambda: status("warm") == 1, 5, "and it is replaced")


def test_a_spare_that_cannot_be_asked_is_closed(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pool has no descriptor left, say: nobody would have it in a list any more."""
    client.keep_warm(fake_spec(), 1)
    await_true(lambda: status("warm") == 1, 5, "a spare")
    (spare,) = pool.fake.started

    def alive() -> bool:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(pool.fake.sandboxes[spare], "alive", alive)
    with pytest.raises(OSError, match="too many"):
        pool.daemon.stock.take(fake_spec())
    assert spare in pool.fake.closed


def test_a_spare_that_stands_and_does_not_answer_is_closed_and_another_is_leased(pool: Pool) -> None:
    client.keep_warm(fake_spec(), 2)
    await_true(lambda: status("warm") == 2, 5, "two spares")
    first, second = pool.fake.started
    pool.fake.sandboxes[first].hangs = True
    assert pool.fake.sandboxes[first].standing()
    with client.lease(fake_spec()) as handle:
        assert handle.id == second
        assert pool.fake.sandboxes[second].alive()
        assert first in pool.fake.closed
    await_true(lambda: status("warm") == 2, 5, "both are replaced")


def test_where_no_spare_answers_a_sandbox_is_started(pool: Pool) -> None:
    client.keep_warm(fake_spec(), 2)
    await_true(lambda: status("warm") == 2, 5, "two spares")
    spares = set(pool.fake.started)
    for spare in spares:
        pool.fake.sandboxes[spare].hangs = True
    with client.lease(fake_spec()) as handle:
        assert handle.id not in spares
        assert pool.fake.sandboxes[handle.id].alive()
        assert spares <= set(pool.fake.closed)


def test_a_spare_that_died_is_replaced_before_anybody_asks(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "_LOOK_SECONDS", 0.05)
    client.keep_warm(fake_spec(), 1)
    await_true(lambda: status("warm") == 1, 5, "a spare")
    client.keep_warm(fake_spec(), 1)
    (spare,) = pool.fake.started
    pool.fake.sandboxes[spare].dead = True
    await_true(lambda: spare in pool.fake.closed and status("warm") == 1, 5, "another spare")


def test_spares_that_never_come_up_do_not_end_the_pool(pool: Pool) -> None:
    client.keep_warm(Spec("never"), 1)
    client.keep_warm(Spec("nothing"), 1)
    with client.lease(fake_spec()) as handle:
        assert handle.id in pool.fake.live
