"""The code that chapters show compiles, and what they show as seen is what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.content.machine import environment, recorded, run, seen, steady
from tests.content.reading import CONTENT, EXAMPLES, ROOT, fences_of, sources
from tests.content.recordings import IN_A_GUEST

RECORDED = recorded()
# These ask a real API server or etcd: test_examples_on_a_cluster.py.
NEED_A_CLUSTER = {
    "sh generation.sh",
    "sh condition.sh",
    "sh conflict.sh",
    "sh finalizer.sh",
    "sh noop.sh",
    "sh owner.sh",
    "sh leader.sh",
    "sh policy.sh",
    "sh quota.sh",
    "sh deadline.sh",
    "sh snapshot.sh",
    "go run ./defaults",
    "ETCD=http://127.0.0.1:2379 go run ./changes",
}
# staticcheck is no part of the set-up, and the newest golint is for the module proxy to say.
RECORDED_BY_HAND = {"sh vet.sh", "sh golint.sh"}
# Times of one machine on one day, which the file names: tests/content/compare.py.
MEASURED = "tracers/seen/compare.txt"
# Shown for its output; the command stands in another section.
PROGRAMS = {
    "operators/seen/backoff.txt": "go run ./backoff",
    "operators/seen/lanes.txt": "go run ./lanes",
}


def _offline() -> list[tuple[str, str]]:
    commands = {**RECORDED, **PROGRAMS}
    return sorted(
        (name, command)
        for name, command in commands.items()
        if command not in NEED_A_CLUSTER | RECORDED_BY_HAND and name not in IN_A_GUEST and name != MEASURED
    )


def test_every_recording_is_shown_and_every_shown_one_is_recorded() -> None:
    files = {str(p.relative_to(EXAMPLES)) for p in EXAMPLES.glob("*/seen/*.txt")}
    assert files == set(RECORDED)


def test_every_recording_is_made_again_by_a_test() -> None:
    commands = set({**RECORDED, **PROGRAMS}.values())
    assert commands >= NEED_A_CLUSTER | RECORDED_BY_HAND
    assert RECORDED.keys() >= IN_A_GUEST.keys() | {MEASURED}
    elsewhere = len(NEED_A_CLUSTER) + len(RECORDED_BY_HAND) + len(IN_A_GUEST) + len({MEASURED})
    assert len(_offline()) + elsewhere == len(RECORDED)


def test_the_command_above_a_correction_is_the_one_that_a_guest_runs() -> None:
    """Recordings without a correction have their command as title."""
    for chapter in sources():
        for callout in (c for c in chapter.callouts if c.kind == "correction"):
            command, output = fences_of(callout.text)
            name = output.attributes["file"].removeprefix("content/examples/")
            if name in IN_A_GUEST:
                assert command.text.strip() == IN_A_GUEST[name].command, name


def test_code_comes_from_files_that_are_compiled_or_run() -> None:
    """Go in a chapter is never typed into the chapter."""
    for chapter in sources():
        for fence in chapter.fences:
            file = fence.attributes.get("file", "")
            if fence.language == "go":
                assert file, f"{chapter.path.relative_to(CONTENT)}: Go without a file"
            if not file:
                continue
            assert fence.text == "", f"{file}: the fence is not empty"
            inside = Path(file)
            lab = inside.parts[0] == "labs"
            assert lab or inside.is_relative_to("content/examples"), file
            assert (ROOT / file).is_file(), file


def test_examples_are_formatted() -> None:
    go_files = sorted(EXAMPLES.rglob("*.go"))
    assert go_files
    assert run(["gofmt", "-l", *go_files], EXAMPLES, environment()) == (0, "")


@pytest.mark.system
def test_examples_compile_and_vet(compiled: None) -> None:
    """The fixture says what is wrong."""


@pytest.mark.system
def test_the_tests_of_the_examples_pass(compiled: None) -> None:
    code, said = run(["go", "test", "./..."], EXAMPLES, environment())
    assert code == 0, said


@pytest.mark.system
@pytest.mark.parametrize(("name", "command"), _offline(), ids=[name for name, _ in _offline()])
def test_it_prints_what_the_chapter_shows(compiled: None, name: str, command: str) -> None:
    folder = EXAMPLES / name.partition("/")[0]
    _, said = run(["sh", "-c", command], folder, environment())
    assert steady(said) == steady(seen(name))
