"""The clock that allows for a busy machine."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.harness import pace


@dataclass
class Machine:
    """Two processors, a clock that is turned by hand, and as many tasks as a test wants."""

    at: float = 100.0
    tasks: float = 1.0

    def clock(self) -> pace.Pace:
        return pace.Pace(lambda: self.tasks, lambda: self.at, cpus=2)

    def live(self, clock: pace.Pace, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.at += 0.1
            clock.sample()


def test_it_works() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.live(clock, 10.0)
    assert clock.now() == pytest.approx(10.0)
    assert clock.stretch() == pytest.approx(1.0)


def test_a_busy_machine_has_more_time() -> None:
    machine = Machine(tasks=8)  # twice as many as it can serve, beyond what is usual
    clock = machine.clock()
    machine.live(clock, 5.0)
    settled = clock.now()
    machine.live(clock, 10.0)
    assert clock.now() - settled == pytest.approx(5.0, rel=0.05)
    assert clock.stretch() == pytest.approx(2.0, rel=0.1)


def test_who_counts_by_the_wall_is_given_longer() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.live(clock, 5.0)
    assert clock.stretched(10.0) == pytest.approx(10.0)
    machine.tasks = 8.0
    machine.live(clock, 20.0)
    assert clock.stretched(10.0) == pytest.approx(20.0, rel=0.05)


def test_it_has_a_bound() -> None:
    machine = Machine(tasks=10_000)
    clock = machine.clock()
    machine.live(clock, 100.0)
    assert clock.now() >= 100.0 / pace.MOST


def test_who_sees_more_than_the_crowd_is_believed() -> None:
    machine = Machine()
    clock = machine.clock()
    for _ in range(100):
        clock.tell("a machine", 6.0)
        machine.live(clock, 0.2)
    settled = clock.now()
    clock.tell("another one", 1.0)
    clock.tell("a machine", 6.0)
    machine.live(clock, 3.0)
    assert clock.now() - settled == pytest.approx(0.5, rel=0.05)


def test_a_crowd_counts_beside_what_is_told() -> None:
    machine = Machine(tasks=12)
    clock = machine.clock()
    machine.live(clock, 10.0)
    clock.tell("a machine", 1.0)
    assert clock.stretched(1.0) == pytest.approx(3.0, rel=0.05)


def test_old_news_is_forgotten() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.tell("a machine", 6.0)
    machine.live(clock, 4.0)
    assert clock.stretched(1.0) == pytest.approx(6.0, rel=0.1)
    machine.live(clock, 12.0)
    assert clock.stretched(1.0) == pytest.approx(1.0, rel=0.05)


def test_one_crowded_moment_is_not_believed() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.live(clock, 1.0)
    machine.tasks = 40
    machine.live(clock, 0.1)
    machine.tasks = 1
    machine.live(clock, 2.0)
    assert clock.stretch() < 1.15


@given(st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(-1.0, 1e6), st.floats(-1.0, 1e6)), max_size=60))
def test_it_never_runs_backwards_nor_faster_than_the_wall(steps: list[tuple[float, float, float]]) -> None:
    machine = Machine(at=0.0)
    clock = machine.clock()
    before = clock.now()
    for seconds, tasks, told in steps:
        machine.at += seconds
        machine.tasks = tasks
        clock.tell("a machine", told)
        clock.sample()
        assert before <= clock.now() <= machine.at + 1e-9
        assert clock.now() * pace.MOST >= machine.at - 1e-6
        before = clock.now()


def test_this_machine_can_be_asked() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as burning:
        try:
            end = time.monotonic() + 20
            while pace.runnable() < 1:
                assert time.monotonic() < end, "one runs, and is not seen"
                time.sleep(0.02)
        finally:
            burning.kill()


@pytest.mark.parametrize("text", ["", "0.1 0.2", "0.1 0.2 0.3 x/5 1", None])
def test_without_the_kernels_word_it_is_the_clock_on_the_wall(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "loadavg"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(pace, "_LOADAVG", file)
    assert pace.runnable() == 0


def test_a_window_lasts_as_long_as_it_says() -> None:
    began, wall = pace.now(), time.monotonic()
    pace.sleep(0.2)
    assert pace.now() - began >= 0.2
    assert time.monotonic() - wall >= 0.2


def test_waiting_ends_with_the_condition_or_the_deadline() -> None:
    condition, there = threading.Condition(), []

    def bring() -> None:
        with condition:
            there.append(1)
            condition.notify_all()

    with condition:
        assert not pace.wait_for(condition, lambda: bool(there), 0.05)
        threading.Thread(target=bring).start()
        assert pace.wait_for(condition, lambda: bool(there), 20.0)
