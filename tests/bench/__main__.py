"""`make bench`: measure, print a table, write build/bench.json. Nothing is left running."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import sandboxes, verdicts, vm
from tests.bench.figures import Row

PARTS = ("sandboxes", "vm", "verdicts", "site")


def _measure(part: str, rounds: int, run: Path) -> list[Row]:
    if part == "sandboxes":
        return sandboxes.measure(rounds, run)
    if part == "vm":
        return vm.measure(rounds, run)
    if part == "verdicts":
        return verdicts.measure(rounds, run)
    from tests.bench import site

    return site.measure(rounds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…")
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"which of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    arguments = parser.parse_args()
    rows: list[Row] = []
    print("| figure | median | min – max | n | aim | |\n|---|---|---|---|---|---|")
    for part in arguments.parts:
        with tempfile.TemporaryDirectory(prefix="lastmile-bench-") as run:
            for row in _measure(part, arguments.rounds, Path(run)):
                rows.append(row)
                print(row.text(), flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": len(os.sched_getaffinity(0)), "kernel": platform.release()},
        "figures": {row.name.strip(): {**row.series.json(), "aim": row.aim, "met": row.met} for row in rows},
    }
    arguments.output.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
