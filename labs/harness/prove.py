"""`lastmile prove LAB`: does the grader tell right from wrong?

The starter fails its first check; each right solution passes; each mistake is caught by the check
that it names; mutants of the solution are killed, or survive with a reason; repeated runs agree.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from labs.harness import engine, mistakes, mutants, proof
from labs.harness.events import Event, Text
from labs.harness.jails import Cancelled
from labs.harness.manifest import Lab
from labs.harness.mistakes import Mistake
from labs.harness.mutants import Mutant
from labs.harness.proof import Finding, Proof, Repeated
from labs.harness.submission import Submission, accept, read_dir
from labs.harness.verdict import MOST_TRIES, Verdict

PARTS = ("right", "mistakes", "mutants", "repeat")
Say = Callable[[str], None]
T = TypeVar("T")
R = TypeVar("R")

_WHOLE = engine.Options(advice=False)
_TO_FIRST_FAILURE = engine.Options(advice=False, stop_at_failure=True)


class NothingMatches(Exception):
    """A proof of nothing holds, and says nothing."""


@dataclass(frozen=True)
class Judged:
    verdict: Verdict
    compiled: bool


def prove(
    lab: Lab,
    parts: Sequence[str] = PARTS,
    *,
    repeat: int = 20,
    jobs: int = 1,
    match: str = "",
    limit: int = 0,
    say: Say = lambda _text: None,
    cancel: threading.Event | None = None,
) -> Proof:
    """Run the named parts and answer what was found.

    Without `match` it is kept as proof.json, as it goes; parts that were not run are taken from the
    kept proof while it still speaks of the same grader and programs. So are mistakes that were caught, mutants and
    repeated runs whose outcome is known: a proof that was stopped goes on where it was. Raises Cancelled when `cancel`
    was set, NothingMatches when nothing has `match` in its name.
    """
    prover = _Prover(lab, jobs, match, say, cancel or threading.Event())
    found = proof.load(lab) or proof.empty(lab)
    if "right" in parts:
        prover.right(found)
    if "mistakes" in parts:
        prover.mistakes(found, keep=not match)
    if "mutants" in parts:
        prover.mutants(found, limit, keep=not match)
    if "repeat" in parts:
        prover.repeat(found, repeat, keep=not match)
    if match and not prover.ran:
        raise NothingMatches(f"nothing of {lab.slug} that was asked for has {match!r} in its name")
    found.parts = [part for part in PARTS if part in parts or part in found.parts]
    if not match:
        proof.save(lab, found)
    return found


@dataclass
class _Prover:
    lab: Lab
    jobs: int
    match: str
    say: Say
    cancel: threading.Event
    ran: int = 0

    def right(self, found: Proof) -> None:
        starters = [name for name in ("starter",) if self.match in name]
        jobs: list[Callable[[], Finding]] = [self._starter for _ in starters]
        jobs += [partial(self._solution, name) for name in self._solutions() if self.match in name]
        told = self._all(lambda job: job(), jobs)
        found.starter, found.right = told[: len(starters)], told[len(starters) :]

    def mistakes(self, found: Proof, keep: bool) -> None:
        chosen = [mistake for mistake in mistakes.load(self.lab) if self.match in mistake.name]
        caught = {one.name: one for one in found.mistakes if keep and not one.wrong}
        results = dict(caught)
        saving = threading.Lock()

        def run(mistake: Mistake) -> None:
            finding = self._mistake(mistake)
            with saving:
                results[mistake.name] = finding
                found.mistakes = [results[one.name] for one in chosen if one.name in results]
                if keep:
                    proof.save(self.lab, found)

        self._all(run, [mistake for mistake in chosen if mistake.name not in caught])
        found.mistakes = [results[one.name] for one in chosen]

    def mutants(self, found: Proof, limit: int, keep: bool) -> None:
        base = accept(self.lab, read_dir(self.lab.folder / "solution"))
        known = [m for m in mutants.find(self.lab.folder / "solution") if m.file in base.files]
        chosen = [mutant for mutant in mutants.sample(known, limit) if self.match in mutant.id]
        found.mutants_found = len(known)
        found.undecided = []
        saving = threading.Lock()

        def run(mutant: Mutant) -> None:
            judged = self._mutant(mutant.apply(base))
            with saving:
                self._note(found, mutant, judged)
                if keep:
                    proof.save(self.lab, found)

        self._all(run, [mutant for mutant in chosen if mutant.id not in found.mutants])
        reasons = mutants.reasons(self.lab)
        ran = [mutant for mutant in known if found.mutants.get(mutant.id) == proof.SURVIVES]
        found.survivors = [_survivor(mutant, reasons.get(mutant.id)) for mutant in ran]

    def repeat(self, found: Proof, count: int, keep: bool) -> None:
        """Each right answer under the seeds from 1 to `count`; those whose outcome is known are not run again."""
        names = [name for name in self._solutions() if self.match in name]
        kept = {one.name: one for one in found.repeated if keep}
        found.repeated = [kept.get(name) or self._repeated(name) for name in names]
        saving = threading.Lock()

        def run(one: Repeated, seed: int) -> None:
            outcome, log = self._outcome(one.name, seed)
            self.say(f"  {'✓' if outcome == proof.AGREED else '✗'} {one.name}, seed {seed}: {outcome}{log}")
            with saving:
                one.outcomes[str(seed)] = outcome
                if keep:
                    proof.save(self.lab, found)

        seeds = range(1, count + 1)
        left = [(one, seed) for one in found.repeated for seed in seeds if not _known(one, seed)]
        self._all(lambda item: run(*item), left)

    def _repeated(self, name: str) -> Repeated:
        return Repeated(name, of=proof.program_hash(self.lab, name))

    def _outcome(self, name: str, seed: int) -> tuple[str, str]:
        """AGREED, or the word and which checks did not pass; and then what they said, and the grader's log."""
        verdict = self._judge(read_dir(self.lab.folder / name), _WHOLE, seed).verdict
        if verdict.verdict == "pass":
            return proof.AGREED, ""
        rows = [f"{row.check} {row.status}" for row in verdict.checks if row.status != "passed"]
        told = [
            f"\n    {row.check}: {json.dumps(row.failure, ensure_ascii=False)}"
            for row in verdict.checks
            if row.failure
        ]
        return ": ".join([verdict.verdict, ", ".join(rows) or verdict.reason.en]), "".join(
            [*told, f"\n{verdict.log}"]
        )

    def _solutions(self) -> list[str]:
        others = sorted(p.name for p in (self.lab.folder / "solutions").glob("*") if p.is_dir())
        return ["solution", *[f"solutions/{name}" for name in others]]

    def _starter(self) -> Finding:
        judged = self._judge(read_dir(self.lab.folder / "starter"), _WHOLE)
        failed = [row.check for row in judged.verdict.checks if row.status == "failed"]
        first = self.lab.checks[0].id
        wrong = (
            "" if failed[:1] == [first] else f"{first} should fail: {judged.verdict.verdict}, failed {failed}"
        )
        return self._told("starter", wrong, judged)

    def _solution(self, name: str) -> Finding:
        judged = self._judge(read_dir(self.lab.folder / name), _WHOLE)
        verdict = judged.verdict
        wrong = "" if verdict.verdict == "pass" else f"{verdict.verdict}: {verdict.reason.en} {verdict.log}"
        return self._told(name, wrong, judged)

    def _mistake(self, mistake: Mistake) -> Finding:
        judged = self._judge(mistake.submission, _WHOLE)
        told = self._told(mistake.name, mistake.judge(judged.verdict), judged)
        of = proof.program_hash(self.lab, f"mistakes/{mistake.name}")
        return replace(told, note=mistake.why.json() | {"catches": mistake.catches}, of=of)

    def _mutant(self, changed: Submission) -> Judged:
        """On the lab's first kernel, and on the others only what passes there."""
        first, rest = self.lab.kernels[:1], self.lab.kernels[1:]
        judged = self._judge(changed, _TO_FIRST_FAILURE, lab=replace(self.lab, kernels=first))
        if rest and judged.verdict.verdict == "pass":
            judged = self._judge(changed, _TO_FIRST_FAILURE, lab=replace(self.lab, kernels=rest))
        return judged

    def _note(self, found: Proof, mutant: Mutant, judged: Judged) -> None:
        verdict = judged.verdict
        if verdict.verdict == "internal":
            found.undecided.append(Finding(mutant.id, f"{mutant}: internal: {verdict.log[-400:]}"))
            outcome = "undecided"
        else:
            outcome = found.mutants[mutant.id] = _outcome_of(judged)
        self.say(f"  {outcome}: {mutant.id} {mutant}")

    def _told(self, name: str, wrong: str, judged: Judged) -> Finding:
        self.say(f"  {'✗' if wrong else '✓'} {name} ({judged.verdict.seconds:.1f} s) {wrong}")
        return Finding(name, wrong, judged.verdict.seconds, of=proof.program_hash(self.lab, name))

    def _judge(
        self, submission: Submission, options: engine.Options, seed: int = 1, lab: Lab | None = None
    ) -> Judged:
        """`internal` is tried again, as the site does."""
        for _ in range(MOST_TRIES):
            events: list[Event] = []
            verdict = engine.grade(lab or self.lab, submission, events.append, self.cancel, seed, options)
            if verdict.verdict != "internal":
                break
        compiled = any(e["type"] == "state" and e["state"] == "grading" for e in events)
        return Judged(verdict, compiled)

    def _all(self, do: Callable[[T], R], items: Sequence[T]) -> list[R]:
        self.ran += len(items)

        def run(item: T) -> R:
            if self.cancel.is_set():
                raise Cancelled
            return do(item)

        with ThreadPoolExecutor(max(1, self.jobs), "prove") as pool:
            return list(pool.map(run, items))


def _known(one: Repeated, seed: int) -> bool:
    """`internal` says nothing about the grader, and a run that was stopped ends so."""
    return not one.outcomes.get(str(seed), "internal").startswith("internal")


def _outcome_of(judged: Judged) -> str:
    if not judged.compiled:
        return proof.NOT_COMPILING
    verdict = judged.verdict
    if verdict.verdict == "pass":
        return proof.SURVIVES
    failed = next((row.check for row in verdict.checks if row.status == "failed"), "")
    return proof.KILLED + (failed if verdict.verdict == "fail" else verdict.verdict)


def _survivor(mutant: Mutant, reason: Text | None) -> Finding:
    if reason is None:
        return Finding(mutant.id, f"{mutant} survives, and mutants.toml has no reason")
    return Finding(mutant.id, note=reason.json())
