"""What `lastmile prove` found out about a lab's grader, kept as proof.json in the lab's folder.

The hashes say of what it speaks. Another grader ends all of it. What was found about one program (a right answer, a
mistake, repeated runs) stands until that program is another; what became of the mutants until the solution is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from labs.harness.manifest import Lab
from sandboxes.setup.stamps import write_atomically

FILE = "proof.json"
KILLED, NOT_COMPILING, SURVIVES = "killed by ", "does not compile", "survives"
AGREED = "pass"


@dataclass(frozen=True)
class Finding:
    """One program that was graded. `wrong` is "" when the grader said what it must. `of`: see program_hash()."""

    name: str
    wrong: str = ""
    seconds: float = 0.0
    note: dict[str, str] = field(default_factory=dict)
    of: str = ""


@dataclass
class Repeated:
    """One right answer under many seeds. `outcomes` tells by seed what came of it, AGREED or what else. `of`: see
    program_hash().
    """

    name: str
    outcomes: dict[str, str] = field(default_factory=dict)
    of: str = ""

    @property
    def disagreed(self) -> int:
        return sum(outcome != AGREED for outcome in self.outcomes.values())


@dataclass
class Proof:
    """`mutants` tells what became of each mutant that was run, by its id: KILLED and by which check, or a word.

    `survivors` are those that passed; each has its reason in `note`, or is `wrong`. `mutants_found` of them are
    known; where fewer were run, it was a fixed choice among them.
    """

    lab: str
    grader: str
    solution: str
    starter: list[Finding] = field(default_factory=list)
    right: list[Finding] = field(default_factory=list)
    mistakes: list[Finding] = field(default_factory=list)
    mutants_found: int = 0
    mutants: dict[str, str] = field(default_factory=dict)
    survivors: list[Finding] = field(default_factory=list)
    undecided: list[Finding] = field(default_factory=list)
    repeated: list[Repeated] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[Finding]:
        groups = (self.starter, self.right, self.mistakes, self.survivors, self.undecided)
        return [finding for group in groups for finding in group if finding.wrong]

    @property
    def repeats(self) -> int:
        return sum(len(one.outcomes) for one in self.repeated)

    @property
    def disagreed(self) -> int:
        return sum(one.disagreed for one in self.repeated)

    @property
    def mutants_killed(self) -> int:
        return sum(outcome.startswith(KILLED) for outcome in self.mutants.values())

    @property
    def mutants_not_compiling(self) -> int:
        return sum(outcome == NOT_COMPILING for outcome in self.mutants.values())

    @property
    def holds(self) -> bool:
        """Nothing that was looked at is wrong. Which parts were looked at: `parts`."""
        return not self.wrong and not self.disagreed

    def figures(self) -> dict[str, int]:
        """What the lab's page shows."""
        return {
            "mistakes": len(self.mistakes),
            "mistakes_caught": sum(not finding.wrong for finding in self.mistakes),
            "mutants": self.mutants_killed + len(self.survivors),
            "mutants_killed": self.mutants_killed,
            "repeats": self.repeats,
            "disagreed": self.disagreed,
            "right": len(self.right),
        }

    def json(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds, "figures": self.figures()}

    def summary(self) -> str:
        """A few lines for a terminal."""
        n = self.figures()
        left = f" ({len(self.survivors)} survive, {self.mutants_not_compiling} did not compile)"
        lines = [
            f"{self.lab}: {'the proof holds' if self.holds else 'THE PROOF DOES NOT HOLD'}",
            f"  starter fails as it must: {sum(not f.wrong for f in self.starter)} of {len(self.starter)}",
            f"  right solutions pass:     {sum(not f.wrong for f in self.right)} of {n['right']}",
            f"  mistakes caught:          {n['mistakes_caught']} of {n['mistakes']}",
            f"  mutants killed:           {n['mutants_killed']} of {n['mutants']}{left}",
            f"  mutants known:            {self.mutants_found}",
            f"  repeated runs disagreed:  {n['disagreed']} of {n['repeats']}",
        ]
        lines += [f"  ✗ {finding.name}: {finding.wrong}" for finding in self.wrong]
        for one in self.repeated:
            others = {seed: outcome for seed, outcome in one.outcomes.items() if outcome != AGREED}
            lines += [f"  ✗ {one.name}, seed {seed}: {outcome}" for seed, outcome in others.items()]
        return "\n".join(lines)


def empty(lab: Lab) -> Proof:
    return Proof(lab.slug, grader_hash(lab), solution_hash(lab))


def load(lab: Lab) -> Proof | None:
    """What of the kept proof still speaks of what is there; None when there is none or the grader is another."""
    file = lab.folder / FILE
    if not file.is_file():
        return None
    raw = json.loads(file.read_text("utf-8"))
    if raw["grader"] != grader_hash(lab):
        return None
    fields = {name: raw[name] for name in Proof.__dataclass_fields__}
    for name in ("starter", "right", "mistakes", "survivors", "undecided"):
        fields[name] = [Finding(**row) for row in raw[name]]
    fields["repeated"] = [Repeated(**row) for row in raw["repeated"]]
    kept = Proof(**fields)
    for name, prefix in (("starter", ""), ("right", ""), ("repeated", ""), ("mistakes", "mistakes/")):
        standing = [one for one in fields[name] if one.of == program_hash(lab, prefix + one.name)]
        setattr(kept, name, standing)
    return kept if kept.solution == solution_hash(lab) else _without_solution(lab, kept)


def _without_solution(lab: Lab, kept: Proof) -> Proof:
    left = [part for part in kept.parts if part != "mutants"]
    same = {name: getattr(kept, name) for name in ("starter", "right", "mistakes", "repeated")}
    return replace(empty(lab), **same, parts=left)


def save(lab: Lab, proof: Proof) -> Path:
    """As a whole or not at all: hours of runs are in it."""
    file = lab.folder / FILE
    write_atomically(file, (json.dumps(proof.json(), ensure_ascii=False, indent=1) + "\n").encode())
    return file


def grader_hash(lab: Lab) -> str:
    """Over everything of the lab that decides: lab.toml, Python and YAML, not the texts."""
    files = [
        p
        for p in lab.folder.rglob("*")
        if p.suffix in (".py", ".toml", ".yaml") and "__pycache__" not in p.parts
    ]
    inside = {"starter", "solution", "solutions", "mistakes", "text"}
    kept = [p for p in files if p.relative_to(lab.folder).parts[0] not in inside and p.name != "mutants.toml"]
    return _hash(lab.folder, kept)


def solution_hash(lab: Lab) -> str:
    """Over solution/, of which mutants are made."""
    return program_hash(lab, "solution")


def program_hash(lab: Lab, name: str) -> str:
    """Over what is graded as `name`, a folder of the lab: `starter`, `solution`, `solutions/X`, or `mistakes/X`, which
    lies over the solution.
    """
    folders = ["solution", name] if name.startswith("mistakes/") else [name]
    return _hash(lab.folder, [p for each in folders for p in (lab.folder / each).rglob("*") if p.is_file()])


def _hash(root: Path, files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        total.update(f"{file.relative_to(root)} {len(content)}\n".encode() + content)
    return total.hexdigest()[:32]
