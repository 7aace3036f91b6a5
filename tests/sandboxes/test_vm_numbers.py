"""Numbers that a guest tells are numbers, and of a size."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.vm import bpf, programs
from sandboxes.vm.errors import Malformed
from sandboxes.vm.numbers import finite, whole

USAGE = {
    "cpu_seconds": 0.5,
    "memory_bytes": 1,
    "memory_peak_bytes": 2,
    "processes": 3,
    "out_of_memory": False,
}
ENDED = USAGE | {"signal": 0, "code": 0, "seconds": 1, "stopped_by": "", "output_dropped": 0}
PROGRAM = {
    "id": 1,
    "type": "kprobe",
    "name": "x",
    "tag": "y",
    "run_time_ns": 5,
    "run_count": 1,
    "recursion_misses": 0,
    "instructions": 9,
    "map_ids": [3],
}
NONE_OF_THEM = [10**400, -(10**400), "nan", "7", True, None, [], {}]


def test_it_works() -> None:
    assert whole(7) == 7
    assert (finite(7), finite(0.5)) == (7.0, 0.5)
    assert programs.parse_exit(ENDED).usage == programs.parse_usage(USAGE)
    assert (
        bpf.parse({"programs": [PROGRAM], "maps": [], "links": [], "pins": []}).programs[0].run_time_ns == 5
    )


@given(st.integers() | st.floats() | st.text() | st.none() | st.booleans())
def test_what_is_let_through_can_be_reckoned_with(value: Any) -> None:
    for read in (whole, finite):
        try:
            number = read(value)
        except (TypeError, ValueError):
            continue
        assert math.isfinite(number / 1e9)


@pytest.mark.parametrize("value", NONE_OF_THEM)
@pytest.mark.parametrize("name", ["cpu_seconds", "memory_bytes", "memory_peak_bytes", "processes"])
def test_a_usage_of_anything_else_is_a_lie(name: str, value: Any) -> None:
    with pytest.raises(Malformed):
        programs.parse_usage(USAGE | {name: value})


@pytest.mark.parametrize("value", NONE_OF_THEM)
@pytest.mark.parametrize("name", ["signal", "code", "seconds", "output_dropped"])
def test_an_end_of_anything_else_is_a_lie(name: str, value: Any) -> None:
    with pytest.raises(Malformed):
        programs.parse_exit(ENDED | {name: value})


@pytest.mark.parametrize("value", NONE_OF_THEM)
@pytest.mark.parametrize("name", ["id", "run_time_ns", "run_count", "recursion_misses"])
def test_a_program_of_anything_else_is_a_lie(name: str, value: Any) -> None:
    with pytest.raises(Malformed):
        bpf.parse({"programs": [PROGRAM | {name: value}], "maps": [], "links": [], "pins": []})
