"""The chapters' eBPF programs on the kernels that the labs are graded on: what they print is what is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.content import compare
from tests.content.guests import KERNELS, BuildFailed, Guests, build
from tests.content.machine import environment, run, seen, steady
from tests.content.recordings import IN_A_GUEST, Shown

# the first test waits for the build of all programs and for two machines
pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every example, generated, vetted and compiled."""
    return build(tmp_path_factory.mktemp("tracers") / "tracers")


@pytest.fixture(scope="module")
def guests(built: Path) -> Iterator[Guests]:
    """Both kernels, for all tests of this file; what a program leaves behind is the next one's failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LASTMILE_RUN", str(built.parent))
        started = Guests.start(built)
        try:
            yield started
        finally:
            started.close()


def test_the_build_refuses_what_does_not_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    (source / "wrong").mkdir(parents=True)
    (source / "go.mod").write_text("module wrong\n\ngo 1.26.0\n")
    (source / "wrong" / "main.go").write_text(
        "package main\n\n//go:generate go tool bpf2go -go-package main wrong wrong.bpf.c -- -O2\n\nfunc main() {}\n"
    )
    (source / "wrong" / "wrong.bpf.c").write_text("int f(void) { return nothing; }\n")
    monkeypatch.setattr("tests.content.guests.TRACERS", source)
    with pytest.raises(BuildFailed, match="undeclared identifier 'nothing'"):
        build(tmp_path / "copy")


def test_the_tests_of_the_examples_pass(built: Path) -> None:
    code, said = run(["go", "test", "./..."], built, environment())
    assert code == 0, said


def _expected(name: str) -> str:
    return _without_figures(steady(seen(name)))


def _without_figures(text: str) -> str:
    """Nanoseconds are each machine's own."""
    return re.sub(r" +\d+ ns", " N ns", text)


@pytest.mark.parametrize("name", sorted(IN_A_GUEST))
def test_it_prints_what_the_chapter_shows(guests: Guests, name: str) -> None:
    shown: Shown = IN_A_GUEST[name]
    said = guests.run(shown.command)
    if shown.kernels == "each":
        text = "\n".join(f"Linux {series}\n{said[series]}" for series in KERNELS)
        assert _without_figures(steady(text)) == _expected(name)
        return
    for series in KERNELS if shown.kernels == "both" else (shown.kernels,):
        assert _without_figures(steady(said[series])) == _expected(name), f"on Linux {series}"


def test_an_event_costs_more_the_further_it_goes(guests: Guests) -> None:
    for series, said in guests.run("bin/states cost").items():
        costs = [int(n) for n in re.findall(r"(\d+) ns", said)]
        assert len(costs) == 4, said
        assert max(costs[:2]) < costs[2] < costs[3], f"on Linux {series}: {said}"


def test_both_libraries_do_the_same_work(built: Path, guests: Guests) -> None:
    """The table's times are one machine's; which way they differ is not."""
    machine = guests.machines[compare.KERNEL]
    cilium, libbpf = (compare.measure(built, machine, library, 1) for library in compare.LIBRARIES)
    assert libbpf.start_seconds < cilium.start_seconds
    assert libbpf.size_bytes < cilium.size_bytes
    assert libbpf.memory_kib < cilium.memory_kib


def test_nothing_is_left_behind(guests: Guests) -> None:
    names = "on_exec counts on_state events counters outer by_kprobe by_fentry connecting by_pod received"
    for series, said in guests.run(f"bin/objects {names}; ls /sys/fs/bpf").items():
        assert said == "nothing\n", f"on Linux {series}"
