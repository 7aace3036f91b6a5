"""From an edit of the reference solution to its verdict, with its parts."""

from __future__ import annotations

import time
from pathlib import Path

from labs.harness import engine, manifest, submission
from labs.harness.events import Event
from sandboxes.pool import client
from tests.bench.figures import Row, Series
from tests.bench.sandboxes import LAB, pool, spec


def _edited(lab: manifest.Lab, number: int) -> submission.Submission:
    """The solution with one line changed, so that its package is compiled anew."""
    folder = lab.folder / "solution"
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.go")) if p.is_file()}
    name = "controller.go" if "controller.go" in files else min(files)
    files[name] += f"\nvar edit{number} = {time.time_ns()}\n\nfunc init() {{ _ = edit{number} }}\n".encode()
    return submission.Submission(files)


def measure(rounds: int, run: Path) -> list[Row]:
    lab = manifest.load(LAB)
    first, whole = Series(), Series()
    parts = {name: Series() for name in ("queue", "build", "lease", "checks")}
    with pool(run):
        client.keep_warm(spec(), 1)
        for number in range(rounds):
            while (status := client.status()) is None or not status["warm"]:
                time.sleep(0.05)
            seen: list[float] = []

            def note(event: Event, seen: list[float] = seen) -> None:
                if event["type"] == "check" and event["status"] in {"passed", "failed"}:
                    seen.append(event["at"])

            verdict = engine.grade(lab, _edited(lab, number), note, seed=number)
            if verdict.verdict != "pass":
                raise RuntimeError(
                    f"the reference solution got {verdict.verdict}: {verdict.reason.en} {verdict.log}"
                )
            first.add(seen[0])
            whole.add(verdict.seconds)
            for name, series in parts.items():
                series.add(verdict.parts.get(name, 0.0))
    rows = [Row("edit → first check result", first, aim=5.0), Row("edit → verdict", whole, aim=15.0)]
    return rows + [Row(f"  of it: {name} (they overlap)", series) for name, series in parts.items()]
