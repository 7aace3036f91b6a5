"""The proof of a grader, on the tests' own lab, and what an author is told when it does not hold."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from pathlib import Path

import pytest

from labs.harness import manifest, mistakes, mutants, proof, prove
from labs.harness.events import Text
from labs.harness.jails import Cancelled
from labs.harness.manifest import BadManifest, Lab
from labs.harness.mistakes import Mistake
from labs.harness.submission import Submission, read_dir
from labs.harness.verdict import CheckResult, Verdict, Word

MISTAKE = """catches = "ends"
words = ["exit code 3", "退出码"]
[why]
zh = "以为退出码无所谓"
en = "takes the exit code for a detail"
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The echo lab with one mistake, in a folder of the test's own."""
    shutil.copytree(Path(__file__).with_name("labs"), tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "services/echo/mistakes/wrong-code"
    folder.mkdir(parents=True)
    main = (tmp_path / "services/echo/solution/main.go").read_text()
    (folder / "main.go").write_text(main.replace("<-ctx.Done()", "<-ctx.Done()\n\tos.Exit(3)"))
    (folder / "mistake.toml").write_text(MISTAKE, "utf-8")
    shutil.copytree(tmp_path / "services/echo/solution", tmp_path / "services/echo/solutions/other")
    return manifest.load("services/echo", tmp_path)


def verdict(word: Word, **statuses: str) -> Verdict:
    failure = {"saw": {"zh": "退出码 3", "en": "exit code 3"}}
    rows = [
        CheckResult(name, status, 0, failure=failure if status == "failed" else None)  # type: ignore[arg-type]
        for name, status in statuses.items()
    ]
    return Verdict(word, 0, 0, 0, len(rows), 0.0, Text("", ""), rows)


def mistake(**changes: object) -> Mistake:
    base = Mistake("m", "ends", (), ("exit code 3",), Text("", ""), Submission({}))
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "found", "said"),
    [
        (mistake(), verdict("fail", speaks="passed", ends="failed"), ""),
        (mistake(), verdict("pass", speaks="passed", ends="passed"), "the verdict is pass"),
        (mistake(), verdict("error"), "the verdict is error"),
        (mistake(), verdict("fail", speaks="failed", ends="failed"), "speaks failed first"),
        (mistake(), verdict("fail", ends="failed", more="failed"), "more failed too"),
        (mistake(also=("more",)), verdict("fail", ends="failed", more="failed"), ""),
        (mistake(), verdict("fail", ends="failed", more="skipped"), ""),
        (mistake(words=("exit code 4",)), verdict("fail", ends="failed"), "does not say ['exit code 4']"),
    ],
)
def test_a_mistake_is_caught_by_the_check_that_it_names(made: Mistake, found: Verdict, said: str) -> None:
    wrong = made.judge(found)
    assert said in wrong
    assert bool(wrong) == bool(said)


def test_mistakes_are_laid_over_the_solution(lab: Lab) -> None:
    [found] = mistakes.load(lab)
    assert b"os.Exit(3)" in found.submission.files["main.go"]
    assert "mistake.toml" not in found.submission.files


def test_a_mistake_that_names_no_check_is_told(lab: Lab) -> None:
    file = lab.folder / "mistakes/wrong-code/mistake.toml"
    file.write_text(file.read_text().replace('"ends"', '"end"'))
    with pytest.raises(BadManifest, match=r"wrong-code/mistake\.toml: catches: is 'end'"):
        mistakes.load(lab)


def repeated(lab: Lab, name: str, **outcomes: str) -> proof.Repeated:
    agreed = {str(seed): proof.AGREED for seed in range(1, 3)}
    return proof.Repeated(name, agreed | outcomes, of=proof.program_hash(lab, name))


def whole(lab: Lab) -> proof.Proof:
    kept = proof.empty(lab)
    kept.starter = [proof.Finding("starter", of=proof.program_hash(lab, "starter"))]
    of = proof.program_hash(lab, "mistakes/wrong-code")
    kept.mistakes = [proof.Finding("wrong-code", note={"zh": "因", "en": "why"}, of=of)]
    kept.mutants = {"main.go:1": f"{proof.KILLED}ends"}
    kept.repeated = [repeated(lab, "solution"), repeated(lab, "solutions/other")]
    kept.parts = list(prove.PARTS)
    return kept


def test_a_proof_speaks_only_of_what_it_saw(lab: Lab) -> None:
    kept = whole(lab)
    proof.save(lab, kept)
    assert proof.load(lab) == kept
    (lab.folder / "grader.py").write_text("# another grader\n")
    assert proof.load(lab) is None


def test_another_mistake_leaves_the_rest_standing(lab: Lab) -> None:
    kept = whole(lab)
    proof.save(lab, kept)
    (lab.folder / "mistakes/wrong-code/mistake.toml").write_text(MISTAKE + "\n")
    assert proof.load(lab) == dataclasses.replace(kept, mistakes=[])


def test_another_solution_leaves_the_starter_standing(lab: Lab) -> None:
    kept = whole(lab)
    proof.save(lab, kept)
    (lab.folder / "solution/main.go").write_text("package main\n")
    left = proof.load(lab)
    assert left is not None
    assert (left.starter, left.mistakes, left.mutants) == (kept.starter, [], {})
    assert left.repeated == [repeated(lab, "solutions/other")]
    assert left.parts == ["right", "mistakes", "repeat"]


def test_a_run_that_disagrees_ends_the_proof(lab: Lab) -> None:
    kept = whole(lab)
    assert (kept.repeats, kept.disagreed, kept.holds) == (4, 0, True)
    kept.repeated.append(repeated(lab, "solutions/third", **{"2": "fail: ends failed"}))
    assert (kept.repeats, kept.disagreed, kept.holds) == (6, 1, False)
    assert "solutions/third, seed 2: fail: ends failed" in kept.summary()


@pytest.mark.system
def test_mutants_are_found_applied_and_always_the_same(lab: Lab) -> None:
    found = mutants.find(lab.folder / "solution")
    base = read_dir(lab.folder / "solution")
    assert len({mutant.id for mutant in found}) == len(found) >= 3
    assert all(mutant.apply(base).files["main.go"] != base.files["main.go"] for mutant in found)
    few = mutants.sample(found, 2)
    assert len(few) == 2
    assert few == mutants.sample(mutants.find(lab.folder / "solution"), 2)
    assert mutants.sample(found, 0) == found


@pytest.mark.system
def test_it_works(lab: Lab) -> None:
    found = prove.prove(lab, repeat=2)
    assert [(f.name, f.wrong) for f in found.right] == [("solution", ""), ("solutions/other", "")]
    assert [(f.name, f.wrong) for f in found.mistakes] == [("wrong-code", "")]
    assert [f.wrong for f in found.starter] == [""]
    assert (found.repeats, found.disagreed) == (4, 0)
    assert found.mutants_killed >= 1
    survivor = next(f for f in found.survivors if "drop-defer" in f.name)
    assert "mutants.toml has no reason" in survivor.wrong
    assert not found.holds

    rows = [f'[[survivors]]\nid = "{f.name}"\nzh = "等价"\nen = "equivalent"\n' for f in found.survivors]
    (lab.folder / "mutants.toml").write_text("\n".join(rows), "utf-8")
    again = prove.prove(lab, ("mutants",))
    assert again.holds, again.summary()
    assert again.figures()["mistakes_caught"] == 1, "parts that were not run are kept"
    assert again.mutants == found.mutants


@pytest.mark.system
def test_a_mistake_that_was_caught_is_not_run_again(lab: Lab) -> None:
    proof.save(lab, whole(lab))
    told: list[str] = []
    assert prove.prove(lab, ("mistakes",), say=told.append) == whole(lab)
    assert told == []
    found = prove.prove(lab, ("mistakes",), match="wrong", say=told.append)
    assert (len(found.mistakes), len(told)) == (1, 1), "asked for by name it is"


@pytest.mark.system
def test_a_mutant_whose_outcome_is_known_is_not_run_again(lab: Lab) -> None:
    """A proof that was stopped goes on where it was, while grader and solution are the same."""
    known = {mutant.id: f"{proof.KILLED}ends" for mutant in mutants.find(lab.folder / "solution")}
    kept = proof.empty(lab)
    kept.mutants = dict(known)
    proof.save(lab, kept)
    told: list[str] = []
    found = prove.prove(lab, ("mutants",), say=told.append)
    assert (found.mutants, told) == (known, [])
    assert (found.mutants_found, found.mutants_killed) == (len(known), len(known))


@pytest.mark.system
def test_a_repeated_run_is_not_run_again(lab: Lab) -> None:
    """But for those that were stopped, which end as internal."""
    kept = whole(lab)
    kept.repeated[0].outcomes["2"] = "internal: stopped"
    proof.save(lab, kept)
    told: list[str] = []
    found = prove.prove(lab, ("repeat",), repeat=2, say=told.append)
    assert found == whole(lab)
    assert told == ["  ✓ solution, seed 2: pass"]


def test_one_that_is_cancelled_keeps_what_was_found(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()
    seeds: list[object] = []

    def grade(
        lab: Lab, submission: Submission, emit: object, _cancel: object, seed: int, *_: object
    ) -> Verdict:
        seeds.append(seed)
        if len(seeds) == 2:
            cancel.set()
            raise Cancelled
        return verdict("pass", speaks="passed", ends="passed")

    monkeypatch.setattr(prove.engine, "grade", grade)
    with pytest.raises(Cancelled):
        prove.prove(lab, ("repeat",), repeat=3, cancel=cancel)
    assert seeds == [1, 2], "the others were not begun"
    kept = proof.load(lab)
    assert kept is not None
    assert [one.outcomes for one in kept.repeated] == [{"1": proof.AGREED}, {}]


def test_match_chooses_among_right_answers_as_well(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = verdict("pass", speaks="passed", ends="passed")
    monkeypatch.setattr(prove.engine, "grade", lambda *_: passed)
    found = prove.prove(lab, ("right",), match="other")
    assert ([one.name for one in found.right], found.starter) == (["solutions/other"], [])
    with pytest.raises(prove.NothingMatches, match="'othre'"):
        prove.prove(lab, ("right", "mistakes"), match="othre")


@pytest.mark.parametrize(("on_the_first", "asked"), [("fail", [("6.1",)]), ("pass", [("6.1",), ("6.12",)])])
def test_a_mutant_that_one_kernel_kills_meets_no_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, on_the_first: Word, asked: list[tuple[str, ...]]
) -> None:
    kernels: list[tuple[str, ...]] = []

    def grade(lab: Lab, *_: object) -> Verdict:
        kernels.append(lab.kernels)
        return verdict(on_the_first, speaks="passed", ends="passed" if on_the_first == "pass" else "failed")

    monkeypatch.setattr(prove.engine, "grade", grade)
    monkeypatch.setattr(mutants, "find", lambda folder: mutants_of(folder))
    prove.prove(dataclasses.replace(lab, kernels=("6.1", "6.12")), ("mutants",))
    assert kernels == asked


def mutants_of(folder: Path) -> list[mutants.Mutant]:
    assert (folder / "main.go").is_file()
    return [mutants.Mutant("main.go:1", "main.go", 1, "drop", 0, 1, "", "p")]
