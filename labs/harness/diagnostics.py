"""What the Go tools said, as file, line, column and message."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

MAX_DIAGNOSTICS = 50
MAX_MESSAGE = 1000
_PLACE = re.compile(
    r"^(?:vet: )?(?:\./)?(?P<file>[^\s:][^:]*\.go):(?P<line>\d+)(?::(?P<column>\d+))?: (?P<message>.*)$"
)
_HEADING = re.compile(r"^# ")


@dataclass(frozen=True)
class Diagnostic:
    """`tool` is submission, gofmt, vet or build. Line 0 means the whole file, file "" the submission."""

    tool: str
    file: str
    line: int
    column: int
    message: str

    def json(self) -> dict[str, Any]:
        return asdict(self)


def parse(tool: str, output: str) -> list[Diagnostic]:
    """The diagnostics in a tool's output; lines that name no place become one without a file."""
    found: list[Diagnostic] = []
    for line in output.splitlines():
        if not line.strip() or _HEADING.match(line):
            continue
        match = _PLACE.match(line)
        if match:
            column = int(match["column"] or 0)
            found.append(Diagnostic(tool, match["file"], int(match["line"]), column, match["message"]))
        elif found:
            last = found[-1]
            found[-1] = Diagnostic(tool, last.file, last.line, last.column, f"{last.message}\n{line.strip()}")
        else:
            found.append(Diagnostic(tool, "", 0, 0, line.strip()))
    cut = [Diagnostic(d.tool, d.file, d.line, d.column, d.message[:MAX_MESSAGE]) for d in found]
    return list(dict.fromkeys(cut))[:MAX_DIAGNOSTICS]


def unformatted(output: str, files: Collection[str]) -> list[Diagnostic]:
    """One for each file that `gofmt -l` lists; its syntax errors are left to the compiler."""
    listed = [line.removeprefix("./") for line in output.splitlines()]
    return [Diagnostic("gofmt", name, 0, 0, "gofmt -w") for name in listed if name in files]
