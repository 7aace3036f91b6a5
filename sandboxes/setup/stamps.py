"""Stamps: small files that say a result was finished, keyed by the content of what it was made from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def digest(*parts: str | Path | Iterable[Path]) -> str:
    """A hex SHA-256 over texts and the content of files. A missing file counts as such, not as an error."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            _feed(sha, b"text", part.encode())
            continue
        for path in [part] if isinstance(part, Path) else sorted(part):
            _feed(sha, path.name.encode(), path.read_bytes() if path.is_file() else b"\0missing")
    return sha.hexdigest()


def _feed(sha: hashlib._Hash, label: bytes, content: bytes) -> None:
    sha.update(b"%d:%s%d:" % (len(label), label, len(content)))
    sha.update(content)


def files_below(folder: Path, *, ignore: frozenset[str] = frozenset()) -> list[Path]:
    """Every file below `folder` but those in folders named in `ignore`, in a stable order."""
    found: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in ignore)
        found += [Path(where, name) for name in sorted(names)]
    return found


class Stamp:
    """The file that says which inputs a result was made from."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def matches(self, key: str) -> bool:
        try:
            return self.path.read_text() == key
        except OSError:
            return False

    def write(self, key: str) -> None:
        """Called last, when the result is in its place."""
        write_atomically(self.path, key.encode())

    def clear(self) -> None:
        """Called before a result is touched that cannot be renamed into place as a whole."""
        self.path.unlink(missing_ok=True)


def part_of(final: Path) -> Path:
    """Where `final` is made before it is renamed: beside it, so the rename is atomic."""
    return final.with_name(f".{final.name}.part")


def write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    part.write_bytes(content)
    part.replace(path)
