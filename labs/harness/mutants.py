"""Small wrong changes to a lab's solution, found by labs/harness/mutate, and the survivors' reasons."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from labs.harness.events import Text
from labs.harness.fields import Table
from labs.harness.manifest import BadManifest, Lab
from labs.harness.submission import Submission
from sandboxes.setup.modules import GoProgram

_TOOL = GoProgram(Path(__file__).with_name("mutate"))


@dataclass(frozen=True)
class Mutant:
    """`id` stays the same while the changed line does."""

    id: str
    file: str
    line: int
    kind: str
    start: int
    end: int
    replacement: str
    original: str

    def apply(self, submission: Submission) -> Submission:
        source = submission.files[self.file]
        changed = source[: self.start] + self.replacement.encode() + source[self.end :]
        return Submission({**submission.files, self.file: changed})

    def __str__(self) -> str:
        was, now = (" ".join(text.split())[:60] for text in (self.original, self.replacement))
        return f"{self.file}:{self.line} {self.kind}: {was!r} → {now!r}"


def find(folder: Path) -> list[Mutant]:
    """The mutants of a solution's folder, in file order."""
    if not _TOOL.done():
        _TOOL.run(lambda _text: None)
    done = subprocess.run([_TOOL.path, folder], capture_output=True, check=True, timeout=60)
    return [Mutant(**json.loads(line)) for line in done.stdout.splitlines()]


def sample(found: list[Mutant], limit: int) -> list[Mutant]:
    """At most `limit` of them (0: all), always the same choice, in the same order."""
    if not limit:
        return found
    drawn = sorted(found, key=lambda mutant: hashlib.sha256(mutant.id.encode()).digest())[:limit]
    return [mutant for mutant in found if mutant in drawn]


def reasons(lab: Lab) -> dict[str, Text]:
    """Why a mutant may survive, by id, from mutants.toml. Raises BadManifest.

    A file mutants.toml has rows [[survivors]] with `id`, `zh` and `en`.
    """
    file = lab.folder / "mutants.toml"
    if not file.is_file():
        return {}
    mistakes: list[str] = []
    try:
        table = Table(tomllib.loads(file.read_text("utf-8")), f"labs/{lab.slug}/mutants.toml", mistakes)
    except tomllib.TOMLDecodeError as error:
        raise BadManifest([f"labs/{lab.slug}/mutants.toml: not valid TOML: {error}"]) from error
    found = {row.string("id"): Text(row.string("zh"), row.string("en")) for row in table.tables("survivors")}
    if mistakes:
        raise BadManifest(mistakes)
    return found
