"""What `lastmile prove` last found out about a lab's grader, as its page shows it."""

from __future__ import annotations

import json
from typing import Any

from labs.harness.manifest import Lab


def proof_of(lab: Lab) -> dict[str, Any] | None:
    """{mistakes, caught, runs, disagreed} of the lab's recorded proof, or None while there is none."""
    file = lab.folder / "proof.json"
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text("utf-8"))
        return {key: int(found[key]) for key in ("mistakes", "caught", "runs", "disagreed")}
    except (ValueError, KeyError, TypeError):
        return None
