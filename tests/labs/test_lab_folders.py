"""Every folder below labs/ is complete: what a learner, a grader and a prover find there fits together."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from labs.harness import checks, grader, manifest, mutants, runner, submission
from labs.harness.globs import matches
from labs.harness.manifest import Lab
from labs.harness.mistakes import load as load_mistakes
from sandboxes.bpf import toolchain
from sandboxes.setup import golang

LABS = manifest.all_labs()
LANGUAGES = ("zh", "en")
by_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.slug)


def mistakes(lab: Lab) -> list[Path]:
    return sorted(path.parent for path in lab.folder.glob("mistakes/*/mistake.toml"))


def hint_levels(text: str) -> dict[str, list[str]]:
    """check id → its levels' numbers, in order, of a hints.md."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("## "):
            found[line[3:].strip()] = []
        elif line.startswith("### "):
            found[list(found)[-1]].append(line[4:].strip())
    return found


def test_it_works() -> None:
    assert [lab.slug for lab in LABS]


@by_lab
def test_every_text_is_there_in_both_languages(lab: Lab) -> None:
    for language in LANGUAGES:
        for name in ("brief.md", "hints.md", "debrief.md"):
            assert (lab.folder / "text" / language / name).read_text("utf-8").startswith("# ")
    assert (lab.folder / "design.md").is_file()


@by_lab
def test_every_check_has_three_levels_of_hints(lab: Lab) -> None:
    for language in LANGUAGES:
        found = hint_levels((lab.folder / "text" / language / "hints.md").read_text("utf-8"))
        assert set(found) == {check.id for check in lab.checks}
        assert set(map(tuple, found.values())) == {("1", "2", "3")}


@by_lab
def test_chinese_texts_are_chinese(lab: Lab) -> None:
    """A space between Han and Latin, and no exclamation marks."""
    han, latin = "[\u4e00-\u9fff]", "[A-Za-z0-9]"
    for path in (lab.folder / "text" / "zh").glob("*.md"):
        prose = re.sub(r"```.*?```|`[^`]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert not re.findall(f".{{8}}(?:{han}{latin}|{latin}{han}).{{8}}|.*[！].*", prose), path


@by_lab
def test_the_points_add_up_to_a_hundred(lab: Lab) -> None:
    assert lab.points == 100


@by_lab
def test_the_grader_has_a_function_for_every_check(lab: Lab) -> None:
    grader.load_checks(lab)
    registered = checks.registered()
    runner.Runner(lab, registered, lambda *_args, **_fields: None).verify()


@by_lab
def test_starter_and_solution_can_be_handed_in(lab: Lab) -> None:
    for name in ("starter", "solution"):
        submission.accept(lab, submission.read_dir(lab.folder / name))


@by_lab
def test_starter_and_solution_are_built_from_the_same_modules(lab: Lab) -> None:
    for name in ("go.mod", "go.sum"):
        assert (lab.folder / "starter" / name).read_bytes() == (lab.folder / "solution" / name).read_bytes()


@by_lab
def test_each_mistake_changes_the_solution_and_names_one_check(lab: Lab) -> None:
    assert len(mistakes(lab)) >= 15
    for mistake in load_mistakes(lab):
        assert mistake.words, mistake.name
        folder = lab.folder / "mistakes" / mistake.name
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != "mistake.toml"]
        assert files, folder
        for path in files:
            name = path.relative_to(folder).as_posix()
            assert any(matches(name, pattern) for pattern in lab.editable), path
            original = lab.folder / "solution" / name
            assert not original.exists() or original.read_bytes() != path.read_bytes(), path


# What it would catch, `run` does: a pin is seen while the program runs, and a helper ends with its control group.
CATCHES_NONE = {"tracers/lifecycle": {"run-killed"}}


@by_lab
def test_each_check_catches_a_known_mistake(lab: Lab) -> None:
    """But for the first one, which the starter fails."""
    caught = {mistake.catches for mistake in load_mistakes(lab)}
    silent = {check.id for check in lab.checks[1:]} - caught
    assert silent == CATCHES_NONE.get(lab.slug, set())


@by_lab
def test_no_two_mistakes_are_the_same(lab: Lab) -> None:
    contents = [
        tuple(path.read_bytes() for path in sorted(f.rglob("*.*")) if path.name != "mistake.toml")
        for f in mistakes(lab)
    ]
    assert len(set(contents)) == len(contents)


@by_lab
def test_all_go_code_is_formatted(lab: Lab) -> None:
    folders = [str(lab.folder / name) for name in ("starter", "solution", "mistakes")]
    done = subprocess.run(
        [golang.root() / "bin" / "gofmt", "-l", *folders], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def whole_module(folder: Path, lab: Lab, copy: Path) -> Path:
    """The folder; for a lab with eBPF code a copy that has the bindings too, as a build makes them."""
    if lab.build.kind != "bpf":
        return folder
    shutil.copytree(folder, copy)
    (source,) = (path.relative_to(copy).as_posix() for path in copy.glob(lab.build.source))
    argv = toolchain.generate(source, lab.build.ident, lab.build.types, lab.build.package)
    subprocess.run(argv, cwd=copy, check=True)
    return copy


@by_lab
@pytest.mark.parametrize("name", ["starter", "solution"])
def test_go_vet_is_content(lab: Lab, name: str, tmp_path: Path) -> None:
    flags = {"GOFLAGS": "-mod=readonly -trimpath", "GOPROXY": "off"}
    done = subprocess.run(
        [golang.go(), "vet", "./..."],
        cwd=whole_module(lab.folder / name, lab, tmp_path / name),
        env={**golang.environment(), **flags},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@by_lab
def test_each_reason_is_for_a_mutant_that_there_is(lab: Lab) -> None:
    known = {mutant.id for mutant in mutants.find(lab.folder / "solution")}
    assert set(mutants.reasons(lab)) <= known
