"""What a learner is told whose tracer ended, by how it ended and by what it printed."""

from __future__ import annotations

import random
import time
from typing import Any, cast

import pytest

from labs.harness.checks import Failed
from labs.harness.guest import Guest
from labs.harness.process import Operator
from labs.harness.tracer_lab import TracerLab

REFUSED = """load program: permission denied:
0: (61) r1 = *(u32 *)(r0 +0)
R0 invalid mem access 'scalar'
processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0"""


def ended(*printed: str, code: int | None = 1, stopped_by: str = "") -> TracerLab:
    """A lab whose tracer has printed these lines and ended so."""
    operator = Operator(lambda do, **fields: None, lambda: True)
    operator.launch()
    operator.on_lines([{"at": time.time(), "text": line} for line in printed])
    operator.on_exit(operator.number, code, stopped_by)
    return TracerLab(
        operator=operator,
        random=random.Random(1),
        seed=1,
        tell=lambda text, command: None,
        guest=cast("Guest", _NoGuest()),
        sources={},
    )


class _NoGuest:
    kernel = "6.12"

    def verify(self) -> tuple[bool, str]:
        return True, ""


def told(lab: TracerLab) -> Failed:
    with pytest.raises(Failed) as failed:
        lab.fail_ended()
    return failed.value


def test_it_works() -> None:
    failed = told(ended("no such interface"))
    assert failed.saw.zh == "程序结束了（退出码 1）\nno such interface"
    assert failed.saw.en == "it ended (exit code 1)\nno such interface"
    assert failed.hint.en == "Read the last lines that it printed."


@pytest.mark.parametrize(
    "said",
    [
        "2026/11/27 08:00:00 field Huge: map huge: map create: cannot allocate memory",
        "field Huge: map huge: map create: argument list too long",
        "libbpf: Error in bpf_create_map_xattr(huge):Cannot allocate memory(-12). Retrying without BTF.",
        "libbpf: map 'huge': failed to create: Argument list too long(-7)",
        "creating map huge: ENOMEM",
    ],
)
@pytest.mark.parametrize("after", [(), ("goroutine 1 [running]:", "main.main()")])
def test_a_map_that_is_too_large_is_told_by_its_size(said: str, after: tuple[str, ...]) -> None:
    failed = told(ended("starting", said, *after))
    assert said in failed.saw.zh
    assert said in failed.saw.en
    for hint in (failed.hint.zh, failed.hint.en):
        assert "max_entries × value_size" in hint
        assert "看看 max_entries" in hint or "Look at max_entries" in hint


@pytest.mark.parametrize(
    "said",
    [
        "update map: argument list too long",
        "fork/exec /bin/true: cannot allocate memory",
        "map huge: map create: operation not permitted (MEMLOCK may be too low)",
        "map create: invalid argument (MaxEntries may be incorrectly set to zero)",
        "creating map conns\nopening perf events: cannot allocate memory",
    ],
)
def test_what_is_no_map_that_is_too_large_is_not_told_as_one(said: str) -> None:
    assert told(ended(*said.splitlines())).hint.en == "Read the last lines that it printed."


@pytest.mark.parametrize(
    ("limit", "zh", "en"),
    [
        (
            "memory",
            "内存超过上限。看看什么在不断增长：没有上限的 map、切片或 goroutine。",
            "It used more memory than it may. Look for what grows without bound: a map, a slice, goroutines.",
        ),
        (
            "output",
            "输出超过上限。只在状态变化时写日志，不要在循环里每次都打印。",
            "It printed more than it may. Log when something changes, not on every turn of a loop.",
        ),
    ],
    ids=["memory", "output"],
)
def test_who_was_ended_at_a_limit_is_told_which_and_what_to_look_for(limit: str, zh: str, en: str) -> None:
    failed = told(ended("map created", "cannot allocate memory", code=None, stopped_by=limit))
    assert (failed.hint.zh, failed.hint.en) == (zh, en)
    assert "cannot allocate memory" in failed.saw.en


@pytest.mark.parametrize("how", [{"code": 0}, {"code": None, "stopped_by": "closed"}, {"code": 137}])
def test_no_other_end_is_taken_for_a_limit_or_for_an_operator_s(how: dict[str, Any]) -> None:
    assert told(ended(**how)).hint.en == "Read the last lines that it printed."


def test_a_refusal_comes_first() -> None:
    failed = told(ended(*REFUSED.splitlines(), code=None, stopped_by="output"))
    assert "invalid mem access" in failed.saw.en
    assert "printed" not in failed.hint.en
