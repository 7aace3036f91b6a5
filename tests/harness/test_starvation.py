"""What is made of how long a sandbox waited for a processor."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness import pace
from labs.harness.starvation import Starvation, slowness
from sandboxes.interface import Handle, RunDelay

OLD, NEW = Handle("fake", "f-1", "boot"), Handle("fake", "f-2", "boot")


@dataclass
class Host:
    """The wall's clock, turned by hand, and how each sandbox ran and waited."""

    at: float = 50.0
    delays: dict[str, RunDelay | None] = field(
        default_factory=lambda: {OLD.id: RunDelay(9.0, 40.0), NEW.id: RunDelay(0.0, 0.0)}
    )
    told: dict[str, float] = field(default_factory=dict)

    def watch(self) -> Starvation:
        handles = {"6.1": OLD, "6.12": NEW}
        return Starvation(
            handles, self.told.__setitem__, lambda handle: self.delays[handle.id], lambda: self.at
        )

    def live(self, watch: Starvation, samples: int, ran: float, waited: float) -> None:
        """The older machine runs and waits for such shares of the time, the newer one rests."""
        for _ in range(samples):
            self.at += 0.5
            before = self.delays[OLD.id]
            if before is not None:
                self.delays[OLD.id] = before + RunDelay(0.5 * ran, 0.5 * waited)
            watch.sample()


def test_it_works() -> None:
    host = Host()
    watch = host.watch()
    host.live(watch, 6, ran=0.125, waited=0.875)
    assert host.told == {"6.1": pytest.approx(8.0 / pace.USUAL), "6.12": 1.0}


def test_what_is_usual_does_not_count() -> None:
    host = Host()
    host.live(host.watch(), 6, ran=0.5, waited=0.5)
    assert host.told["6.1"] == 1.0


def test_who_rests_between_is_as_slow_as_who_does_not() -> None:
    host = Host()
    host.live(host.watch(), 6, ran=0.05, waited=0.35)
    assert host.told["6.1"] == pytest.approx(8.0 / pace.USUAL)


def test_who_hardly_waits_is_not_slow_however_little_it_runs() -> None:
    host = Host()
    host.live(host.watch(), 6, ran=0.001, waited=0.03)
    assert host.told["6.1"] == 1.0


def test_it_follows_within_two_seconds() -> None:
    host = Host()
    watch = host.watch()
    host.live(watch, 6, ran=1.0, waited=0.0)
    host.live(watch, 4, ran=0.125, waited=0.875)
    assert host.told["6.1"] == pytest.approx(4.0)
    host.live(watch, 4, ran=1.0, waited=0.0)
    assert host.told["6.1"] == 1.0


def test_what_nobody_can_say_is_no_measurement() -> None:
    host = Host()
    watch = host.watch()
    host.live(watch, 3, ran=0.125, waited=0.875)
    kept, host.delays[OLD.id] = host.delays[OLD.id], None
    host.told.clear()
    host.live(watch, 3, ran=0.0, waited=0.0)
    assert set(host.told) == {"6.12"}
    host.delays[OLD.id] = kept
    host.live(watch, 1, ran=0.0, waited=0.0)
    assert set(host.told) == {"6.12"}, "one look is none"


def test_who_never_ran_has_all_the_time_that_there_is() -> None:
    assert slowness(2.0, RunDelay(0.0, 2.0)) == pace.MOST


@given(*[st.floats(0.0, 1e9)] * 3)
def test_it_is_always_a_factor(lived: float, ran: float, waited: float) -> None:
    assert 1.0 <= slowness(lived, RunDelay(ran, waited)) <= pace.MOST


def test_it_asks_while_its_block_runs_and_no_longer() -> None:
    asked = threading.Semaphore(0)

    def delay(handle: Handle) -> RunDelay:
        asked.release()
        return RunDelay(0.0, 0.0)

    before = set(threading.enumerate())
    with Starvation({"": OLD}, lambda name, factor: None, delay):
        assert asked.acquire(timeout=20)
        assert asked.acquire(timeout=20)
    assert not {t for t in set(threading.enumerate()) - before if t.name == "starvation"}


def test_without_a_sandbox_there_is_nothing_to_ask() -> None:
    def delay(handle: Handle) -> RunDelay:
        raise AssertionError(handle)

    before = set(threading.enumerate())
    with Starvation({}, lambda name, factor: None, delay):
        assert not set(threading.enumerate()) - before
