"""Makes a learner's output safe to show: bounded, valid text without control characters."""

from __future__ import annotations

import re
import unicodedata

MAX_LINE_BYTES = 4096
MAX_TOTAL_BYTES = 1024 * 1024

# CSI, OSC and the other string sequences, two-character escapes
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[ -/]*[0-~])", re.DOTALL)
_SAFE = frozenset("\t")


def clean(text: str) -> str:
    """Without escape sequences, control, bidirectional and other format characters; tabs stay."""
    bare = _ANSI.sub("", text)
    if bare.isascii() and bare.isprintable():
        return bare
    return "".join(c for c in bare if c in _SAFE or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def clean_lines(text: str) -> str:
    """Each line clean, with its line break."""
    return "\n".join(clean(line) for line in text.split("\n"))


class Lines:
    """Cuts a stream of bytes into clean lines within the limits. Not thread-safe.

    A line longer than MAX_LINE_BYTES is cut and ends in "…"; after MAX_TOTAL_BYTES nothing more comes
    and `cut` is True. Memory stays bounded however long a line is.
    """

    def __init__(self, max_total: int = MAX_TOTAL_BYTES) -> None:
        self._left = max_total
        self._partial = bytearray()
        self._overlong = False
        self.cut = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        out: list[str] = []
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._grow(piece)
            self._emit(out)
        self._grow(rest)
        return out

    def end(self) -> list[str]:
        """The last line, when it has no newline."""
        out: list[str] = []
        if self._partial:
            self._emit(out)
        return out

    def _grow(self, piece: bytes) -> None:
        room = MAX_LINE_BYTES - len(self._partial)
        self._overlong = self._overlong or len(piece) > room
        self._partial += piece[: max(room, 0)]

    def _emit(self, out: list[str]) -> None:
        raw, overlong = bytes(self._partial), self._overlong
        self._partial.clear()
        self._overlong = False
        if self.cut:
            return
        if len(raw) + 1 > self._left:
            self.cut = True
            return
        self._left -= len(raw) + 1
        out.append(clean(raw.decode("utf-8", "replace")) + ("…" if overlong else ""))
