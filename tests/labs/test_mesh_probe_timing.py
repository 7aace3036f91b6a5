"""What the mesh probe's grader makes of time: late but right passes, wrong fails at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from labs.harness.checks import Failed
from labs.tracers.mesh_probe.grading import resets, sliding
from labs.tracers.mesh_probe.grading.world import World
from tests.labs.mesh_simulation import simulate

Do = Callable[[World], None]


def do(id_: str, world: World) -> None:
    """The check itself, in this world."""
    module = sliding if id_ in ("threshold", "slides") else resets
    getattr(module, id_).__wrapped__(world)


def fails(id_: str, world: World) -> str:
    """What is said to have been seen."""
    with pytest.raises(Failed) as told:
        do(id_, world)
    return f"{told.value.saw.en}\n{told.value.hint.en}"


ALL = ("threshold", "slides", "resets", "webhook", "rate", "hangs", "anew")


@pytest.mark.parametrize(
    "habits",
    [
        {},
        {"counts_late": 1.9},
        {"calls_late": 2.9},
        {"sent_late": 1.9},
        {"counts_late": 1.0, "calls_late": 1.5, "sent_late": 1.0},
    ],
    ids=str,
)
def test_who_is_as_late_as_the_brief_allows_passes(
    monkeypatch: pytest.MonkeyPatch, habits: dict[str, float]
) -> None:
    world = simulate(monkeypatch, **habits)
    for check in ALL:
        do(check, world)


@pytest.mark.parametrize("phase", [n / 4 for n in range(32)])
def test_windows_that_begin_anew_are_caught_wherever_they_begin(
    monkeypatch: pytest.MonkeyPatch, phase: float
) -> None:
    world = simulate(monkeypatch, begins_at=900 + phase)
    assert "Windows that begin anew" in fails("slides", world)


def test_windows_that_begin_with_the_first_event_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "whenever they begin" in fails("slides", simulate(monkeypatch, begins_with_first=True))


def test_a_call_that_comes_too_late_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ("webhook", "rate"):
        assert "after 5." in fails(check, simulate(monkeypatch, calls_late=5.5))


@pytest.mark.parametrize("late", [0.0, 1.0, 2.0, 2.9])
def test_a_second_call_for_one_cause_is_caught_however_late(
    monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    assert "the webhook got" in fails("webhook", simulate(monkeypatch, each_reset=True, calls_late=late))


def test_a_queue_that_is_too_short_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    world = simulate(monkeypatch, queue=8)
    assert "dropped" in fails("hangs", world)


def test_other_threads_do_not_move_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of deadlines has a thread that sleeps ten times a second."""
    world = simulate(monkeypatch)
    before = world.uptime()
    thread = threading.Thread(target=lambda: time.sleep(0.2))
    thread.start()
    thread.join()
    assert world.uptime() - before < 0.1
