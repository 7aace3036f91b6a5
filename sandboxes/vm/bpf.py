"""The kernel's BPF objects, as the guest's agent lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sandboxes.vm.errors import Malformed
from sandboxes.vm.numbers import whole

T = TypeVar("T")


@dataclass(frozen=True)
class BpfProgram:
    """`run_time_ns` and `run_count` are counted while stats are on; `recursion_misses` always is.

    A miss is a run that the kernel left out because the program was already running on that processor.
    """

    id: int
    type: str
    name: str
    tag: str
    run_time_ns: int
    run_count: int
    recursion_misses: int
    instructions: int
    map_ids: tuple[int, ...]


@dataclass(frozen=True)
class BpfMap:
    """`entries` is None where entries cannot be counted (arrays, ring buffers); `at_least` when counting gave up."""

    id: int
    type: str
    name: str
    key_size: int
    value_size: int
    max_entries: int
    entries: int | None
    at_least: bool


@dataclass(frozen=True)
class BpfLink:
    """`type` is the kernel's number (enum bpf_link_type)."""

    id: int
    type: int
    program_id: int


@dataclass(frozen=True)
class Objects:
    """`pins` are paths relative to /sys/fs/bpf."""

    programs: tuple[BpfProgram, ...]
    maps: tuple[BpfMap, ...]
    links: tuple[BpfLink, ...]
    pins: tuple[str, ...]


def parse(ok: Mapping[str, Any]) -> Objects:
    """Raises Malformed for what the agent would not say."""
    try:
        return Objects(
            tuple(_each(ok["programs"], _program)),
            tuple(_each(ok["maps"], _map)),
            tuple(
                _each(
                    ok["links"], lambda v: BpfLink(whole(v["id"]), whole(v["type"]), whole(v["program_id"]))
                )
            ),
            tuple(_each(ok["pins"], str)),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"not a list of BPF objects: {ok!r:.200}") from error


def _each(values: Any, one: Callable[[Any], T]) -> list[T]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return [one(value) for value in values]


def _program(value: Any) -> BpfProgram:
    return BpfProgram(
        id=whole(value["id"]),
        type=str(value["type"]),
        name=str(value["name"]),
        tag=str(value["tag"]),
        run_time_ns=whole(value["run_time_ns"]),
        run_count=whole(value["run_count"]),
        recursion_misses=whole(value["recursion_misses"]),
        instructions=whole(value["instructions"]),
        map_ids=tuple(whole(each) for each in value["map_ids"]),
    )


def _map(value: Any) -> BpfMap:
    entries = whole(value["entries"])
    return BpfMap(
        id=whole(value["id"]),
        type=str(value["type"]),
        name=str(value["name"]),
        key_size=whole(value["key_size"]),
        value_size=whole(value["value_size"]),
        max_entries=whole(value["max_entries"]),
        entries=None if entries < 0 else entries,
        at_least=value["at_least"] is True,
    )
