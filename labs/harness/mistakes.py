"""A lab's wrong answers: mistakes/NAME/, files laid over the solution, with a mistake.toml.

catches = "status"                 the first check that fails, and the one that must catch it
also = ["rollout"]                 checks that may fail too, as a consequence; none by default
words = ["observedGeneration"]     what the failure must say, in Chinese or in English
removes = ["status.go"]            files of the solution that are not there; none by default
[why]
zh = "…"                           the misconception, one sentence
en = "…"
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from labs.harness.events import Text
from labs.harness.fields import Table
from labs.harness.manifest import BadManifest, Lab
from labs.harness.submission import Submission, read_dir
from labs.harness.verdict import Verdict


@dataclass(frozen=True)
class Mistake:
    """One misconception as a program."""

    name: str
    catches: str
    also: tuple[str, ...]
    words: tuple[str, ...]
    why: Text
    submission: Submission

    def judge(self, verdict: Verdict) -> str:
        """ "" when the grader caught it as it must, else what was wrong, for the lab's author."""
        failed = [row.check for row in verdict.checks if row.status == "failed"]
        if verdict.verdict != "fail":
            return f"the verdict is {verdict.verdict}: {verdict.reason.en}"
        if failed[0] != self.catches:
            return f"{failed[0]} failed first, {self.catches} should have"
        beyond = [check for check in failed[1:] if check not in self.also]
        if beyond:
            return f"{', '.join(beyond)} failed too"
        failure = next(row.failure for row in verdict.checks if row.check == self.catches)
        said = json.dumps(failure, ensure_ascii=False)
        unsaid = [word for word in self.words if word not in said]
        return f"the failure does not say {unsaid}: {said}" if unsaid else ""


def load(lab: Lab) -> list[Mistake]:
    """Every mistake of the lab, by name. Raises BadManifest, BadSubmission."""
    return [_load(lab, lab.folder / "mistakes" / name) for name in names(lab)]


def names(lab: Lab) -> list[str]:
    return sorted(file.parent.name for file in (lab.folder / "mistakes").glob("*/mistake.toml"))


def _load(lab: Lab, folder: Path) -> Mistake:
    shown = f"labs/{lab.slug}/mistakes/{folder.name}/mistake.toml"
    wrong: list[str] = []
    try:
        table = Table(tomllib.loads((folder / "mistake.toml").read_text("utf-8")), shown, wrong)
    except tomllib.TOMLDecodeError as error:
        raise BadManifest([f"{shown}: not valid TOML: {error}"]) from error
    over = {name: text for name, text in read_dir(folder).files.items() if name != "mistake.toml"}
    removes = table.strings("removes", optional=True)
    base = {
        name: text for name, text in read_dir(lab.folder / "solution").files.items() if name not in removes
    }
    mistake = Mistake(
        name=folder.name,
        catches=table.one_of("catches", [check.id for check in lab.checks]),
        also=table.strings("also", optional=True),
        words=table.strings("words", optional=True),
        why=table.text("why"),
        submission=Submission({**base, **over}),
    )
    table.nothing_else()
    if not over and not removes:
        wrong.append(f"{shown}: the mistake changes no file of the solution")
    if wrong:
        raise BadManifest(wrong)
    return mistake
