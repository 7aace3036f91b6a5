"""How the life cycle grader reads what the commands print, and what is in the kernel, without a machine."""

from __future__ import annotations

import random
from typing import Any

import pytest

from labs.harness.checks import Failed
from labs.harness.events import Text
from labs.harness.guest import BpfMap, BpfProgram, Ended, GuestRefused, Objects
from labs.tracers.lifecycle.grading import counting, counts, foreground, pins
from labs.tracers.lifecycle.grading.world import CAPACITY, NOTHING, World, last_words

TRIED = Text("试了", "tried")
TRUTH = {98: 0, 147: 4334, 4_000_001: 12}
PRINTED = "98 0\n147 4334\n4000001 12\n"


def world() -> World:
    class Lab:
        random = random.Random(1)

    lab: Any = Lab()
    return World(lab, NOTHING)


def failure(text: str, hint: Text | None = None) -> Failed:
    with pytest.raises(Failed) as failed:
        counts.compare(world(), text, TRUTH, TRIED, hint, command="lifecycle show")
    return failed.value


def test_it_works() -> None:
    counts.compare(world(), PRINTED, TRUTH, TRIED, command="lifecycle show")
    counts.compare(world(), PRINTED.removesuffix("\n"), TRUTH, TRIED, command="lifecycle show")
    counts.compare(world(), "", {}, TRIED, command="lifecycle show")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "was watched, yet is not printed"),
        ("98 0\n147 4334\n", "4000001 was watched"),
        (f"7 0\n{PRINTED}", "7 was never watched"),
        ("147 4334\n4000001 12\n98 0\n", "sort by number"),
        ("98 0\n147 4335\n4000001 12\n", "has 1 too many"),
        ("98 0\n147 4333\n4000001 12\n", "has 1 too few"),
        ("98 0\n147 0\n4000001 12\n", "its count is 0"),
        (f"{PRINTED}4000001 12\n", "more than once"),
        (f"PID COUNT\n{PRINTED}", "'PID COUNT'"),
        ("98  0\n147 4334\n4000001 12\n", "'98  0'"),
        ("98 0\n\n147 4334\n4000001 12\n", "''"),
        ("98 00\n147 4334\n4000001 12\n", "'98 00'"),
        ("98 -1\n147 4334\n4000001 12\n", "'98 -1'"),
    ],
)
def test_it_tells_how_the_lines_are_wrong(text: str, word: str) -> None:
    assert word in failure(text).hint.en


def test_what_a_check_knows_goes_before_a_guess() -> None:
    hint = Text("更清楚", "clearer")
    assert failure("98 0\n147 1\n4000001 12\n", hint).hint == hint
    assert "sort" in failure("147 4334\n98 0\n4000001 12\n", hint).hint.en


def test_both_are_shown_side_by_side_with_a_mark() -> None:
    shown = failure("98 0\n147 4333\n4000001 12\n").saw.en
    marked = [line for line in shown.splitlines() if "≠" in line]
    assert len(marked) == 1
    assert marked[0].split() == ["147", "4333", "≠", "147", "4334"]


def test_a_line_that_is_missing_does_not_shift_the_others() -> None:
    shown = failure("147 4334\n4000001 12\n").saw.en.splitlines()
    assert [line.split() for line in shown[1:]] == [
        ["≠", "98", "0"],
        ["147", "4334", "147", "4334"],
        ["4000001", "12", "4000001", "12"],
    ]


def test_what_is_shown_is_bounded_and_clean() -> None:
    shown = failure("\n".join(f"\x1b[31m{n} {'9' * 500}" for n in range(1000))).saw.en
    assert len(shown) < 4000
    assert "\x1b" not in shown


def test_last_words_are_one_short_line() -> None:
    ended = Ended(1, 0, "", True, "first\n\x1b[1mlast\u202e" + "x" * 1000)
    assert "\x1b" not in last_words(ended)
    assert len(last_words(ended)) < 320


def test_pids_that_nobody_has_are_new_and_different() -> None:
    w = world()
    w.counts = dict.fromkeys(range(3_000_000, 3_000_100), 0)
    found = w.nobody(CAPACITY)
    assert len(set(found)) == CAPACITY
    assert not set(found) & set(w.counts)


def test_calls_count_only_while_watched_and_never_for_a_child() -> None:
    done: list[tuple[Any, ...]] = []

    class Guest:
        def work(self, pid: int, threads: tuple[int, ...], **more: int) -> None:
            done.append((pid, threads, more))

    w = world()
    guest: Any = Guest()
    w.lab.guest = guest
    w.counts, w.watched = {5: 10, 6: 1}, {5}
    w.work(5, 3, 4, child=100)
    w.work(6, 7)
    w.work(9, 7)
    assert w.counts == {5: 17, 6: 1}
    assert len(done) == 3


PROGRAM = BpfProgram(1, "Tracing", "count", 0, 0, 0, (2,))
MAP = BpfMap(2, "Hash", "counts", 64, 0)


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (NOTHING, "link.Pin"),
        (Objects((), (MAP,), (), ("lifecycle/counts",)), "link.Pin"),
        (Objects((PROGRAM,), (MAP,), (), ("lifecycle/link",)), "attached nowhere"),
        (Objects((PROGRAM,), (MAP,), (3,), ("lifecycle/link", "counts")), "Pinned elsewhere: counts"),
        (Objects((PROGRAM,), (MAP,), (3,), ("lifecycle/hook",)), "but not lifecycle/link"),
    ],
)
def test_it_tells_what_is_not_pinned_as_the_brief_says(seen: Objects, word: str) -> None:
    reason = pins._not_pinned(seen)
    assert reason is not None
    assert word in reason.en


def test_a_link_with_its_map_below_the_folder_is_right() -> None:
    assert pins._not_pinned(Objects((PROGRAM,), (MAP,), (3,), ("lifecycle/counts", "lifecycle/link"))) is None


def test_right_numbers_from_a_program_that_did_not_run_are_seen() -> None:
    with pytest.raises(Failed) as failed:
        counting._ran(100, 99, TRIED)
    assert "99 times" in failed.value.saw.en
    counting._ran(100, 100, TRIED)


def test_calls_that_run_missed_are_told_apart() -> None:
    assert foreground._missed("98 0\n147 4000\n4000001 12\n", TRUTH) is not None
    assert foreground._missed("98 0\n147 5000\n4000001 12\n", TRUTH) is None
    assert foreground._missed("nonsense", TRUTH) is None


def test_a_worker_that_the_learner_ended_is_no_fault_of_ours() -> None:
    class Guest:
        def work(self, *_args: object, **_more: object) -> None:
            raise GuestRefused("no worker 5")

    w = world()
    guest: Any = Guest()
    w.lab.guest = guest
    with pytest.raises(Failed) as failed:
        w.work(5, 1)
    assert "no worker 5" in failed.value.saw.en
