"""What clang and the Go tools said, as file, line, column and message."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

MAX_DIAGNOSTICS = 50
MAX_MESSAGE = 1000
_PLACE = re.compile(
    r"^(?:vet: )?(?:\./)?(?P<file>[^\s:][^:]*\.go):(?P<line>\d+)(?::(?P<column>\d+))?: (?P<message>.*)$"
)
_CLANG = re.compile(
    r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<level>(?:fatal )?error|warning|note): (?P<message>.*)$"
)
# which files include which, and the sums at the end: they name no fault of their own
_CLANG_FRAME = re.compile(r"^In file included from |^\d+ (?:error|warning)s?\b|^Error: compile: exit status")
_HEADING = re.compile(r"^# ")


@dataclass(frozen=True)
class Diagnostic:
    """`tool` is submission, gofmt, vet, clang or build. Line 0 means the whole file, file "" the submission.

    `advice` is True for what does not keep a program from being graded.
    """

    tool: str
    file: str
    line: int
    column: int
    message: str
    advice: bool = False

    def json(self) -> dict[str, Any]:
        return asdict(self)


def parse(tool: str, output: str) -> list[Diagnostic]:
    """The diagnostics in a Go tool's output; lines that name no place become one without a file."""
    found: list[Diagnostic] = []
    advice = tool == "vet"
    for line in output.splitlines():
        if not line.strip() or _HEADING.match(line):
            continue
        match = _PLACE.match(line)
        if match:
            column = int(match["column"] or 0)
            found.append(
                Diagnostic(tool, match["file"], int(match["line"]), column, match["message"], advice)
            )
        elif found:
            found[-1] = _longer(found[-1], line)
        else:
            found.append(Diagnostic(tool, "", 0, 0, line.strip(), advice))
    return _bounded(found)


def parse_clang(output: str, root: str) -> list[Diagnostic]:
    """The diagnostics in clang's output, warnings as advice, notes with what they explain.

    Paths below `root` are told from there. A line that names no place (bpf2go's own, say) is an
    error of the submission as a whole.
    """
    found: list[Diagnostic] = []
    for line in output.splitlines():
        if not line.strip() or _CLANG_FRAME.match(line):
            continue
        match = _CLANG.match(line)
        if match is None:
            found.append(Diagnostic("clang", "", 0, 0, line.strip()))
        elif match["level"] == "note":
            where = f"{_below(root, match['file'])}:{match['line']}: {match['message']}"
            found[-1:] = [_longer(found[-1], where)] if found else []
        else:
            place = _below(root, match["file"]), int(match["line"]), int(match["column"])
            found.append(Diagnostic("clang", *place, match["message"], match["level"] == "warning"))
    return _bounded(found)


def unformatted(output: str, files: Collection[str]) -> list[Diagnostic]:
    """One for each file that `gofmt -l` lists; its syntax errors are left to the compiler."""
    listed = [line.removeprefix("./") for line in output.splitlines()]
    return [Diagnostic("gofmt", name, 0, 0, "gofmt -w", True) for name in listed if name in files]


def _below(root: str, file: str) -> str:
    return file.removeprefix(f"{root}/").removeprefix("./")


def _longer(diagnostic: Diagnostic, line: str) -> Diagnostic:
    if len(diagnostic.message) > MAX_MESSAGE:
        return diagnostic
    return replace(diagnostic, message=f"{diagnostic.message}\n{line.strip()}")


def _bounded(found: list[Diagnostic]) -> list[Diagnostic]:
    cut = [replace(diagnostic, message=diagnostic.message[:MAX_MESSAGE]) for diagnostic in found]
    return list(dict.fromkeys(cut))[:MAX_DIAGNOSTICS]
