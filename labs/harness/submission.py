"""What a learner hands in: a few text files. Everything here treats the input as hostile.

Reading never follows a link, never runs anything and never writes; whatever is wrong is collected
as Problems in both languages, so a learner sees all of it at once.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.harness.diagnostics import Diagnostic
from labs.harness.events import Text
from labs.harness.globs import matches
from labs.harness.go_source import source_problems
from labs.harness.manifest import Lab

MAX_FILES = 200
MAX_FILE_BYTES = 256 * 1024
MAX_TOTAL_BYTES = 1024 * 1024
MAX_NAME_BYTES = 200
MAX_DEPTH = 10
MAX_PROBLEMS = 20
MAX_ENTRIES = 20_000  # what a folder may hold beside the submission before reading gives up

# left by editors, version control and file managers: never part of a submission, never an error
IGNORED_PARTS = frozenset({".git", ".hg", ".svn", ".idea", ".vscode", "__MACOSX", ".DS_Store", "Thumbs.db"})


@dataclass(frozen=True)
class Problem:
    """One reason why a submission is refused; `file` is "" when it is about all of it."""

    file: str
    text: Text

    def diagnostic(self) -> dict[str, Any]:
        """The fields of its event: see docs/reference/events.md."""
        return Diagnostic("submission", self.file, 0, 0, self.text.en).json() | {"text": self.text.json()}


class BadSubmission(Exception):
    """The submission is refused: verdict `error`, no build."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.file}: {p.text.en}" if p.file else p.text.en for p in problems))
        self.problems = problems


@dataclass(frozen=True)
class Submission:
    """Files by their slash-separated path below the lab's folder."""

    files: Mapping[str, bytes]

    def digest(self) -> str:
        """SHA-256 over names and contents; equal for equal submissions."""
        total = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            total.update(f"{len(name.encode())} {name} {len(content)}\n".encode() + content)
        return total.hexdigest()


class Collector:
    """Takes files one by one, keeps the limits, and gathers what is wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.problems: list[Problem] = []
        self.total = 0

    @property
    def full(self) -> bool:
        return len(self.problems) >= MAX_PROBLEMS

    def refuse(self, file: str, zh: str, en: str) -> None:
        if not self.full:
            self.problems.append(Problem(printable(file), Text(zh, en)))

    def room(self) -> int:
        """How many bytes the next file may have at most."""
        return min(MAX_FILE_BYTES, MAX_TOTAL_BYTES - self.total)

    def add(self, name: str, content: bytes) -> None:
        """Take one file whose name has been checked by check_name."""
        if name in self.files:
            self.refuse(name, "同一个文件出现了两次", "this file is there twice")
        elif len(self.files) >= MAX_FILES:
            raise BadSubmission([Problem("", too_many())])
        else:
            self.files[name] = content
            self.total += len(content)

    def too_big(self, name: str) -> None:
        if self.total + MAX_FILE_BYTES >= MAX_TOTAL_BYTES + 1 and self.room() < MAX_FILE_BYTES:
            zh = f"全部文件加起来超过 {MAX_TOTAL_BYTES // 1024} KiB"
            self.refuse(name, zh, f"all files together exceed {MAX_TOTAL_BYTES // 1024} KiB")
        else:
            zh = f"文件超过 {MAX_FILE_BYTES // 1024} KiB"
            self.refuse(name, zh, f"the file exceeds {MAX_FILE_BYTES // 1024} KiB")

    def finish(self) -> Submission:
        if self.problems:
            raise BadSubmission(self.problems)
        return Submission(dict(sorted(self.files.items())))


def too_many() -> Text:
    return Text(f"文件太多，最多 {MAX_FILES} 个", f"too many files, at most {MAX_FILES}")


def ignored(name: str) -> bool:
    """Whether a path belongs to an editor or to version control."""
    return any(part in IGNORED_PARTS or part.startswith("._") for part in name.split("/"))


def check_name(name: str) -> Text | None:
    """Why a path cannot be taken, or None when it can."""
    if not name or "\0" in name:
        return Text("文件名为空或含有 NUL", "the name is empty or contains NUL")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in name):
        return Text("文件名不是有效的 UTF-8", "the name is not valid UTF-8")
    if len(name.encode()) > MAX_NAME_BYTES:
        return Text(f"文件名超过 {MAX_NAME_BYTES} 字节", f"the name exceeds {MAX_NAME_BYTES} bytes")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn") for c in name):
        return Text(
            "文件名含有控制字符或双向文字字符", "the name contains control or bidirectional characters"
        )
    if name.startswith("/") or "\\" in name or (len(name) > 1 and name[1] == ":"):
        return Text("不能是绝对路径，也不能含反斜杠", "absolute paths and backslashes are not accepted")
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return Text("路径不能含有 .. 或空的部分", "the path must not contain .. or empty parts")
    if len(parts) > MAX_DEPTH:
        return Text(f"目录超过 {MAX_DEPTH} 层", f"more than {MAX_DEPTH} folders deep")
    return None


def printable(name: str) -> str:
    """A name that can be shown anywhere: control and format characters escaped, cut at 120 characters."""
    shown = "".join(
        c
        if c.isprintable() and unicodedata.category(c) != "Cf"
        else c.encode("unicode_escape", "replace").decode()
        for c in name[:121]
    )
    return shown if len(name) <= 120 else shown[:120] + "…"


def from_files(files: Mapping[str, bytes]) -> Submission:
    """The files of a form or of an API call. Raises BadSubmission."""
    taken = Collector()
    for name, content in files.items():
        wrong = check_name(name)
        if wrong:
            taken.refuse(name, wrong.zh, wrong.en)
        elif len(content) > taken.room():
            taken.too_big(name)
        else:
            taken.add(name, content)
    return taken.finish()


def read_dir(path: Path) -> Submission:
    """Every regular file below `path`; links are refused, not followed. Raises BadSubmission."""
    if not path.is_dir():
        raise BadSubmission([Problem("", Text(f"没有这个目录：{path}", f"there is no folder {path}"))])
    taken, seen = Collector(), 0
    pending = [""]
    while pending:
        prefix = pending.pop()
        for entry in sorted(os.scandir(path / prefix), key=lambda e: e.name):
            name, seen = f"{prefix}{entry.name}", seen + 1
            if seen > MAX_ENTRIES:
                raise BadSubmission([Problem("", too_many())])
            if ignored(name):
                continue
            if entry.is_dir(follow_symlinks=False) and name.count("/") < MAX_DEPTH:
                pending.append(f"{name}/")
            else:
                _take(taken, Path(entry.path), name)
    return taken.finish()


def _take(taken: Collector, path: Path, name: str) -> None:
    wrong = check_name(name)
    if wrong:
        return taken.refuse(name, wrong.zh, wrong.en)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return taken.refuse(name, "不是普通文件，或者不可读", "not a regular file, or not readable")
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return taken.refuse(name, "不是普通文件", "not a regular file")
        content = file.read(taken.room() + 1)
    if len(content) > taken.room():
        return taken.too_big(name)
    return taken.add(name, content)


def accept(lab: Lab, submission: Submission) -> Submission:
    """The submission reduced to what the lab lets a learner edit. Raises BadSubmission.

    A file that is not editable is left out silently when it is the starter's own, byte by byte (a
    learner's folder has go.mod in it), and refused otherwise. What bpf2go writes is left out too:
    the build makes it anew.
    """
    taken = Collector()
    for name, content in submission.files.items():
        if name in lab.build.generated:
            continue
        if not any(matches(name, pattern) for pattern in lab.editable):
            if not _is_starters(lab, name, content):
                taken.refuse(name, *_not_editable(lab, name))
            continue
        for text in source_problems(name, content, bpf=lab.build.kind == "bpf"):
            taken.refuse(name, text.zh, text.en)
        taken.add(name, content)
    if not taken.files and not taken.problems:
        globs = ", ".join(lab.editable)
        taken.refuse(
            "",
            f"提交里没有可编辑的文件（{globs}）",
            f"the submission has none of the editable files ({globs})",
        )
    return taken.finish()


def _is_starters(lab: Lab, name: str, content: bytes) -> bool:
    file = lab.folder / "starter" / name
    return file.is_file() and file.read_bytes() == content


def _not_editable(lab: Lab, name: str) -> tuple[str, str]:
    base = name.rpartition("/")[2]
    if base in ("go.mod", "go.sum", "go.work", "go.work.sum") or name.startswith("vendor/"):
        return (
            "依赖由本实验固定，不能自带 go.mod、go.sum、go.work 或 vendor/；请用起始代码里的原文件",
            "this lab pins its dependencies: keep the starter's go.mod and go.sum, without go.work or vendor/",
        )
    globs = ", ".join(lab.editable)
    return f"本实验只收这些文件：{globs}", f"this lab takes only these files: {globs}"
