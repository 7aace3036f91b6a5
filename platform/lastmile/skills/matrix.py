"""The skill matrix: cells of content/skills.toml with what a person has shown. Nothing here is stored."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.urls import reverse

from labs.harness.events import Text
from lastmile.accounts.models import User
from lastmile.course.content import CONTENT, text_of, written
from lastmile.practice import catalog
from lastmile.practice.models import Run
from lastmile.problems import pick
from lastmile.skills.models import SkillEvidence

Row = dict[str, Any]


@dataclass(frozen=True)
class Axis:
    id: str
    title: Text


@dataclass(frozen=True)
class Cell:
    id: str
    title: Text
    can: Text
    shown: Text
    next: Text
    ask: Text
    labs: tuple[str, ...]
    chapters: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What content/skills.toml says."""

    levels: tuple[Axis, ...]
    dimensions: tuple[Axis, ...]
    cells: dict[str, Cell] = field(default_factory=dict)


def plan(content: Path = CONTENT) -> Plan:
    """An empty plan while there is no file. Raises BadContent when a text is missing."""
    path = content / "skills.toml"
    return _plan_at(path, path.stat().st_mtime_ns) if path.is_file() else Plan((), ())


@lru_cache(maxsize=8)
def _plan_at(path: Path, _changed: int) -> Plan:
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return Plan(
        tuple(Axis(row["id"], text_of(row["title"], "skills.toml")) for row in found["levels"]),
        tuple(Axis(row["id"], text_of(row["title"], "skills.toml")) for row in found["dimensions"]),
        {row["id"]: _cell(row) for row in found["cells"]},
    )


def _cell(row: Row) -> Cell:
    where = f"skills.toml, {row['id']}"
    return Cell(
        row["id"],
        text_of(row.get("title"), where),
        text_of(row.get("can"), where),
        text_of(row.get("shown"), where),
        text_of(row.get("next"), where),
        text_of(row.get("ask"), where),
        tuple(row.get("labs", ())),
        tuple(row.get("chapters", ())),
    )


def of(user: User) -> Row:
    """{levels, rows: [{dimension, cells}]}. A cell's `standing` is shown, partly, tried or none."""
    found = plan()
    evidence: dict[str, list[SkillEvidence]] = {}
    for row in SkillEvidence.objects.filter(user=user).select_related("run"):
        evidence.setdefault(row.cell, []).append(row)
    tried = set(Run.objects.filter(user=user, state="done").counted().values_list("lab", flat=True))
    return {
        "levels": [{"id": axis.id, "title": pick(axis.title)} for axis in found.levels],
        "rows": [
            {
                "id": axis.id,
                "title": pick(axis.title),
                "cells": [
                    _cell_row(cell, level, evidence.get(cell.id, []), tried)
                    for level in found.levels
                    if (cell := found.cells.get(f"{axis.id}.{level.id}"))
                ],
            }
            for axis in found.dimensions
        ],
    }


def _cell_row(cell: Cell, level: Axis, evidence: list[SkillEvidence], tried: set[str]) -> Row:
    labs = [lab for lab in map(catalog.find, cell.labs) if lab]
    shown = {row.run.lab for row in evidence}
    missing = [lab for lab in labs if lab.slug not in shown]
    if evidence and not missing:
        standing = "shown"
    elif evidence:
        standing = "partly"
    else:
        standing = "tried" if any(lab.slug in tried for lab in labs) else "none"
    latest: dict[str, SkillEvidence] = {}
    for row in evidence:
        latest.setdefault(row.run.lab, row)
    return {
        "id": cell.id,
        "anchor": cell.id.replace(".", "-"),
        "level": pick(level.title),
        "title": pick(cell.title),
        "can": pick(cell.can),
        "counts": pick(cell.shown),
        "then": pick(cell.next),
        "ask": pick(cell.ask),
        "standing": standing,
        "labs": len(labs),
        "shown": len(shown),
        "passes": len(evidence),
        "evidence": [_evidence_row(row) for row in latest.values()],
        "next": _next(missing),
        "chapters": _chapters(cell),
    }


def _evidence_row(row: SkillEvidence) -> Row:
    return {
        "lab": pick(catalog.title(row.run.lab)),
        "run": row.run,
        "at": row.at,
        "url": row.run.get_absolute_url(),
    }


def _next(missing: list[Any]) -> Row | None:
    if not missing:
        return None
    lab = missing[0]
    return {"title": pick(lab.title), "minutes": lab.minutes, "url": reverse("lab", args=lab.slug.split("/"))}


def _chapters(cell: Cell) -> list[Row]:
    entries = {entry.slug: entry for entry in written()}
    return [
        {
            "title": f"{entries[slug].number} {pick(entries[slug].title)}",
            "url": reverse("chapter", args=[slug]),
        }
        for slug in cell.chapters
        if slug in entries
    ]
