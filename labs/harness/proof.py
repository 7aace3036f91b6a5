"""What `lastmile prove` found out about a lab's grader, kept as proof.json in the lab's folder.

The hashes say whether it still speaks of the grader and the solution that are there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labs.harness.manifest import Lab

FILE = "proof.json"
KILLED, NOT_COMPILING, SURVIVES = "killed by ", "does not compile", "survives"


@dataclass(frozen=True)
class Finding:
    """One program that was graded. `wrong` is "" when the grader said what it must."""

    name: str
    wrong: str = ""
    seconds: float = 0.0
    note: dict[str, str] = field(default_factory=dict)


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
    repeats: int = 0
    disagreed: int = 0
    parts: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[Finding]:
        groups = (self.starter, self.right, self.mistakes, self.survivors, self.undecided)
        return [finding for group in groups for finding in group if finding.wrong]

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
        return "\n".join(lines + [f"  ✗ {finding.name}: {finding.wrong}" for finding in self.wrong])


def empty(lab: Lab) -> Proof:
    return Proof(lab.slug, grader_hash(lab), solution_hash(lab))


def load(lab: Lab) -> Proof | None:
    """The kept proof, or None when there is none or it speaks of another grader or solution."""
    file = lab.folder / FILE
    if not file.is_file():
        return None
    raw = json.loads(file.read_text("utf-8"))
    if raw["grader"] != grader_hash(lab) or raw["solution"] != solution_hash(lab):
        return None
    groups = ("starter", "right", "mistakes", "survivors", "undecided")
    fields = {name: raw[name] for name in Proof.__dataclass_fields__}
    for name in groups:
        fields[name] = [Finding(**row) for row in raw[name]]
    return Proof(**fields)


def save(lab: Lab, proof: Proof) -> Path:
    file = lab.folder / FILE
    file.write_text(json.dumps(proof.json(), ensure_ascii=False, indent=1) + "\n", "utf-8")
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
    """Over solution/, solutions/ and mistakes/, which the proof speaks of."""
    names = ("starter", "solution", "solutions", "mistakes")
    return _hash(lab.folder, [p for name in names for p in (lab.folder / name).rglob("*") if p.is_file()])


def _hash(root: Path, files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        total.update(f"{file.relative_to(root)} {len(content)}\n".encode() + content)
    return total.hexdigest()[:32]
