"""The checks of a lab with metrics: one world for each machine, pages that are held against each other, and what a
learner is told whose program has ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.exposition import Exposition, parse
from labs.harness.metered import Graded, MeteredWorld
from labs.harness.process import Exit
from labs.harness.tracer_lab import TracerLab


class Program:
    def __init__(self) -> None:
        self.running = True
        self.ended = Exit(2)

    def wait_exit(self, _seconds: float) -> Exit:
        return self.ended

    def log_tail(self, _lines: int) -> str:
        return "panic: no map"


@dataclass
class Lab:
    """Serves the pages that it is given, one for each scrape."""

    pages: Iterator[str] = field(default_factory=lambda: iter(()))
    kernel: str = "6.1"
    metrics: str = "http://127.0.0.1:9000/metrics"
    operator: Program = field(default_factory=Program)
    no_counts: list[str] = field(default_factory=list)

    def scrape(self) -> Exposition:
        page = parse(f"# TYPE hits_total counter\n{next(self.pages)}\n".encode())
        self.no_counts = page.no_counts() or self.no_counts
        return page


@dataclass
class World(MeteredWorld):
    falls = Text("不要清零。", "Do not reset.")
    starts: int = 0

    def restart(self) -> None:
        self.starts += 1
        self.forget_page()
        cast("Lab", self.lab).operator.running = True


def lab(*pages: str, **more: Any) -> TracerLab:
    return cast("TracerLab", Lab(iter(pages), **more))


@pytest.fixture
def graded() -> Graded[World]:
    return Graded(World)


def test_it_works(graded: Graded[World]) -> None:
    seen = []

    @graded("counts")
    def counts(world: World) -> None:
        seen.append((world.page().value("hits_total"), world.page().value("hits_total")))

    graded.checks["counts"](lab("hits_total 1", "hits_total 3"))
    assert seen == [(1, 3)]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "1e999"])
def test_what_is_no_number_is_told_as_such(graded: Graded[World], value: str) -> None:
    @graded("counts")
    def counts(world: World) -> None:
        int(world.page().value("errors"))

    with pytest.raises(Failed) as told:
        graded.checks["counts"](lab(f"errors {value}"))
    assert "errors" in told.value.saw.en
    assert told.value.command == "curl -s http://127.0.0.1:9000/metrics"


def test_a_fault_of_the_graders_own_is_not_the_pages(graded: Graded[World]) -> None:
    @graded("counts")
    def counts(world: World) -> None:
        world.page()
        int("four")

    with pytest.raises(ValueError, match="four"):
        graded.checks["counts"](lab("errors 4"))


@pytest.mark.parametrize("second", ["hits_total 4", 'hits_total{way="other"} 9'])
def test_a_counter_that_falls_or_goes_away_is_told(second: str) -> None:
    world = World(lab("hits_total 5", second))
    world.page()
    with pytest.raises(Failed) as told:
        world.page()
    assert "hits_total" in told.value.saw.en
    assert told.value.hint == World.falls
    assert told.value.command == "curl -s http://127.0.0.1:9000/metrics"


def test_another_process_counts_from_zero() -> None:
    world = World(lab("hits_total 5", "hits_total 0"))
    world.page()
    world.forget_page()
    assert world.page().value("hits_total") == 0


def test_each_machine_has_its_world_and_keeps_it(graded: Graded[World]) -> None:
    one, other, again = lab(), lab(kernel="6.12"), lab()
    assert graded.of(one) is graded.of(one)
    assert graded.of(other) is not graded.of(one)
    assert graded.of(again).lab is again, "another run's machine is another one"


def test_a_program_that_ended_is_started_for_a_check_that_needs_it(graded: Graded[World]) -> None:
    @graded("counts")
    def counts(world: World) -> None:
        assert world.lab.operator.running

    @graded("left", running=False)
    def left(world: World) -> None:
        assert not world.lab.operator.running

    here = lab()
    cast("Lab", here).operator.running = False
    graded.checks["left"](here)
    graded.checks["counts"](here)
    assert graded.of(here).starts == 1


def test_who_fails_because_the_program_ended_is_told_its_last_words(graded: Graded[World]) -> None:
    hint = Text("少了一个。", "One lacks.")

    def fail(world: World) -> None:
        world.lab.operator.running = False
        raise Failed(tried=hint, saw=hint, expected=hint, hint=hint)

    graded("counts")(fail)
    graded("exits", running=False)(fail)
    with pytest.raises(Failed) as told:
        graded.checks["counts"](lab())
    assert told.value.hint.en == "Your process has ended (exit code 2). Its last words:\npanic: no map"
    with pytest.raises(Failed) as told:
        graded.checks["exits"](lab())
    assert told.value.hint == hint


@pytest.mark.parametrize(
    ("limit", "zh", "en"),
    [
        ("memory", ("内存超过上限", "不断增长"), ("more memory than it may", "grows without bound")),
        ("output", ("输出超过上限", "不要在循环里"), ("printed more than it may", "not on every turn")),
    ],
)
def test_who_was_ended_at_a_limit_is_told_what_to_look_for(
    graded: Graded[World], limit: str, zh: tuple[str, str], en: tuple[str, str]
) -> None:
    def fail(world: World) -> None:
        program = cast("Lab", world.lab).operator
        program.running, program.ended = False, Exit(None, limit)
        raise Failed(tried=Text("", ""), saw=Text("", ""), expected=Text("", ""), hint=Text("", ""))

    graded("counts")(fail)
    with pytest.raises(Failed) as told:
        graded.checks["counts"](lab())
    hint = told.value.hint
    assert all(words in hint.zh for words in zh)
    assert all(words in hint.en for words in en)
    assert "panic: no map" in hint.en
