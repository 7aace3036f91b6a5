"""What is made of how long a sandbox waited for a processor."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness import pace
from labs.harness.starvation import Starvation, slowness
from sandboxes.interface import Handle

OLD, NEW = Handle("fake", "f-1", "boot"), Handle("fake", "f-2", "boot")


@dataclass
class Host:
    """The wall's clock, turned by hand, and for how long each sandbox has waited."""

    at: float = 50.0
    waited: Counter[str] = field(default_factory=Counter)
    told: dict[str, float] = field(default_factory=dict)

    def watch(self) -> Starvation:
        handles = {"6.1": OLD, "6.12": NEW}
        return Starvation(
            handles, self.told.__setitem__, lambda handle: self.waited[handle.id], lambda: self.at
        )

    def live(self, watch: Starvation, samples: int, share: float) -> None:
        """The older machine waits for such a share of the time, the newer one never."""
        for _ in range(samples):
            self.at += 0.5
            self.waited[OLD.id] += 0.5 * share  # type: ignore[assignment]
            watch.sample()


def test_it_works() -> None:
    host = Host()
    watch = host.watch()
    host.live(watch, 6, share=0.75)
    assert host.told == {"6.1": pytest.approx(4.0 / pace.USUAL), "6.12": 1.0}


def test_what_is_usual_does_not_count() -> None:
    host = Host()
    host.live(host.watch(), 6, share=0.5)
    assert host.told["6.1"] == 1.0


def test_it_follows_within_two_seconds() -> None:
    host = Host()
    watch = host.watch()
    host.live(watch, 6, share=0.0)
    host.live(watch, 4, share=0.875)
    assert host.told["6.1"] == pytest.approx(4.0)
    host.live(watch, 4, share=0.0)
    assert host.told["6.1"] == 1.0


def test_who_never_ran_has_all_the_time_that_there_is() -> None:
    assert slowness(0.0, 0.0, 2.0, 2.0) == pytest.approx(pace.MOST)


@given(*[st.floats(0.0, 1e9)] * 4)
def test_it_is_always_a_factor(began: float, waited: float, now: float, waits: float) -> None:
    assert 1.0 <= slowness(began, waited, now, waits) <= pace.MOST + 1e-9


def test_it_asks_while_its_block_runs_and_no_longer() -> None:
    asked = threading.Semaphore(0)

    def delay(handle: Handle) -> float:
        asked.release()
        return 0.0

    before = set(threading.enumerate())
    with Starvation({"": OLD}, lambda name, factor: None, delay):
        assert asked.acquire(timeout=20)
        assert asked.acquire(timeout=20)
    assert not {t for t in set(threading.enumerate()) - before if t.name == "starvation"}


def test_without_a_sandbox_there_is_nothing_to_ask() -> None:
    with Starvation({}, lambda name, factor: None):
        pass
