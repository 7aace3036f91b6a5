"""What `lastmile prove` last found out about a lab's grader, as its page shows it."""

from __future__ import annotations

import logging
from collections import Counter
from functools import lru_cache
from typing import Any

from labs.harness import mistakes, proof
from labs.harness.manifest import Lab

log = logging.getLogger(__name__)


def proof_of(lab: Lab) -> dict[str, Any] | None:
    """{mistakes, caught, runs, disagreed, mutants, mutants_killed, mutants_tried, mutants_known, reasons}; None without
    a proof of this very grader. `mistakes` counts those that are known, run or not. `reasons` are {count, zh, en}, the
    most frequent first: how many mutants pass, and why.
    """
    file = lab.folder / proof.FILE
    return _read(lab, file.stat().st_mtime_ns) if file.is_file() else None


@lru_cache(maxsize=64)
def _read(lab: Lab, _version: int) -> dict[str, Any] | None:
    try:
        found = proof.load(lab)
    except (ValueError, KeyError, TypeError):
        log.exception("%s: its %s cannot be read", lab.slug, proof.FILE)
        return None
    if found is None:
        return None
    figures = found.figures()
    return {
        "mistakes": len(mistakes.names(lab)),
        "caught": figures["mistakes_caught"],
        "runs": figures["repeats"],
        "disagreed": figures["disagreed"],
        "mutants": figures["mutants"],
        "mutants_killed": figures["mutants_killed"],
        "mutants_tried": len(found.mutants),
        "mutants_known": found.mutants_found,
        "reasons": _reasons(found),
    }


def _reasons(found: proof.Proof) -> list[dict[str, Any]]:
    """Not which mutants: their lines are the solution's."""
    counted = Counter((one.note["zh"], one.note["en"]) for one in found.survivors if one.note)
    return [{"count": count, "zh": zh, "en": en} for (zh, en), count in counted.most_common()]
