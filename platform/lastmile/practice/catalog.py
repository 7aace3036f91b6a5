"""The labs as the site shows them: manifests, starter and solution files, texts. Read from labs/."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import Http404

from labs.harness import manifest
from labs.harness.events import Text
from labs.harness.globs import matches
from labs.harness.manifest import Lab

log = logging.getLogger(__name__)

MAX_SHOWN = 512 * 1024


def find(slug: str) -> Lab | None:
    try:
        file = settings.LABS / slug / "lab.toml"
        return _load(slug, settings.LABS, file.stat().st_mtime_ns)
    except (manifest.NoSuchLab, OSError, ValueError):
        return None
    except manifest.BadManifest as bad:  # as while it is being written: the other labs go on
        log.error("lab %s is left out: %s", slug, bad)
        return None


def changed(slug: str) -> int:
    """Another number after each change of the lab's manifest; 0 while there is none."""
    try:
        return (settings.LABS / slug / "lab.toml").stat().st_mtime_ns
    except OSError:
        return 0


def get_or_404(slug: str) -> Lab:
    lab = find(slug)
    if lab is None:
        raise Http404(slug)
    return lab


@lru_cache(maxsize=64)
def _load(slug: str, root: Path, _version: int) -> Lab:
    return manifest.load(slug, root)


def everything() -> list[Lab]:
    """Every lab, in the order in which they can be done: by track, and within it by folder."""
    slugs = sorted(f"{f.parent.parent.name}/{f.parent.name}" for f in settings.LABS.glob("*/*/lab.toml"))
    return [lab for slug in slugs if (lab := find(slug)) is not None]


def read_folder(folder: Path) -> dict[str, str]:
    """The text files below a folder of ours, by their path."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size <= MAX_SHOWN:
            found[path.relative_to(folder).as_posix()] = path.read_text("utf-8", errors="replace")
    return found


def starter(lab: Lab) -> dict[str, str]:
    return read_folder(lab.folder / "starter")


def solution(lab: Lab, other: str = "") -> dict[str, str]:
    """What a right answer changes: the lab's own, or one of other_solutions()."""
    folder = lab.folder / "solutions" / other if other else lab.folder / "solution"
    return {path: text for path, text in read_folder(folder).items() if is_editable(lab, path)}


def other_solutions(lab: Lab) -> list[str]:
    """The names of right answers that were written independently of the first."""
    return sorted(folder.name for folder in (lab.folder / "solutions").glob("*") if folder.is_dir())


def is_editable(lab: Lab, path: str) -> bool:
    return any(matches(path, pattern) for pattern in lab.editable)


def text(lab: Lab, name: str, language: str) -> str:
    """text/<zh|en>/<name>.md, or "" while there is none."""
    path = lab.folder / "text" / language / f"{name}.md"
    return path.read_text("utf-8") if path.is_file() else ""


def hints(lab: Lab, language: str) -> dict[str, list[str]]:
    """Markdown of the hints by check id, level by level.

    hints.md has a heading `## <check id>` for each check and below it `### 1`, `### 2`, …; what follows
    the number on that line is the writer's own.
    """
    found: dict[str, list[str]] = {}
    check = ""
    for line in text(lab, "hints", language).splitlines():
        if line.startswith("## "):
            check = line[3:].strip().strip("`")
            found[check] = []
        elif line.startswith("### ") and check:
            found[check].append("")
        elif check and found[check]:
            found[check][-1] += line + "\n"
    return {id_: [level.strip() for level in levels] for id_, levels in found.items()}


def title(slug: str) -> Text:
    lab = find(slug)
    return lab.title if lab else Text(slug, slug)
