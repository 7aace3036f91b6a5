"""How slow a machine is, told by its own clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness.guest_clock import USUAL, GuestClock
from sandboxes.vm.errors import Gone, Silent


@dataclass
class Machine:
    """Its clock and the wall's are turned by hand. `told`: all that was said of it."""

    wall: float = 1000.0
    uptime: float = 20.0
    silent: bool = False
    told: list[float] = field(default_factory=list)

    def ask(self, timeout: float) -> float:
        if self.silent:
            raise Silent("no answer")
        return self.uptime

    def clock(self) -> GuestClock:
        return GuestClock(self.ask, self.told.append, lambda: self.wall)

    def live(self, clock: GuestClock, samples: int, wall: float = 0.5, own: float = 0.5) -> None:
        for _ in range(samples):
            self.wall += wall
            self.uptime += own
            clock.sample()


def test_it_works() -> None:
    machine = Machine()
    machine.live(machine.clock(), 8)
    assert machine.told == [1.0] * 7


def test_a_machine_without_a_processor_is_slow() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.live(clock, 6)
    machine.live(clock, 6, own=0.1)
    assert machine.told[-1] == pytest.approx(5.0 / USUAL)
    machine.live(clock, 6)
    assert machine.told[-1] == pytest.approx(1.0)


def test_an_answer_that_comes_late_once_weighs_little() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.live(clock, 6)
    machine.live(clock, 1, wall=3.0)
    assert machine.told[-1] < 1.3


def test_what_emulating_takes_anyway_does_not_count() -> None:
    machine = Machine()
    machine.live(machine.clock(), 8, own=0.5 / 2.2)
    assert set(machine.told) == {1.0}


def test_a_clock_that_runs_ahead_shortens_nothing() -> None:
    machine = Machine()
    machine.live(machine.clock(), 5, own=2.0)
    assert set(machine.told) == {1.0}


def test_a_silent_machine_tells_nothing() -> None:
    machine = Machine(silent=True)
    clock = machine.clock()
    machine.live(clock, 5)
    machine.silent = False
    machine.live(clock, 1)
    assert machine.told == []
    machine.live(clock, 1)
    assert machine.told == [1.0]


@given(st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(-1e300, 1e300)), max_size=20))
def test_whatever_a_guest_says_is_a_number_of_one_or_more(steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock()
    for wall, own in steps:
        machine.live(clock, 1, wall, own)
    assert all(1.0 <= factor < float("inf") for factor in machine.told)


def test_its_thread_ends_with_the_machine() -> None:
    asked = threading.Event()

    def gone(timeout: float) -> float:
        asked.set()
        raise Gone("the machine has ended")

    before = set(threading.enumerate())
    GuestClock(gone, lambda factor: None).start()
    [thread] = set(threading.enumerate()) - before
    assert asked.wait(10.0)
    thread.join(10.0)
    assert not thread.is_alive()


def test_its_thread_ends_when_it_is_closed() -> None:
    before = set(threading.enumerate())
    clock = GuestClock(lambda timeout: 1.0, lambda factor: None)
    clock.start()
    [thread] = set(threading.enumerate()) - before
    clock.close()
    thread.join(10.0)
    assert not thread.is_alive()
