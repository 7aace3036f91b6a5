"""Our own Go programs and the learner's warm cache, with small modules and the real toolchain."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandboxes.setup import golang, modules
from sandboxes.setup.step import SetupError

MAIN = 'package main\n\nfunc main() { println("gate") }\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "lab" / "name" / "gate"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module lastmile.invalid/gate\n\ngo 1.26.0\n")
    (folder / "main.go").write_text(MAIN)
    return folder


pytestmark = pytest.mark.usefixtures("toolchain")


def _silent(_: str) -> None:
    """No progress."""


def test_it_works(source: Path) -> None:
    program = modules.GoProgram(source)
    assert not program.done()
    program.run(_silent)
    assert program.done()
    assert subprocess.run([program.path], capture_output=True).stderr == b"gate\n"


def test_one_with_symbols_can_be_probed_by_name(source: Path) -> None:
    bare, probed = modules.GoProgram(source), modules.GoProgram(source, symbols=True)
    for program, named in ((bare, False), (probed, True)):
        assert not program.done()
        program.run(_silent)
        assert program.done()
        names = subprocess.run(
            [golang.go(), "tool", "nm", program.path], capture_output=True, env=golang.environment()
        )
        assert (b" main.main\n" in names.stdout) == named


def test_an_edit_makes_it_run_again_and_a_test_does_not(source: Path) -> None:
    program = modules.GoProgram(source)
    program.run(_silent)
    (source / "main_test.go").write_text("package main\n")
    assert program.done()
    (source / "main.go").write_text(MAIN.replace("gate", "door"))
    assert not program.done()
    program.run(_silent)
    assert subprocess.run([program.path], capture_output=True).stderr == b"door\n"


def test_a_program_that_does_not_build_leaves_the_old_one_but_is_not_done(source: Path) -> None:
    program = modules.GoProgram(source)
    program.run(_silent)
    (source / "main.go").write_text("package main\n\nfunc main() { oops() }\n")
    with pytest.raises(SetupError, match="undefined: oops"):
        program.run(_silent)
    assert program.path.exists()
    assert not program.done()


def test_the_cache_is_warm_afterwards(source: Path) -> None:
    warm = modules.WarmCache(source)
    assert not warm.done()
    warm.run(_silent)
    assert warm.done()
    again = subprocess.run(
        [golang.go(), "build", "-v", "-trimpath", "-o", "/dev/null", "."],
        cwd=source,
        env=golang.environment(),
        capture_output=True,
        text=True,
    )
    assert (again.returncode, again.stderr) == (0, "")  # -v names what had to be compiled


def test_it_is_warmed_again_after_go_has_trimmed(source: Path) -> None:
    warm = modules.WarmCache(source)
    warm.run(_silent)
    (golang.build_cache() / "trim.txt").write_text("1\n")
    assert not warm.done()


def test_every_lab_and_program_is_found() -> None:
    labs = {path.parent for path in modules.CHECKOUT.glob("labs/*/*/solution/go.mod")}
    assert len(modules.solutions()) == len(labs)
    assert [program.name for program in modules.programs()] == ["apigate", "guest", "mesh"]


def test_a_lab_without_is_seen_as_it_is(source: Path) -> None:
    with modules.with_bindings(source) as folder:
        assert folder == source
